"""What a cell finds in its worker's log."""

from uuid import uuid4

from harness.worker import WorkerWatch


def test_lines_from_the_first_mention_on(tmp_path):
    ids = [str(uuid4()) for _ in range(4)]
    log = tmp_path / "worker.log"
    log.write_text("".join(f"noise\nTask one[{each}] raised\ntrace of {each}\n" for each in ids))
    watch = WorkerWatch(tmp_path, 1)
    for each in ids:
        assert watch.log(each, 2) == [f"Task one[{each}] raised", f"trace of {each}"]
    assert watch.log("raised", 1) == [f"Task one[{ids[0]}] raised"]
    assert watch.log(str(uuid4())) == watch.log("never said") == []
    assert watch.log()[-1] == f"trace of {ids[-1]}"


def test_what_is_logged_between_two_looks(tmp_path):
    early, late = str(uuid4()), str(uuid4())
    log = tmp_path / "worker.log"
    watch = WorkerWatch(tmp_path, 1)
    assert watch.log(early) == []
    log.write_text(f"Task one[{early}] raised\nTask two[{late[:8]}")  # in the middle of a line
    assert watch.log(early, 1) == [f"Task one[{early}] raised"]
    assert watch.log(late) == []
    with log.open("a") as more:
        more.write(f"{late[8:]}] raised\n")
    assert watch.log(late) == [f"Task two[{late}] raised"]
    assert watch.log(early, 1) == [f"Task one[{early}] raised"]
