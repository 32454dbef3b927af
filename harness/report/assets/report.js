"use strict";
(() => {
  // The reverse of harness/report/model.py, _encode: columns of numbers, texts stored once.
  const D = JSON.parse(document.getElementById("data").textContent);
  const SEVERITY = ["failed", "expected", "passed", "skipped"];
  const WORDS = { failed: "failed", expected: "expected", passed: "passed", skipped: "not run" };
  const AXES = ["backend", "serializer", "compression", "broker", "pool", "value", "case"];
  const PAGE = 300;

  const get = (column, i) => {
    const number = D.columns[column][i];
    return number < 0 ? null : D.tables[column][number];
  };
  const idOf = (i) => (D.ids[i][0] === "=" ? D.ids[i].slice(1) : get("scenario", i) + D.ids[i]);
  const around = (number, inner) => {
    const parts = D.around[number];
    return parts.length === 1 ? parts[0] : parts[0] + inner + parts[1];
  };
  const nodeOf = (i) => around(D.nodes[i], idOf(i));
  const reproOf = (i) => around(D.repros[i], nodeOf(i));
  const inMatrix = (i) => (D.flags[i] & 1) === 1;
  const evidenceOf = (i) => {
    const found = {};
    const parts = D.evidence[i] || [];
    for (let k = 0; k < parts.length; k += 2) found[D.keys[parts[k]]] = D.blobs[parts[k + 1]];
    return found;
  };
  const everyCell = function* () {
    for (let i = 0; i < D.size; i++) yield i;
  };
  const where = (test) => {
    const found = [];
    for (const i of everyCell()) if (test(i)) found.push(i);
    return found;
  };

  // Nothing from a store reaches the page but as text, and what acts on text is spelled out first.
  const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const printable = (text) =>
    String(text).replace(ACTING, (c) => {
      const code = c.charCodeAt(0);
      return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
    });
  const h = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(name, value === true ? "" : printable(value));
    }
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child instanceof Node ? child : printable(child));
    }
    return element;
  };
  const glyph = (text) => h("span", { class: "glyph", "aria-hidden": "true" }, text);
  const seconds = (value) => (typeof value === "number" ? `${value.toFixed(value < 10 ? 3 : 1)} s` : String(value));

  // ---------------------------------------------------------------- the drawer: a list of cells, one cell

  const drawer = document.getElementById("drawer");
  const body = document.getElementById("drawer-body");
  const buttons = Object.fromEntries(["back", "previous", "next", "close"].map((id) => [id, document.getElementById(id)]));
  let list = null; // {title, lede, cells, place}: what Back returns to, and what Previous and Next walk through
  let shown = -1;
  let missing = null; // the id that a link asked for, where no cell has it

  let found = null; // the list of the page's own filters
  const redraws = []; // what shows a part of the state draws itself anew
  const announce = (text) => {
    const live = document.getElementById("announce");
    (drawer.open ? drawer : document.body).append(live); // outside an open modal nothing is read aloud
    live.textContent = text;
  };
  // ---------------------------------------------------------------- the page's state, in its fragment
  //
  // #backend=redis&verdict=lost&sort=slowest&open=matrix&open.backend=redis&cell=ID: the filters, what the drawer
  // lists, the cell that it shows. A fragment without "=" is a section of the page, and leaves all that alone.

  const FACETS = ["outcome", "verdict", "blame", "backend", "serializer", "compression", "scenario"];
  const chosen = {}; // facet, "q" (text), "sort", "values" (serializer), "differing" -> what was chosen
  const KEPT = [...FACETS, "q", "sort", "values", "differing"];
  const fragment = () => {
    const pairs = KEPT.filter((name) => chosen[name]).map((name) => [name, chosen[name]]);
    if (drawer.open && list && list.from) {
      pairs.push(["open", list.from.kind]);
      for (const [name, value] of Object.entries(list.from.asked)) pairs.push([`open.${name}`, value]);
    }
    if (drawer.open && (shown >= 0 || missing !== null)) pairs.push(["cell", shown >= 0 ? idOf(shown) : missing]);
    return pairs.length ? "#" + pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&") : "";
  };
  const parsed = (text) => {
    const found = new Map();
    for (const pair of text.replace(/^#/, "").split("&")) {
      const at = pair.indexOf("=");
      if (at < 0) continue;
      let value = pair.slice(at + 1);
      try {
        value = decodeURIComponent(value);
      } catch {
        // a fragment typed by hand: taken as it stands
      }
      found.set(pair.slice(0, at), value);
    }
    return found;
  };
  const here = () => (location.hash.includes("=") ? location.hash : "");
  let applying = false; // while the fragment is put into effect it is not written
  const remember = (instead = false) => {
    const text = fragment();
    if (applying || text === here()) return;
    try {
      history[instead ? "replaceState" : "pushState"](null, "", text || location.pathname + location.search);
    } catch {
      location.hash = text;
    }
  };
  const show = (content) => {
    body.replaceChildren(content);
    if (!drawer.open) drawer.showModal();
    body.scrollTop = 0;
    drawer.scrollTop = 0;
  };

  const rank = (i) => {
    const outcome = get("outcome", i);
    if (outcome === "failed") return 0;
    if (outcome === "expected") return 1;
    if (outcome === "skipped") return 4;
    return get("verdict", i) === "exact" ? 3 : 2;
  };
  const GROUPS = [
    ["Failed", "Deviations that no expectation describes, and expectations that no longer hold."],
    ["Known deviations", "Each is written down in one expectation."],
    ["Changed, and not by the store", "What came back is what the serializer alone returns, or refuses."],
    ["Exact", "Nothing changed."],
    ["Not run", "Was not asked."],
  ];

  const said = (i) => {
    const stale = get("expectation", i) !== null && get("outcome", i) === "failed";
    return stale ? get("reason", i) : get("detail", i) || get("reason", i);
  };
  const cellButton = (i, name, measure = null) =>
    h(
      "button",
      {
        type: "button", class: "cell", "data-open": "cell", "data-index": i, "data-cell-id": idOf(i),
        "data-verdict": get("verdict", i), "data-outcome": get("outcome", i), "data-blame": get("blame", i),
      },
      h("span", { class: "mark", "aria-hidden": "true" }, (D.verdicts[get("verdict", i)] || ["?"])[0]),
      h("span", { class: "name" }, name),
      h("span", { class: "what" }, get("verdict", i), get("blame", i) && `, blame ${get("blame", i)}`,
        h("span", { class: "outcome" }, ` \u00b7 ${WORDS[get("outcome", i)]}`), measure),
      h("span", { class: "detail" }, said(i)),
    );

  const nameIn = (cells) => {
    // a cell is called by the points, of the axes that it varies, in which the cells of the list differ
    const axes = AXES.filter((axis) => new Set(cells.map((i) => D.columns[axis][i])).size > 1);
    const scenarios = new Set(cells.map((i) => D.columns.scenario[i])).size > 1;
    const twins = new Set(cells.map(idOf)).size < cells.length; // the id names neither broker nor pool
    return (i) => {
      const declared = D.axes[D.declared[i]];
      const points = axes.filter((axis) => declared.includes(axis) || (twins && (axis === "broker" || axis === "pool"))).map((axis) => get(axis, i)).filter((point) => point !== null);
      if (!points.length && !scenarios) return idOf(i);
      return [points.join(" \u00b7 "), (scenarios || !points.length) && h("small", {}, get("scenario", i))];
    };
  };

  const configuration = (place) => {
    const found = place && D.configurations.find((c) => Object.entries(place).every(([k, v]) => c.cell[k] === v));
    if (!found) return null;
    const part = (name) => (name in found ? D.blobs[found[name]] : null);
    const warnings = part("warnings");
    return h("div", { class: "configuration" },
      warnings && h("div", { class: "banner" }, h("strong", {}, "Celery warned about these settings: "), warnings.map((w) => h("p", {}, w))),
      part("declared") && h("details", {}, h("summary", {}, "What Celery declares of this backend"), generic(part("declared"))),
      part("settings") && h("details", {}, h("summary", {}, "Settings of this worker configuration"), generic(part("settings"))));
  };

  const openList = (next) => {
    list = next;
    shown = -1;
    missing = null;
    list.cells = list.cells.map((i) => [rank(i), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((pair) => pair[1]);
    const name = nameIn(list.cells);
    const groups = GROUPS.map(([title, lede], number) => {
      const cells = list.cells.filter((i) => rank(i) === number);
      if (!cells.length) return null;
      const items = h("ul", { class: "cells" });
      const more = h("button", { type: "button", class: "plain" });
      let done = 0;
      const add = () => {
        items.append(...cells.slice(done, done + PAGE).map((i) => h("li", {}, cellButton(i, name(i)))));
        done = Math.min(done + PAGE, cells.length);
        more.textContent = `Show more (${(cells.length - done).toLocaleString("en")} left)`;
        more.hidden = done === cells.length;
      };
      more.addEventListener("click", add);
      add();
      return h("section", { class: "group" },
        h("h3", {}, title, " ", h("span", { class: "quiet" }, cells.length.toLocaleString("en"))),
        h("p", { class: "quiet" }, lede), items, more);
    });
    buttons.back.hidden = buttons.previous.hidden = buttons.next.hidden = true;
    show(h("div", { id: "cells" },
      h("h2", { id: "drawer-title", tabindex: "-1" }, list.title),
      h("p", { class: "lede" }, list.lede),
      configuration(list.place), groups));
    document.getElementById("drawer-title").focus();
    remember();
  };

  const openCell = (i) => {
    shown = i;
    missing = null;
    const at = list ? list.cells.indexOf(i) : -1;
    if (at < 0) list = null;
    buttons.back.hidden = !list || list.onPage; // closing leads back to that one
    buttons.previous.hidden = buttons.next.hidden = !list;
    buttons.previous.disabled = at <= 0;
    buttons.next.disabled = !list || at === list.cells.length - 1;
    show(evidence(i));
    document.getElementById("drawer-title").focus();
    remember();
  };

  // ---------------------------------------------------------------- evidence

  const text = (value, id) => h("pre", { id, tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2));
  const generic = (value) => {
    if (value === null || typeof value !== "object") {
      return typeof value === "string" && (value.length > 60 || value.includes("\n")) ? text(value) : h("code", {}, String(value));
    }
    if (Array.isArray(value)) return value.length ? h("ul", { class: "plain-list" }, value.map((item) => h("li", {}, generic(item)))) : h("code", {}, "[]");
    return facts(Object.entries(value));
  };
  const facts = (pairs) =>
    h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined).map(([name, value]) => [
      h("dt", {}, String(name).replaceAll("_", " ")), h("dd", {}, value instanceof Node ? value : generic(value))]));
  const part = (name, title, ...content) => h("section", { class: "part", "data-part": name }, h("h3", {}, title), content);
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  const differing = (one, other) => {
    // both texts with what differs between their common start and end marked
    let start = 0;
    const least = Math.min(one.length, other.length);
    while (start < least && one[start] === other[start]) start++;
    let end = 0;
    while (end < least - start && one[one.length - 1 - end] === other[other.length - 1 - end]) end++;
    return [one, other].map((side) => {
      const middle = side.slice(start, side.length - end);
      return [side.slice(0, start), h("mark", { class: middle ? null : "empty", title: middle ? null : "nothing here" }, middle), end ? side.slice(side.length - end) : ""];
    });
  };

  const difference = (found, deviates) => {
    if (!isObject(found)) return part("difference", "First difference", generic(found));
    const sides = [found.sent, found.received].map((side) => (typeof side === "string" ? side : JSON.stringify(side) ?? ""));
    const [left, right] = differing(...sides);
    return part("difference", "First difference",
      facts([["path", h("code", { "data-field": "path" }, found.path ?? "")], ["kind", h("code", { "data-field": "kind" }, found.kind ?? "")]]),
      h("div", { class: "sides" },
        h("div", {}, h("h4", {}, deviates ? "Expected (oracle)" : "Sent"), h("pre", { "data-field": "sent", tabindex: "0" }, left)),
        h("div", {}, h("h4", {}, "Received"), h("pre", { "data-field": "received", tabindex: "0" }, right))));
  };

  const hexDump = (digits) => {
    if (!/^([0-9a-f]{2})*$/i.test(digits)) return text(digits);
    const lines = [];
    for (let offset = 0; offset < digits.length; offset += 32) {
      const pairs = digits.slice(offset, offset + 32).match(/../g) || [];
      const shown = pairs.map((p) => parseInt(p, 16)).map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
      lines.push([h("span", { class: "quiet" }, (offset / 2).toString(16).padStart(4, "0")), `  ${pairs.join(" ").padEnd(47)}  `, h("span", { class: "ascii" }, shown), "\n"]);
    }
    return h("pre", { class: "hex", tabindex: "0" }, lines);
  };

  const atRest = (found) => {
    if (!isObject(found)) return part("at_rest", "At rest", generic(found));
    const { place, size, hex, cut, serializer, codec, decoded, lifetime, ...others } = found;
    return part("at_rest", "At rest: the stored form, read with the store's own client",
      facts([
        ["place", place], ["size", typeof size === "number" ? `${size.toLocaleString("en")} bytes` : size],
        ["serializer found", serializer === null ? "none recognised" : serializer], ["codec found", codec === null ? "none" : codec],
        ["lifetime", lifetime === null ? "no expiry" : typeof lifetime === "number" ? `${lifetime.toLocaleString("en")} s left` : lifetime],
        ...Object.entries(others)]),
      typeof hex === "string" && [h("h4", {}, "Bytes"), hexDump(hex)],
      cut && h("p", { class: "quiet" }, "Cut: the stored form is longer."),
      decoded !== undefined && decoded !== null && [h("h4", {}, "Decoded"), text(decoded)]);
  };

  const failure = (found) => {
    if (!isObject(found)) return part("error", "Error", generic(found));
    const { type, message, traceback, phase, ...others } = found;
    return part("error", "Error",
      h("p", { class: "error" }, h("code", {}, type ?? "?"), phase && h("span", { class: "tag" }, `while: ${phase}`)),
      message !== undefined && text(message),
      traceback && h("details", {}, h("summary", {}, "Traceback"), text(traceback)),
      Object.keys(others).length > 0 && facts(Object.entries(others)));
  };

  const timeline = (events) => {
    if (!Array.isArray(events) || !events.every(isObject)) return part("events", "What the worker reported", generic(events));
    const last = Math.max(...events.map((e) => Number(e.at) || 0), 1e-9);
    return part("events", "What the worker reported, since submission",
      h("ol", { class: "timeline" }, events.map((e) => {
        const dot = h("i", { "aria-hidden": "true" });
        dot.style.left = `${Math.max(0, Math.min(100, (100 * (Number(e.at) || 0)) / last))}%`;
        const { event, at, ...others } = e;
        return h("li", {}, h("span", { class: "at" }, `+${seconds(at)}`), h("span", { class: "track" }, dot), h("span", {}, event ?? "?"),
          Object.keys(others).length > 0 && h("code", { class: "quiet" }, JSON.stringify(others)));
      })));
  };

  const runs = (told) => {
    if (!Array.isArray(told) || !told.every(isObject)) return part("runs", "What each run saw", generic(told));
    return part("runs", "Flaky: what each run saw",
      told.map((one) => h("details", { class: "run" },
        h("summary", {}, h("code", {}, one.run ?? "?"), " ",
          h("span", { class: "chip", "data-outcome": one.outcome }, WORDS[one.outcome] ?? "?"), " ",
          h("span", { class: "chip" }, one.verdict ?? "?"), one.blame ? ` blame: ${one.blame}` : "",
          one.detail && h("span", { class: "quiet" }, ` ${one.detail}`)),
        facts(Object.entries(one).filter(([name, value]) => !["run", "outcome", "verdict", "blame", "detail"].includes(name) && value !== null && value !== "")))));
  };

  const copyBox = (command, id, buttonId) =>
    h("div", { class: "command" }, h("code", { id }, command), h("button", { type: "button", class: "plain copy", id: buttonId, "data-copy": command }, "Copy"));

  const evidence = (i) => {
    const verdict = get("verdict", i), outcome = get("outcome", i), blame = get("blame", i);
    const found = evidenceOf(i);
    const oracle = get("oracle", i);
    const declared = D.axes[D.declared[i]];
    const others = Object.entries(found);
    const take = (name) => {
      const at = others.findIndex(([key]) => key === name);
      return at < 0 ? undefined : others.splice(at, 1)[0][1];
    };
    const given = (name, build) => {
      const value = take(name);
      return value === undefined || value === null ? null : build(value);
    };
    const reason = get("reason", i);
    const detail = get("detail", i);
    const parts = [
      isObject(found.facts) && typeof found.facts.remedy === "string" && found.facts.remedy
        && part("remedy", "The command that makes it run", copyBox(found.facts.remedy)),
      given("runs", runs),
      given("difference", (v) => difference(v, oracle !== null && !(D.flags[i] & 2) && oracle !== found.received)),
      given("sent", (v) => part("sent", "Sent", text(v))),
      oracle === null ? null : part("oracle", "Oracle: what serializer and codec alone return", text(oracle)),
      given("received", (v) => part("received", "Received", text(v))),
      given("error", failure),
      given("late", (v) => part("late", "An answer that came after the deadline", generic(v))),
      given("at_rest", atRest),
      given("planted", (v) => {
        const { read_back, ...rest } = isObject(v) ? v : { value: v };
        if (rest.error === null) delete rest.error;
        return part("planted", "Planted: the right bytes, written and read with the store's own client",
          facts(Object.entries(rest)), typeof read_back === "string" && [h("h4", {}, "Read back"), hexDump(read_back)]);
      }),
      given("events", timeline),
      given("service_log", (v) => part("service_log", "The services' logs",
        text(Object.entries(v).map(([name, lines]) => name + ":\n" + lines.join("\n")).join("\n\n")))),
      given("worker_log", (v) => part("worker_log", "The worker's log", text(Array.isArray(v) ? v.join("\n") : v))),
      given("stack", (v) => part("stack", "Stack of the process that hung", text(v))),
      given("facts", (v) => part("facts", "Facts", generic(v))),
      given("notes", (v) => part("notes", "Notes", generic(v))),
    ];
    parts.push(...others.map(([name, value]) => part(name, name.replaceAll("_", " "), generic(value))));
    return h("article", { id: "evidence", "data-cell-id": idOf(i), "data-verdict": verdict, "data-outcome": outcome, "data-blame": blame },
      h("h2", { id: "drawer-title", tabindex: "-1" }, get("value", i) ?? get("case", i) ?? get("scenario", i),
        h("small", {}, get("scenario", i))),
      h("p", { class: "verdict" },
        h("span", { class: "chip", "data-outcome": outcome }, (D.outcomes[outcome] || ["?"])[0], " ", WORDS[outcome]),
        h("span", { class: "chip" }, (D.verdicts[verdict] || ["?"])[0], " ", verdict),
        blame && h("span", { class: "chip", title: D.blames[blame] }, `blame: ${blame}`),
        h("span", { class: "quiet" }, (D.verdicts[verdict] || ["", ""])[1])),
      detail && h("p", { class: "said" }, detail),
      reason && (!detail || !reason.endsWith(detail) || said(i) === reason) && reason !== detail && h("p", { class: "quiet" }, reason),
      h("ul", { class: "points", "aria-label": "The cell" }, AXES.map((axis) => {
        const point = get(axis, i);
        return point === null ? null : h("li", { class: declared.includes(axis) ? null : "default", title: declared.includes(axis) ? null : "not varied by this scenario: its default" },
          h("span", {}, axis), " ", h("b", {}, point));
      })),
      part("repro", "Run this cell alone", copyBox(reproOf(i), "repro", "copy")),
      parts.some(Boolean) ? parts : h("p", { class: "empty" }, outcome === "passed"
        ? "Nothing else was kept: what came back is what was expected, types and all."
        : "The log holds no further evidence of this cell."),
      part("identity", "Names",
        facts([["cell", h("code", {}, idOf(i))], ["node id", h("code", {}, nodeOf(i))],
          ["expectation", get("expectation", i) ? h("code", { "data-field": "expectation" }, get("expectation", i)) : "none"],
          ["took", seconds(D.seconds[i])],
          ["link", h("a", { href: "#cell=" + encodeURIComponent(idOf(i)) }, "this cell in this report")]])));
  };

  // ---------------------------------------------------------------- copying

  const copyOldWay = (command) => {
    const area = h("textarea", { class: "hidden", "aria-hidden": "true", tabindex: "-1" });
    area.value = command;
    (drawer.open ? drawer : document.body).append(area); // what stands outside an open modal cannot be selected
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    return done;
  };
  const copy = async (button) => {
    const command = button.previousElementSibling.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(command);
      done = true;
    } catch {
      done = copyOldWay(command);
    }
    button.focus();
    if (!done) getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = done ? "\u2713 Copied" : "Selected: press Ctrl+C";
    button.dataset.done = done;
    announce(done ? "Copied to the clipboard" : "The command is selected: press Ctrl+C");
    setTimeout(() => {
      button.textContent = "Copy";
      delete button.dataset.done;
    }, 2500);
  };

  // ---------------------------------------------------------------- values, store by store

  const values = () => {
    const table = document.getElementById("value-table");
    if (!table) return;
    const codec = D.tables.compression.includes("uncompressed") ? "uncompressed" : D.tables.compression[0];
    const cells = new Map(); // value -> "serializer backend" -> cells, the worst first
    for (const i of everyCell()) {
      const value = get("value", i);
      if (value === null || get("compression", i) !== codec) continue;
      if (!cells.has(value)) cells.set(value, new Map());
      const row = cells.get(value);
      const key = JSON.stringify([get("serializer", i), get("backend", i)]);
      if (!row.has(key)) row.set(key, []);
      row.get(key).push(i);
    }
    for (const row of cells.values()) for (const found of row.values()) found.sort((a, b) => SEVERITY.indexOf(get("outcome", a)) - SEVERITY.indexOf(get("outcome", b)) || rank(a) - rank(b));
    const differs = (row, serializer) => {
      const seen = new Set();
      for (const backend of D.backends) {
        const found = row.get(JSON.stringify([serializer, backend]));
        if (found && get("verdict", found[0]) !== "not-run") seen.add(get("verdict", found[0]) + get("outcome", found[0]));
      }
      return seen.size > 1;
    };
    const draw = () => {
      const serializer = D.serializers.includes(chosen.values) ? chosen.values : null; // null: all of them
      const only = chosen.differing === "only";
      const serializers = D.serializers.filter((s) => serializer === null || s === serializer);
      const columns = serializers.map((s) => [s, D.backends.filter((b) => [...cells.values()].some((row) => row.has(JSON.stringify([s, b]))))]).filter(([, b]) => b.length);
      const rows = [...cells].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([value, row]) => [value, row, columns.some(([s]) => differs(row, s))]);
      const differing = rows.filter((row) => row[2]).length;
      const visible = rows.filter((row) => row[2] || !only);
      document.getElementById("value-controls").replaceChildren(
        h("div", { class: "segments", role: "group", "aria-label": "Serializer" }, [null, ...D.serializers].map((s) => {
          const button = h("button", { type: "button", "aria-pressed": String(s === serializer), "data-segment": s ?? "all" }, s ?? "all serializers");
          button.addEventListener("click", () => {
            chosen.values = s;
            draw();
            remember();
            document.querySelector(`#value-controls [data-segment="${CSS.escape(s ?? "all")}"]`).focus();
          });
          return button;
        })),
        (() => {
          const box = h("input", { type: "checkbox", id: "only-differing" });
          box.checked = only;
          box.addEventListener("change", () => {
            chosen.differing = box.checked ? "only" : null;
            draw();
            remember();
            document.getElementById("only-differing").focus();
          });
          return h("label", {}, box, ` only the ${differing.toLocaleString("en")} of ${rows.length.toLocaleString("en")} values for which the stores differ`);
        })(),
        codec === "uncompressed" ? "" : h("span", { class: "quiet" }, `at ${codec}: nothing ran uncompressed`));
      table.replaceChildren(visible.length === 0 ? h("p", { class: "empty" }, "For no value do the stores differ.") : h("table", { class: "values" },
        h("thead", {},
          h("tr", {}, h("th", { scope: "col", rowspan: "2" }, "Value"), columns.map(([s, backends]) => h("th", { scope: "colgroup", colspan: backends.length, class: "edge" }, s))),
          h("tr", {}, columns.map(([, backends]) => backends.map((b, n) => h("th", { scope: "col", class: n ? "turn" : "turn edge" }, h("span", {}, b)))))),
        h("tbody", {}, visible.map(([value, row, differ]) => h("tr", {},
          h("th", { scope: "row" }, h("span", { class: "differs", title: differ ? "the stores differ" : null, "aria-label": differ ? "the stores differ:" : null, role: differ ? "img" : null }, differ ? "\u25cf" : ""), value),
          columns.map(([s, backends]) => backends.map((b, n) => {
            const found = row.get(JSON.stringify([s, b]));
            const edge = n ? null : "edge";
            if (!found) return h("td", { class: edge }, h("span", { class: "none" }, "\u00b7"));
            const verdict = get("verdict", found[0]), outcome = get("outcome", found[0]);
            const label = `${value}, ${s}, ${b}: ${verdict}, ${WORDS[outcome]}`;
            return h("td", { class: edge }, h("button", {
              type: "button", class: "small", "data-open": "value", "data-value": value, "data-backend": b, "data-serializer": s, "data-compression": codec,
              "data-verdict": verdict, "data-outcome": outcome, "aria-label": label, title: label }, (D.verdicts[verdict] || ["?"])[0]));
          })))))));
    };
    draw();
    redraws.push(draw);
  };

  // ---------------------------------------------------------------- all cells: filter, sort, text

  const NONE = "none"; // a facet's point where a cell has none
  const LABELS = { compression: "codec" };
  const sizeOf = (i) => {
    const found = evidenceOf(i).at_rest;
    return isObject(found) && typeof found.size === "number" ? found.size : -1;
  };
  const byText = (column) => {
    // of texts in a table, so that each is compared once and not once for each cell
    const order = D.tables[column].map((text, number) => [text, number]).sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const place = new Map(order.map(([, number], at) => [number, at]));
    return (i) => place.get(D.columns[column][i]) ?? Infinity;
  };
  const placeIn = (column, names) => {
    const place = D.tables[column].map((text) => names.indexOf(text));
    return (i) => place[D.columns[column][i]];
  };
  const SORTS = {
    worst: ["worst first", () => rank],
    verdict: ["by verdict", () => placeIn("verdict", Object.keys(D.verdicts))],
    blame: ["by blame", () => byText("blame")],
    backend: ["by backend", () => byText("backend")],
    serializer: ["by serializer", () => placeIn("serializer", D.serializers)],
    compression: ["by codec", () => byText("compression")],
    scenario: ["by scenario", () => byText("scenario")],
    slowest: ["slowest first", () => (i) => -D.seconds[i]],
    largest: ["largest at rest first", () => (i) => -sizeOf(i)],
  };
  const ROWS = 50;

  const explorer = () => {
    const form = document.getElementById("filters");
    const target = document.getElementById("cell-list");
    let texts = null; // what the text filter looks into, made when it is first used
    const textOf = (i) => [idOf(i), said(i), get("expectation", i) ?? "", nodeOf(i)].join("\n").toLowerCase();
    const points = Object.fromEntries(FACETS.map((facet) => [facet, [...D.tables[facet]]]));
    const order = { outcome: SEVERITY, verdict: Object.keys(D.verdicts), serializer: D.serializers };
    for (const facet of FACETS) {
      points[facet].sort((a, b) => (order[facet] ? order[facet].indexOf(a) - order[facet].indexOf(b) : a < b ? -1 : 1));
      if (D.columns[facet].includes(-1)) points[facet].push(NONE);
    }
    const numberOf = (facet, point) => {
      const at = D.tables[facet].indexOf(point);
      return at >= 0 ? at : point === NONE ? -1 : -2; // -2: a point of another report
    };
    const selects = Object.fromEntries(FACETS.map((facet) => [facet, h("select", { id: `filter-${facet}`, name: facet })]));
    const sort = h("select", { id: "filter-sort", name: "sort" }, Object.entries(SORTS).map(([name, [label]]) => h("option", { value: name }, label)));
    const search = h("input", { type: "search", id: "filter-q", name: "q", placeholder: "value, error, expectation \u2026", autocomplete: "off", spellcheck: "false" });
    const clear = h("button", { type: "button", class: "plain", id: "filter-clear" }, "Clear");
    const field = (label, control) => h("label", {}, h("span", {}, label), control);
    form.append(field("text", search), FACETS.map((facet) => field(LABELS[facet] ?? facet, selects[facet])).reduce((all, one) => (all.append(one), all), document.createDocumentFragment()),
      field("order", sort), clear);

    const find = () => {
      // one pass: a cell that one facet alone keeps out counts for the points of that facet
      const wanted = FACETS.map((facet) => (chosen[facet] ? numberOf(facet, chosen[facet]) : null));
      const columns = FACETS.map((facet) => D.columns[facet]);
      const words = (chosen.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length && !texts) texts = Array.from({ length: D.size }, (_, i) => textOf(i));
      const counts = FACETS.map(() => new Map());
      const cells = [];
      for (let i = 0; i < D.size; i++) {
        if (words.length && !words.every((word) => texts[i].includes(word))) continue;
        let against = -1;
        let kept = true;
        for (let f = 0; f < wanted.length; f++) {
          if (wanted[f] === null || columns[f][i] === wanted[f]) continue;
          if (against >= 0) {
            kept = false;
            break;
          }
          against = f;
        }
        if (!kept) continue;
        if (against < 0) cells.push(i);
        for (let f = 0; f < wanted.length; f++) {
          if (against < 0 || against === f) counts[f].set(columns[f][i], (counts[f].get(columns[f][i]) ?? 0) + 1);
        }
      }
      return [cells, counts];
    };
    const draw = () => {
      const [cells, counts] = find();
      FACETS.forEach((facet, f) => {
        const known = points[facet];
        const all = chosen[facet] && !known.includes(chosen[facet]) ? [...known, chosen[facet]] : known;
        selects[facet].replaceChildren(h("option", { value: "" }, "all"), ...all.map((point) => {
          const number = counts[f].get(numberOf(facet, point)) ?? 0;
          const name = facet === "outcome" ? WORDS[point] ?? point : point;
          return h("option", { value: point, disabled: number === 0 && point !== chosen[facet] }, `${name} (${number.toLocaleString("en")})`);
        }));
        selects[facet].value = chosen[facet] ?? "";
        selects[facet].classList.toggle("set", Boolean(chosen[facet]));
      });
      const by = SORTS[chosen.sort] ? chosen.sort : "worst";
      sort.value = by;
      if (search.value !== (chosen.q ?? "")) search.value = chosen.q ?? "";
      const filtered = [...FACETS, "q"].some((name) => chosen[name]);
      clear.hidden = !filtered && by === "worst";
      const key = SORTS[by][1]();
      const sorted = cells.map((i) => [key(i), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((pair) => pair[1]);
      document.getElementById("found").textContent = filtered ? `${many(cells)} of ${D.size.toLocaleString("en")}` : many(cells);
      const name = nameIn(cells);
      const items = h("ul", { class: "cells" });
      const more = h("button", { type: "button", class: "plain" });
      let done = 0;
      const add = () => {
        items.append(...sorted.slice(done, done + ROWS).map((i) => h("li", {}, cellButton(i, name(i), measure(by, i)))));
        done = Math.min(done + ROWS, sorted.length);
        more.textContent = `Show more (${(sorted.length - done).toLocaleString("en")} left)`;
        more.hidden = done === sorted.length;
      };
      more.addEventListener("click", add);
      add();
      target.replaceChildren(...(sorted.length ? [items, more] : [h("p", { class: "empty" }, "No cell is like that.")]));
      found = { title: "Filtered cells", lede: "", cells: sorted, onPage: true };
    };
    const measure = (by, i) => (by === "slowest" ? ` \u00b7 ${seconds(D.seconds[i])}` : by === "largest" && sizeOf(i) >= 0 ? ` \u00b7 ${sizeOf(i).toLocaleString("en")} bytes` : null);
    const choose = (name, value, instead) => {
      chosen[name] = value || null;
      draw();
      remember(instead);
    };
    for (const facet of FACETS) selects[facet].addEventListener("change", () => choose(facet, selects[facet].value));
    sort.addEventListener("change", () => choose("sort", sort.value === "worst" ? "" : sort.value));
    let typing = false; // the letters of one text make one step back
    search.addEventListener("input", () => {
      choose("q", search.value, typing);
      typing = true;
    });
    search.addEventListener("change", () => (typing = false));
    form.addEventListener("submit", (event) => event.preventDefault());
    clear.addEventListener("click", () => {
      for (const name of [...FACETS, "q", "sort"]) chosen[name] = null;
      draw();
      remember();
      search.focus();
    });
    draw();
    redraws.push(draw);
  };

  // ---------------------------------------------------------------- what a click opens

  const alike = (place) => {
    // texts are compared once each, and not once for each cell
    const tests = Object.entries(place).map(([column, wanted]) => {
      const numbers = new Set(wanted === "" ? [-1] : []);
      D.tables[column].forEach((text, number) => printable(text) === wanted && numbers.add(number));
      return [D.columns[column], numbers];
    });
    return (i) => tests.every(([column, numbers]) => numbers.has(column[i]));
  };
  const many = (cells) => `${cells.length.toLocaleString("en")} cell${cells.length === 1 ? "" : "s"}`;
  const LISTS = {
    matrix: ({ backend, broker, pool, serializer, compression }) => {
      const place = { backend, broker, pool, serializer, compression };
      const there = alike(place);
      const cells = where((i) => inMatrix(i) && there(i));
      return { title: `${backend} \u00b7 ${serializer} \u00b7 ${compression}`, lede: `${many(cells)}, broker ${broker}, pool ${pool}.`, cells, place };
    },
    question: ({ scenario, backend }) => {
      const cells = where(alike({ scenario, backend }));
      const promise = D.promises[scenario];
      return { title: `${scenario} \u00b7 ${backend}`, lede: `${promise ? promise + " " : ""}${many(cells)}.`, cells };
    },
    capability: ({ flag, backend }) => {
      const there = alike({ backend });
      const cells = where((i) => {
        const found = there(i) ? evidenceOf(i).facts : null;
        return isObject(found) && isObject(found.observed) && flag in found.observed;
      });
      return { title: `${flag} \u00b7 ${backend}`, lede: `${many(cells)} that saw it or its absence.`, cells };
    },
    expectation: ({ expectation }) => {
      const cells = where(alike({ expectation }));
      return { title: expectation, lede: `${many(cells)} that this expectation selects.`, cells };
    },
    outcome: ({ outcome }) => {
      const cells = where(alike({ outcome }));
      return { title: WORDS[outcome], lede: `${many(cells)}.`, cells };
    },
    failure: ({ scenario, point, verdict, blame }) => {
      const there = alike({ scenario, verdict, blame, outcome: "failed" });
      const cells = where((i) => there(i) && printable(get("value", i) ?? get("case", i) ?? "") === point);
      return { title: point || scenario, lede: `${scenario}: ${many(cells)}, ${verdict}${blame && `, blame ${blame}`}.`, cells, alone: true };
    },
    reason: ({ reason }) => {
      const cells = where((i) => get("outcome", i) === "skipped" && printable(get("detail", i) || get("reason", i) || "no reason was recorded") === reason);
      return { title: "Not run", lede: reason, cells };
    },
    value: ({ value, backend, serializer, compression }) => {
      const cells = where(alike({ value, backend, serializer, compression }));
      return { title: value, lede: `${backend} \u00b7 ${serializer} \u00b7 ${compression}: ${many(cells)}.`, cells, alone: true };
    },
  };
  const ASKED = {
    matrix: ["backend", "broker", "pool", "serializer", "compression"], question: ["scenario", "backend"], capability: ["flag", "backend"],
    expectation: ["expectation"], outcome: ["outcome"], failure: ["scenario", "point", "verdict", "blame"], reason: ["reason"],
    value: ["value", "backend", "serializer", "compression"],
  };
  const listOf = (kind, given) => {
    const asked = Object.fromEntries(ASKED[kind].map((name) => [name, given[name] ?? ""]));
    return { ...LISTS[kind](asked), from: { kind, asked } };
  };
  const open = (button) => {
    const { open: kind, index, cellId } = button;
    if (kind === "cell") {
      if (index === undefined) return openById(cellId);
      if (!drawer.open) list = found; // from the page's own list: Previous and Next walk it
      return openCell(Number(index));
    }
    const made = listOf(kind, button);
    if (made.alone && made.cells.length === 1) {
      list = null;
      return openCell(made.cells[0]);
    }
    return openList(made);
  };
  const openById = (id) => {
    const wanted = printable(id);
    const cells = where((i) => printable(idOf(i)) === wanted);
    if (cells.length) {
      cells.sort((a, b) => rank(a) - rank(b));
      openCell(list ? cells.find((i) => list.cells.includes(i)) ?? cells[0] : cells[0]);
    } else {
      list = null;
      shown = -1;
      missing = id;
      buttons.back.hidden = buttons.previous.hidden = buttons.next.hidden = true;
      show(h("div", {}, h("h2", { id: "drawer-title", tabindex: "-1" }, "No such cell"), h("p", {}, "This report has no cell ", h("code", {}, id), ".")));
    }
  };
  const applyFragment = () => {
    if (location.hash && !location.hash.includes("=")) return; // a section of the page
    const asked = parsed(location.hash);
    applying = true;
    for (const name of KEPT) chosen[name] = asked.get(name) || null;
    for (const draw of redraws) draw();
    const kind = asked.get("open");
    list = null;
    if (Object.hasOwn(LISTS, kind ?? "")) {
      const given = Object.fromEntries(ASKED[kind].map((name) => [name, asked.get(`open.${name}`) ?? ""]));
      list = listOf(kind, given);
      openList(list);
    } else if (asked.has("cell") && [...FACETS, "q"].some((name) => chosen[name])) list = found;
    if (asked.has("cell")) openById(asked.get("cell"));
    else if (!list) drawer.close();
    applying = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) {
      if (event.target === drawer) drawer.close(); // the backdrop
      return;
    }
    if (button.classList.contains("copy")) copy(button);
    else if (button.dataset.open) open(button.dataset);
  });
  const step = (by) => {
    const next = list && list.cells[list.cells.indexOf(shown) + by];
    if (next !== undefined && next !== null) openCell(next);
  };
  buttons.previous.addEventListener("click", () => step(-1));
  buttons.next.addEventListener("click", () => step(1));
  buttons.close.addEventListener("click", () => drawer.close());
  buttons.back.addEventListener("click", () => {
    const last = shown;
    openList(list);
    const button = body.querySelector(`[data-index="${last}"]`);
    if (button) button.focus();
  });
  drawer.addEventListener("close", () => {
    if (drawer.open) return; // it was opened again before this was told
    shown = -1;
    missing = null;
    list = null;
    remember();
  });
  window.addEventListener("hashchange", applyFragment);
  explorer();
  applyFragment();
  requestAnimationFrame(() => setTimeout(values)); // after the first paint: it is the one large table
})();
