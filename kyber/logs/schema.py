"""Field tables: per product, which native columns fill a canonical (ECS) column, where Sigma's fields are found, and
which events a logsource means. The tables are data (`tables/*.yaml`); this module reads them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

Condition = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A native column as a source of a canonical one.

    `when` limits it to events of a kind. Of a text, only what stands `after` (or `before`) the last of a sign is drawn.
    """

    column: str
    when: Condition = ()
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """A column that tells the time; `utc` where a time without an offset is UTC, else it is in the source's zone."""

    column: str
    utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is known of one product's events.

    `columns`: canonical column -> native columns, the first that an event has wins. `fields`: Sigma field -> columns,
    likewise. `native`: patterns with `{}` for every other Sigma field. `time`: where an event says when it happened,
    likewise. `services` and `categories`: what Sigma's logsources mean here, as alternatives of conditions; an empty
    condition holds for every event.
    """

    name: str
    title: str
    columns: Mapping[str, tuple[Drawn, ...]]
    fields: Mapping[str, tuple[str, ...]]
    native: tuple[str, ...]
    time: tuple[Clock, ...]
    services: Mapping[str, tuple[Condition, ...]]
    categories: Mapping[str, tuple[Condition, ...]]
    shown: tuple[str, ...]

    def where_is(self, field: str) -> tuple[str, ...]:
        """The columns in which a Sigma field of this product is looked for, in order."""
        known = self.fields.get(field, ())
        return tuple(dict.fromkeys((*known, *(pattern.format(field) for pattern in self.native), field)))

    def drawn_for(self, columns: Iterable[str]) -> frozenset[str]:
        """Columns, and the native ones that they are drawn from where they are canonical."""
        names = frozenset(columns)
        return names | {one.column for name in names for one in self.columns.get(name, ())}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _condition(spec: Mapping[str, Any]) -> Condition:
    return tuple((column, frozenset(str(one).lower() for one in _listed(values))) for column, values in spec.items())


def _drawn(spec: Any) -> Drawn:
    if isinstance(spec, str):
        return Drawn(spec)
    return Drawn(spec["column"], _condition(spec.get("when", {})), spec.get("after", ""), spec.get("before", ""))


@cache
def table(name: str) -> Table:
    """The field table of a product, by name. Raises KeyError where there is none."""
    file = resources.files("kyber.logs") / "tables" / f"{name}.yaml"
    if not file.is_file():
        raise KeyError(name)
    spec = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    return Table(
        name=name,
        title=spec["title"],
        columns={key: tuple(_drawn(one) for one in _listed(value)) for key, value in spec.get("columns", {}).items()},
        fields={key: tuple(_listed(value)) for key, value in spec.get("fields", {}).items()},
        native=tuple(spec.get("native", ())),
        time=tuple(Clock(one) if isinstance(one, str) else Clock(one["utc"], True) for one in spec["time"]),
        services={
            key: tuple(_condition(one) for one in _listed(value)) for key, value in spec.get("services", {}).items()
        },
        categories={
            key: tuple(_condition(one) for one in _listed(value)) for key, value in spec.get("categories", {}).items()
        },
        shown=tuple(spec.get("shown", ())),
    )


def tables() -> Iterator[Table]:
    """Every field table, by name."""
    for file in sorted((resources.files("kyber.logs") / "tables").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            yield table(file.name.removesuffix(".yaml"))
