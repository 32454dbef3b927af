"""GitHub's workflows: `make check` refuses broken ones, and what they run is there.

That no command is misspelt can be read from the files. That each job does what it should is shown by hand:
docs/ci.md.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matrix_run
import pytest
import yaml

from harness.cli import main
from harness.registry import Registry

GITHUB = matrix_run.ROOT / ".github"
WORKFLOWS = {file.name: yaml.safe_load(file.read_text()) for file in sorted(GITHUB.glob("workflows/*.yml"))}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=matrix_run.ROOT, capture_output=True, text=True, timeout=matrix_run.HANGS, check=False
    )


def jobs() -> Iterator[tuple[str, dict]]:
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            yield f"{file} {name}", job


def steps() -> Iterator[dict]:
    for _, job in jobs():
        yield from job.get("steps", ())


def commands() -> list[list[str]]:
    """The words of each command line of each ``run`` step; a pipe begins another."""
    text = "\n".join(step["run"] for step in steps() if "run" in step).replace("\\\n", " ")
    return [shlex.split(part) for line in text.splitlines() for part in re.split(r"\|(?!.*')", line) if part]


def test_the_files_as_they_are_pass():
    done = make("check-github")
    assert done.returncode == 0, done.stdout + done.stderr


NEW_PYTHON = """#!/bin/sh
if [ "$2" != venv ]; then exec '{python}' "$@"; fi
mkdir -p .venv/bin
ln -s "$0" .venv/bin/python
printf '#!/bin/sh\\necho "index=$UV_DEFAULT_INDEX" "$@" >>uv-was-told\\n' >.venv/bin/uv
chmod +x .venv/bin/uv
"""
"""A Python whose virtual environments bring a uv that notes what it is told."""


@pytest.mark.parametrize("told", ["environment", "pip.conf", None])
def test_uv_installs_from_the_index_that_pip_is_told(monkeypatch, tmp_path, told):
    """On a machine where nothing is installed yet: make expands a recipe before its first line has run."""
    index = "http://127.0.0.1/simple"
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index}\n" if told == "pip.conf" else "")
    if told == "environment":
        monkeypatch.setenv("PIP_INDEX_URL", index)
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        (clone / name).symlink_to(matrix_run.ROOT / name)
    python = tmp_path / "python"
    python.write_text(NEW_PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    done = subprocess.run(
        ["make", f"PYTHON={python}", ".venv/tools"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    installs = (clone / "uv-was-told").read_text().splitlines()
    assert len(installs) == 2
    wanted = f"index={index if told else ''} pip install "
    assert all(line.startswith(wanted) for line in installs), installs


def test_check_includes_them():
    assert "zizmor" in make("--dry-run", "check").stdout


CHECKOUT = re.compile(r"actions/checkout@\w{40} # v[\d.]+")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("workflows/ci.yml", CHECKOUT, "actions/checkout@v7", "unpinned-uses"),
        ("workflows/ci.yml", "timeout-minutes: 45\n", "timeout-minuets: 45\n", "timeout-minuets"),
        ("workflows/ci.yml", "    timeout-minutes: 45\n", "", "timeout-minutes"),
        ("workflows/matrix.yml", "permissions: {}\n", "", "excessive-permissions"),
        ("workflows/matrix.yml", 'celery="$CELERY"', "celery=${{ inputs.celery }}", "template-injection"),
        ("workflows/matrix.yml", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("workflows/nightly.yml", "cron:", "corn:", "corn"),
        ("dependabot.yml", "interval: weekly", "interval: sometimes", "sometimes"),
        ("ISSUE_TEMPLATE/red-cell.yml", "type: textarea", "type: text", "red-cell.yml"),
        ("ISSUE_TEMPLATE/config.yml", "blank_issues_enabled: true", "blank: true", "config.yml"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, file, old, new, complaint):
    broken = tmp_path / ".github"
    shutil.copytree(GITHUB, broken)
    text = (broken / file).read_text()
    changed = text.replace(old, new, 1) if isinstance(old, str) else old.sub(new, text, count=1)
    assert changed != text
    (broken / file).write_text(changed)
    done = make("check-github", f"GITHUB={broken}")
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr


def test_every_action_is_pinned_and_its_version_stands_beside_it():
    lines = [
        line.strip() for file in GITHUB.glob("workflows/*.yml") for line in file.read_text().splitlines()
    ]
    used = [line.removeprefix("- ") for line in lines if re.match(r"(- )?uses:", line)]
    assert used
    for line in used:
        assert re.fullmatch(
            r"uses: (\$/\.github/workflows/\w+\.yml|actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)", line
        )


def test_the_same_action_is_pinned_alike_everywhere():
    used = {step["uses"] for step in steps() if "uses" in step}
    names = [one.partition("@")[0] for one in used]
    assert len(names) == len(set(names)), sorted(used)


def test_no_job_can_write_but_the_one_that_publishes():
    writers = {name for name, job in jobs() if "write" in job["permissions"].values()}
    assert writers == {"ci.yml pages"}
    assert all(workflow["permissions"] == {} for workflow in WORKFLOWS.values())


def test_called_workflows_are_there_and_get_inputs_that_they_know():
    called = [job for _, job in jobs() if "uses" in job]
    assert called
    for job in called:
        there = WORKFLOWS[job["uses"].removeprefix("$/.github/workflows/")]
        # `on` is a boolean to YAML 1.1
        assert job["with"].keys() <= there[True]["workflow_call"]["inputs"].keys()


def test_both_doors_of_the_matrix_offer_the_same_inputs():
    doors = WORKFLOWS["matrix.yml"][True]
    by_call = doors["workflow_call"]["inputs"]
    assert {name: by_call[name] for name in ("celery", "kombu", "images")} == doors["workflow_dispatch"][
        "inputs"
    ]
    assert by_call.keys() == {"celery", "kombu", "images", "label", "pages"}


def test_python_versions_are_those_of_celery():
    classifiers = importlib.metadata.metadata("celery").get_all("Classifier") or ()
    known = re.findall(r"Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    supported = sorted((version for version in known if int(version[2:]) >= 11), key=lambda one: int(one[2:]))
    assert WORKFLOWS["ci.yml"]["jobs"]["make"]["strategy"]["matrix"]["python"] == supported


def test_every_make_target_is_there():
    targets = {words[1] for words in commands() if words[0] == "make"}
    targets |= set(WORKFLOWS["ci.yml"]["jobs"]["make"]["strategy"]["matrix"]["target"])
    assert targets >= {"$TARGET", "check", "test", "matrix"}
    for target in targets - {"$TARGET"}:
        assert make("--dry-run", target).returncode == 0, target


def test_every_roundtrip_command_and_option_is_there():
    found = [
        words[words.index(".venv/bin/roundtrip") :] for words in commands() if ".venv/bin/roundtrip" in words
    ]
    assert {words[1] for words in found} == {"list", "merge", "report"}
    for _, name, *rest in found:
        known = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= known, name


def test_every_script_is_there_and_can_be_run():
    scripts = {word for words in commands() for word in words if word.startswith(".ci/")}
    assert scripts == {".ci/run", ".ci/versions"}
    for script in scripts:
        assert (matrix_run.ROOT / script).stat().st_mode & 0o111


def test_every_pytest_option_is_there():
    (words,) = (words for words in commands() if words[1:3] == ["-m", "pytest"])
    known = matrix_run.command("-m", "pytest", "scenarios", "--help").stdout
    options = {word.partition("=")[0] for word in words[3:] if word.startswith("--")}
    assert options == {"--require", "--runtime", "--logs"}
    assert all(f"{option}=" in known for option in options)


def test_the_job_list_is_every_backend(tmp_path):
    """The step's own commands, as the workflow has them."""
    (step,) = (step for step in steps() if step.get("id") == "list")
    output = tmp_path / "output"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=matrix_run.ROOT,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        timeout=matrix_run.HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, _, value = output.read_text().partition("=")
    listed = json.loads(value)
    assert name == "backends"
    assert [one["backend"] for one in listed] == list(Registry().names)
    assert {one["backend"]: one["runtime"] for one in listed}.items() >= {
        ("redis", "docker"),
        ("filesystem", "docker"),
    }


def test_versions_refuses_other_packages():
    done = subprocess.run(
        [matrix_run.ROOT / ".ci" / "versions", "pytest=8"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "write celery=VERSION or kombu=VERSION, not pytest=8" in done.stderr


def test_a_red_cell_is_reported_with_its_evidence():
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "red-cell.yml").read_text())
    asked = {field["id"]: field for field in form["body"]}
    assert "roundtrip explain" in asked["explain"]["attributes"]["description"]
    assert asked["explain"]["validations"]["required"]


def test_issue_forms_and_templates_name_files_that_are_there():
    texts = [file.read_text() for file in GITHUB.rglob("*") if file.suffix in (".yml", ".md")]
    named = {Path(path) for text in texts for path in re.findall(r"\.\./blob/main/([\w./-]+)", text)}
    assert named
    assert all((matrix_run.ROOT / path).exists() for path in named)
