"""What an observation means for the run: decided in one function."""

from __future__ import annotations

import pytest

from harness.verdict import Blame, Judgement, Observation, Outcome, Verdict, judge

LOST = Observation(Verdict.LOST, Blame.BACKEND, False, "nothing there")
EXPECTED_LOSS = ("loses-things", Verdict.LOST, Blame.BACKEND)


def seen(verdict: Verdict, holds: bool, blame: Blame | None = Blame.BACKEND) -> Observation:
    return Observation(verdict, blame, holds, "as seen")


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in (Verdict.INDETERMINATE, Verdict.NOT_RUN)])
def test_a_cell_passes_only_if_its_promise_held(verdict):
    assert judge(seen(verdict, holds=True), None) == Judgement(Outcome.PASSED, "")
    assert judge(seen(verdict, holds=False), None) == Judgement(
        Outcome.FAILED, f"{verdict}, blame backend: as seen"
    )


def test_who_is_not_blamed_is_not_named():
    assert judge(seen(Verdict.LOST, holds=False, blame=None), None).reason == "lost: as seen"
    expected = ("loses-things", Verdict.LOST, None)
    assert judge(LOST, expected).reason == (
        "stale expectation loses-things says lost, but lost, blame backend: nothing there"
    )


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("expected", [None, ("x", Verdict.INDETERMINATE, Blame.BACKEND)])
def test_what_the_harness_cannot_tell_never_passes(holds, expected):
    found = judge(seen(Verdict.INDETERMINATE, holds), expected)
    assert found.outcome is Outcome.FAILED
    assert "indeterminate, blame backend" in found.reason


def test_a_deviation_that_one_expectation_describes_is_expected():
    found = judge(LOST, EXPECTED_LOSS)
    assert found == Judgement(Outcome.EXPECTED, "loses-things: lost, blame backend: nothing there")


@pytest.mark.parametrize(
    "other", [("loses-things", Verdict.HUNG, Blame.BACKEND), ("loses-things", Verdict.LOST, Blame.STORE)]
)
def test_another_verdict_or_blame_than_expected_is_stale(other):
    found = judge(LOST, other)
    assert found.outcome is Outcome.FAILED
    says = f"stale expectation loses-things says {other[1]}, blame {other[2]}"
    assert found.reason == f"{says}, but lost, blame backend: nothing there"


def test_an_expectation_of_a_cell_that_holds_is_stale():
    found = judge(seen(Verdict.EXACT, holds=True, blame=None), EXPECTED_LOSS)
    assert found.outcome is Outcome.FAILED
    assert "but the promise held" in found.reason


def test_what_was_not_said_to_hold_did_not():
    assert judge(Observation(Verdict.LOST), None) == Judgement(Outcome.FAILED, "lost: ")


def test_what_an_observation_does_not_say_is_nothing():
    silent = Observation(Verdict.EXACT)
    assert (silent.blame, silent.holds, silent.detail) == (None, False, "")
    assert (silent.oracle, silent.evidence, silent.seconds) == (None, None, 0.0)


def test_a_milder_deviation_is_no_pass():
    returned_what_the_serializer_refuses = seen(Verdict.EXACT, holds=False)
    assert judge(returned_what_the_serializer_refuses, None).outcome is Outcome.FAILED


def test_not_run_is_skipped_unless_required():
    absent = Observation(Verdict.NOT_RUN, None, False, "no server")
    skipped = Judgement(Outcome.SKIPPED, "no server")
    assert judge(absent, None) == judge(absent, EXPECTED_LOSS) == skipped
    required = judge(absent, None, required=True)
    assert required == Judgement(Outcome.FAILED, "required, but not run: no server")


def test_the_advice_for_a_stale_expectation_is_given_for_nothing_else():
    absent, holding = Observation(Verdict.NOT_RUN), Observation(Verdict.EXACT, None, True, "back")
    vague = Observation(Verdict.INDETERMINATE, Blame.HARNESS)
    assert judge(holding, EXPECTED_LOSS, if_stale="do this").reason.endswith(": back; do this")
    for seen in (absent, vague):
        assert "do this" not in judge(seen, EXPECTED_LOSS, required=True, if_stale="do this").reason


def test_what_cannot_be_looked_at_is_not_required():
    """No server mends that: a reply on a queue is in no place."""
    evidence = {"facts": {"nothing_to_look_at": "replies are on a queue"}}
    absent = Observation(Verdict.NOT_RUN, None, False, "replies are on a queue", None, evidence)
    assert judge(absent, None, required=True) == Judgement(Outcome.SKIPPED, "replies are on a queue")
