"""celery-roundtrip: real Celery workers in front of real result stores, one verdict a cell.

The words used here (cell, scenario, worker configuration, oracle, verdict, blame, expectation,
run log, ...) are defined in docs/architecture.md.
"""

__version__ = "0.1.0"
