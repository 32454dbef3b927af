"""What an observation means for the run: decided in one function."""

from __future__ import annotations

import pytest

from harness.verdict import Blame, Observation, Outcome, Verdict, judge

LOST = Observation(Verdict.LOST, Blame.BACKEND, False, "nothing there")
EXPECTED_LOSS = ("loses-things", Verdict.LOST, Blame.BACKEND)


def seen(verdict: Verdict, holds: bool, blame: Blame | None = Blame.BACKEND) -> Observation:
    return Observation(verdict, blame, holds, "as seen")


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in (Verdict.INDETERMINATE, Verdict.NOT_RUN)])
def test_a_cell_passes_only_if_its_promise_held(verdict):
    assert judge(seen(verdict, holds=True), None).outcome is Outcome.PASSED
    assert judge(seen(verdict, holds=False), None).outcome is Outcome.FAILED


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("expected", [None, ("x", Verdict.INDETERMINATE, Blame.BACKEND)])
def test_what_the_harness_cannot_tell_never_passes(holds, expected):
    found = judge(seen(Verdict.INDETERMINATE, holds), expected)
    assert found.outcome is Outcome.FAILED
    assert "indeterminate, blame backend" in found.reason


def test_a_deviation_that_one_expectation_describes_is_expected():
    found = judge(LOST, EXPECTED_LOSS)
    assert found.outcome is Outcome.EXPECTED
    assert found.reason.startswith("loses-things: lost, blame backend")


@pytest.mark.parametrize(
    "other", [("loses-things", Verdict.HUNG, Blame.BACKEND), ("loses-things", Verdict.LOST, Blame.STORE)]
)
def test_another_verdict_or_blame_than_expected_is_stale(other):
    found = judge(LOST, other)
    assert found.outcome is Outcome.FAILED
    assert found.reason.startswith("stale expectation loses-things says")
    assert "but lost, blame backend" in found.reason


def test_an_expectation_of_a_cell_that_holds_is_stale():
    found = judge(seen(Verdict.EXACT, holds=True, blame=None), EXPECTED_LOSS)
    assert found.outcome is Outcome.FAILED
    assert "but the promise held" in found.reason


def test_a_milder_deviation_is_no_pass():
    returned_what_the_serializer_refuses = seen(Verdict.EXACT, holds=False)
    assert judge(returned_what_the_serializer_refuses, None).outcome is Outcome.FAILED


def test_not_run_is_skipped_unless_required():
    absent = Observation(Verdict.NOT_RUN, None, False, "no server")
    assert judge(absent, None).outcome is Outcome.SKIPPED
    assert judge(absent, EXPECTED_LOSS).outcome is Outcome.SKIPPED
    required = judge(absent, None, required=True)
    assert required.outcome is Outcome.FAILED
    assert "required, but not run: no server" in required.reason
