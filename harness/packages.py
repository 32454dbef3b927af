"""Whether the Python packages are there that only some questions need."""

from __future__ import annotations

import importlib.util
import shlex

from harness.errors import ServiceUnavailable


def installed(package: str) -> bool:
    """Whether a package can be imported; it is not imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the parent of a dotted name
        return False


def need(package: str, requirement: str) -> None:
    """Stop where a package is missing.

    :param requirement: what pip takes to install it.
    :raises ServiceUnavailable: it is, with the command that installs it.
    """
    if not installed(package):
        raise ServiceUnavailable(
            f"the Python package {package} is missing", f"pip install {shlex.quote(requirement)}"
        )
