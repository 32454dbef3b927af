"""Known deviations: TOML files beside the backends and scenarios; loaded, checked, matched to cells.

A file holds ``[[expectation]]`` tables: `id`, selectors (`scenario` and any axis: a name, a list of
names, or ``*``; ``!name`` entries leave names out), `verdict`, `blame`, `reason`, `versions`, `link`
(one that was seen, or ``none-found``), `workaround`, and ``[[expectation.also]]`` tables of selectors.
"""

from __future__ import annotations

import fnmatch
import functools
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from harness.errors import RoundtripError, suggest
from harness.matrix import Cell, Configuration, base_name
from harness.verdict import Axis, Blame, Verdict


class BadExpectation(RoundtripError):
    """An expectation file that does not parse or does not make sense: file, id, fault."""


class Overlap(RoundtripError):
    """Two expectations select one cell."""


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
KnownAs = Callable[[str], tuple[str, ...]]
"""Tells all names of a backend."""


def _by_name(backend: str) -> tuple[str, ...]:
    return (base_name(backend),)


class Selector(BaseModel):
    """Names cells: by scenario, and by any axis."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: Names
    backend: Names = ("*",)
    serializer: Names = ("*",)
    compression: Names = ("*",)
    broker: Names = ("*",)
    pool: Names = ("*",)
    value: Names = ("*",)
    case: Names = ("*",)
    versions: Names = ()
    """Ranges of packages and server products, all of which must be met."""

    @field_validator("versions")
    @classmethod
    def _parse(cls, versions: tuple[str, ...]) -> tuple[str, ...]:
        for text in versions:
            try:
                Requirement(text)
            except InvalidRequirement as error:
                why = str(error).splitlines()[0]  # packaging draws a caret below
                raise ValueError(f"{text!a} is no version range: {why}") from error
        return versions

    def names(self, cell: Cell, axes: Iterable[Axis] = tuple(Axis), known_as: KnownAs = _by_name) -> bool:
        """Whether it names this cell, as far as these axes tell.

        :param known_as: all names of a backend.
        """
        if not _named(self.scenario, (cell.scenario,)):
            return False
        for axis in axes:
            names: tuple[str, ...] = getattr(self, axis.value)
            if axis in cell.axes:
                point = cell.axes[axis]
                if not _named(names, known_as(point) if axis is Axis.BACKEND else (point,)):
                    return False
            elif names != ("*",):
                return False
        return True

    def holds_for(self, products: Mapping[str, str]) -> bool:
        """Whether the versions at hand lie in all ranges.

        :param products: versions of the server products of this run, by lower-case name; Python
            packages are looked up themselves.
        """
        return all(_in_range(text, products) for text in self.versions)


class Also(Selector):
    """Further cells in which the cause of an expectation shows: in the same way, if it says nothing else.

    Its ``versions`` must be met beside those of the expectation.
    """

    verdict: Verdict | None = None
    blame: Blame | None = None


class Expectation(Selector):
    """A deviation that is known: every cell that it selects must show exactly this verdict and blame."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    also: tuple[Also, ...] = ()
    before: Names = ()
    """Ids of expectations that give way where both select a cell: this deviation strikes earlier in the life
    of a result, as a refused write does, and leaves nothing that could show theirs."""
    verdict: Verdict
    blame: Blame
    reason: str = Field(min_length=20)
    link: str = Field(pattern=r"^(https://\S+|none-found)$")
    workaround: str = Field(min_length=5)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        return (self, *self.also)

    def selects(self, cell: Cell, axes: Iterable[Axis] = tuple(Axis), known_as: KnownAs = _by_name) -> bool:
        """Whether one of the selectors names this cell, as far as these axes tell."""
        return any(selector.names(cell, axes, known_as) for selector in self.selectors)

    def for_cell(
        self, cell: Cell, products: Mapping[str, str], known_as: KnownAs = _by_name
    ) -> Expectation | None:
        """This expectation with the verdict and blame that a cell must show; None if it does not hold there.

        :param products: as `holds_for` takes them.
        """
        if not self.holds_for(products):
            return None
        for further in self.also:
            if further.names(cell, known_as=known_as) and further.holds_for(products):
                told = {"verdict": further.verdict, "blame": further.blame}
                return self.model_copy(update={name: one for name, one in told.items() if one})
        return self if self.names(cell, known_as=known_as) else None


class Exempt(BaseModel):
    """Expectations that name a backend, and do not hold for it: one says so that other files do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expectation: Names
    """Their ids."""
    backend: Names
    reason: str = Field(min_length=20)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    expectation: list[Expectation] = []
    exempt: list[Exempt] = []


@functools.cache
def _named(names: tuple[str, ...], points: tuple[str, ...]) -> bool:
    """Whether names and patterns select something that has several names."""

    def meets(pattern: str) -> bool:
        return any(fnmatch.fnmatchcase(point, pattern) for point in points)

    if any(name.startswith("!") and meets(name[1:]) for name in names):
        return False
    return any(map(meets, [name for name in names if not name.startswith("!")] or ["*"]))


def _in_range(text: str, products: Mapping[str, str]) -> bool:
    name = _required(text).name
    found = products.get(name.lower())
    if found is None:
        found = _installed(name)
    return found is not None and _contains(text, found)


@functools.cache
def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _required(text: str) -> Requirement:
    return Requirement(text)


@functools.cache
def _contains(text: str, found: str) -> bool:
    """A name alone is met by any version, also by one that cannot be compared, as MinIO's dates."""
    specifier = _required(text).specifier
    try:
        return not specifier or specifier.contains(Version(found), prereleases=True)
    except InvalidVersion:
        return False


