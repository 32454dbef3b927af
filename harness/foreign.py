"""An exception class that workers can import and callers cannot, as if they lacked its package."""

import os

from harness.worker import SETUP_VARIABLE

if SETUP_VARIABLE not in os.environ:
    raise ImportError("only workers have this module")


class ForeignError(Exception):
    """Its class is unknown to the caller."""
