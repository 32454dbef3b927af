"""What backends have in common whose results are rows: queries in SQL, and names for schemas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.backend import Backend, Namespace

DIGITS = "^-?[0-9]+([.][0-9]+)?$"


class Rows(Backend):
    """A backend whose results are rows with the columns task_id, status, date_done and result."""

    table: str
    mark = "%s"
    """What stands for a value in a statement of the driver."""
    text: str
    """The column ``result`` as text, in the database's own SQL."""
    number: str
    """The column ``result`` as a number, in the database's own SQL; NULL or 0 where it holds none."""

    def run(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        """Run one statement natively, in the namespace; commit; the rows, if it has any."""
        raise NotImplementedError

    def search(self, field: str, wanted: object) -> list[str]:
        condition = {
            "status": "status = {}",
            "date_done": "date_done >= {}",
            "number": f"{self.number} >= {{}}",
            "word": f"{self.text} like {{}}",
        }[field].format(self.mark)
        if isinstance(wanted, datetime):
            wanted = self.date(wanted.astimezone(UTC))
        value = f"%{wanted}%" if field == "word" else wanted
        return [str(row[0]) for row in self.run(f"select task_id from {self.table} where {condition}", value)]

    def date(self, moment: datetime) -> str:
        """A moment in UTC as the column ``date_done`` compares with it."""
        return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")

    def tally(self) -> Mapping[str, int]:
        rows = self.run(f"select status, count(*) from {self.table} group by status")
        return {str(status): int(count) for status, count in rows}


def numeric(text: str) -> str:
    """A text as a number in PostgreSQL, which raises where a cast is not possible."""
    return f"case when {text} ~ '{DIGITS}' then ({text})::numeric end"


def space(namespace: Namespace) -> str:
    """A name for a schema or database of a namespace: servers cut or refuse longer ones than 63."""
    name = namespace.name.replace("-", "_")
    return name if len(name) <= 60 else f"{name[:40]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