def read(file: Path) -> tuple[list[Expectation], list[Exempt]]:
    """The expectations of one file, and which of others it lets not count.

    :raises BadExpectation: it does not parse, or an expectation in it is wrong.
    """
    try:
        table = tomllib.loads(file.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadExpectation(f"{file} is no TOML: {error}; mend that line") from error
    try:
        found = _File.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        number = next((part for part in first["loc"] if isinstance(part, int)), None)
        table_name, key = first["loc"][0], first["loc"][-1]
        name = "the file" if number is None else f"{table_name} {_name_of(table[str(table_name)], number)}"
        hint = f"; write [[{table_name}]]" if first["loc"] in (("expectation",), ("exempt",)) else ""
        raise BadExpectation(f"{file}: {name}: {key}: {first['msg']}{hint}") from error
    return found.expectation, found.exempt


def _name_of(entries: Sequence[Any], number: int) -> str:
    """What to call the entry in which validation failed: its id, else its place."""
    found = entries[number].get("id") if isinstance(entries[number], dict) else None
    return str(found or f"number {number + 1}")


class Expectations:
    """All expectations of a run.

    :param known_as: all names of a backend, as `harness.registry.Registry.known_as` tells them.
    :raises BadExpectation: two share an id, or a file is wrong.
    """

    def __init__(self, files: Iterable[Path], known_as: KnownAs = _by_name) -> None:
        self._known_as = known_as
        self.all: list[Expectation] = []
        self.exempt: list[tuple[Exempt, Path]] = []
        origin: dict[str, Path] = {}
        for file in files:
            found, exempt = read(file)
            self.exempt += [(one, file) for one in exempt]
            for expectation in found:
                if expectation.id in origin:
                    raise BadExpectation(
                        f"{file}: the id {expectation.id} is already used in "
                        f"{origin[expectation.id]}: rename it"
                    )
                origin[expectation.id] = file
                self.all.append(expectation)
        self.origin = origin
        self._near: dict[tuple[str, Configuration], list[Expectation]] = {}

    def check_names(self, known: Mapping[str, Iterable[str]]) -> None:
        """Stop at a selector that can never match.

        :param known: the names that exist, by selector field.
        :raises BadExpectation: with the nearest names.
        """
        for expectation in self.all:
            for field, names in known.items():
                for name in (name for one in expectation.selectors for name in getattr(one, field)):
                    bare = name.removeprefix("!")
                    if not any(fnmatch.fnmatchcase(point, bare) for point in names):
                        raise BadExpectation(
                            f"{self.origin[expectation.id]}: expectation {expectation.id}: no {field} "
                            f"is called {bare!a}: {suggest(bare, names)}"
                        )
        for exempt, file in self.exempt:
            for field, given, names in (
                ("backend", exempt.backend, known.get("backend", exempt.backend)),
                ("expectation", exempt.expectation, self.origin),
            ):
                for name in given:
                    if name not in names:
                        raise BadExpectation(
                            f"{file}: exempt: no {field} is called {name!a}: {suggest(name, names)}"
                        )

    def _exempt(self, cell: Cell) -> set[str]:
        """Ids of the expectations that do not hold for a cell's backend."""
        name = base_name(cell.configuration.backend)
        return {known for one, _ in self.exempt if name in one.backend for known in one.expectation}

    def of(self, cell: Cell, products: Mapping[str, str]) -> Expectation | None:
        """The one expectation that selects a cell.

        :raises Overlap: there are two.
        """
        key = cell.scenario, cell.configuration
        if key not in self._near:
            settled = [axis for axis in Axis if axis not in (Axis.VALUE, Axis.CASE)]
            exempt = self._exempt(cell)
            near = (one for one in self.all if one.id not in exempt)
            self._near[key] = [one for one in near if one.selects(cell, settled, self._known_as)]
        told = (one.for_cell(cell, products, self._known_as) for one in self._near[key])
        found = [one for one in told if one is not None]
        later = {name for one in found for name in one.before}
        found = [one for one in found if one.id not in later]
        if len(found) > 1:
            both = " and ".join(f"{one.id} ({self.origin[one.id]})" for one in found)
            raise Overlap(f"expectations {both} both select {cell.cell_id}: narrow one of them")
        return found[0] if found else None


def files(extra: Iterable[str] = ()) -> list[Path]:
    """The project's own expectation files, and those beside the backend files given."""
    import backends
    import scenarios

    found: list[Path] = []
    for package in (backends, scenarios):
        for folder in package.__path__:
            found += sorted(Path(folder).glob("*.toml"))
    return found + [
        beside for file in extra if (beside := Path(file).resolve().with_suffix(".toml")).exists()
    ]
