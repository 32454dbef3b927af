"""Generated values, by class: hypothesis strategies, so that a known deviation can name its class.

A generated value is named by its class, the run's seed and its index: the same triple gives the same
value in every process that has the same version of hypothesis. It travels as the text of a pickle,
whatever the message serializer.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.errors import UnknownName

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

EXAMPLES = 10
"""Values of a class that are asked together."""
SHRINK_EXAMPLES = 200
"""Values that are asked at most, one after the other, to shrink one that deviates."""


@lru_cache(maxsize=1)
def _classes() -> dict[str, Callable[[], SearchStrategy[Any]]]:
    from hypothesis import strategies as st

    text = st.text()  # one object: to make its alphabet takes a tenth of a second
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
    return {
        "integers": lambda: st.integers(),
        "floats": lambda: st.floats(),
        "text": lambda: text,
        "text_with_surrogates": lambda: st.text(st.characters()),
        "binary": lambda: st.binary(max_size=300),
        "datetimes": lambda: st.datetimes(timezones=st.none() | st.timezones()),
        "dates_and_times": lambda: st.dates() | st.times() | st.timedeltas(),
        "decimals": lambda: st.decimals(),
        "uuids": lambda: st.uuids(),
        "sets": lambda: st.sets(st.integers() | text),
        "mixed_keys": lambda: st.dictionaries(st.integers() | text | st.booleans() | st.none(), scalars),
        "json_like": lambda: st.recursive(
            scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=12
        ),
        "nested_tuples": lambda: st.recursive(
            scalars, lambda inner: st.tuples(inner, inner) | st.lists(inner), max_leaves=8
        ),
    }


CLASSES = (
    *("integers", "floats", "text", "text_with_surrogates", "binary", "datetimes", "dates_and_times"),
    *("decimals", "uuids", "sets", "mixed_keys", "json_like", "nested_tuples"),
)
"""Names of the classes: points of the case axis. Listing them imports nothing."""


def strategy(name: str) -> SearchStrategy[Any]:
    """The strategy of a class.

    :raises UnknownName: no such class.
    """
    classes = _classes()
    if name not in classes:
        raise UnknownName("class of generated values", name, classes)
    return classes[name]()


@lru_cache(maxsize=4 * len(CLASSES))
def values(name: str, seed: int) -> tuple[object, ...]:
    """The values of a class under a seed."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found: list[object] = []

    @seeded(f"{name}-{seed}")
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy(name))
    def collect(value: object) -> None:
        found.append(value)

    collect()
    return tuple(found[:EXAMPLES])


def shrink(name: str, seed: int, deviates: Callable[[object], bool]) -> object | None:
    """The simplest value of a class that deviates, as hypothesis finds it; None if none does any more."""
    from random import Random

    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample

    try:
        made: object = find(
            strategy(name),
            deviates,
            settings=settings(
                max_examples=SHRINK_EXAMPLES,
                phases=[Phase.generate, Phase.shrink],
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
            random=Random(f"{name}-{seed}"),
        )
    except NoSuchExample:
        return None
    return made


def packed(value: object) -> str:
    """A value as text that every message serializer carries unharmed."""
    return base64.b64encode(pickle.dumps(value)).decode("ascii")


def unpacked(text: str) -> object:
    """The inverse of `packed`. Only for what this project itself packed."""
    return pickle.loads(base64.b64decode(text))
