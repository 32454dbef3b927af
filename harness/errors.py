"""Errors that a user can meet. Each says what failed, why, and the next thing to type, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RoundtripError(Exception):
    """Base of every error with a message meant for a person."""


class UnknownName(RoundtripError):
    """A backend, marker, service, codec, ... that does not exist.

    :param kind: what the name was meant to name, e.g. ``"backend"``.
    :param name: what was asked for.
    :param known: the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(set(known))
        super().__init__(f"unknown {kind} {name!a}: {suggest(name, self.known)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """Name the nearest known names, or all of them when none is near and the list is short."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.75)
    if not near:
        # by a part: who types `tupel` means one of `tuple_flat`, `tuple_nested`, ...
        parts = {part for known_name in names for part in known_name.split("_")}
        meant = difflib.get_close_matches(name, sorted(parts), n=1, cutoff=0.75)
        near = [known_name for known_name in names if meant and meant[0] in known_name.split("_")][:3]
    near = near or difflib.get_close_matches(name, names, n=3, cutoff=0.55)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    shown = ", ".join(names[:24]) + (", ..." if len(names) > 24 else "")
    return f"known: {shown}" if names else "there are none"


class ServiceUnavailable(RoundtripError):
    """A service cannot be had on this machine.

    :param problem: one line: what is missing or failed.
    :param remedy: the command that mends it, or "".
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem + (f" (mend it with: {remedy})" if remedy else ""))


class NotReady(RoundtripError):
    """A probe found no answer yet; asking again may help."""


class Rejected(RoundtripError):
    """A server answered and refused (wrong password, other protocol): asking again does not help.

    :param problem: one line: what it refused.
    :param remedy: what to do instead.
    """

    def __init__(self, problem: str, remedy: str = "check user and password in the URL") -> None:
        self.remedy = remedy
        super().__init__(problem)


class SupervisorGone(RoundtripError):
    """The supervisor process ended under a run."""
