"""The tests beside a rule: the bytes of `NAME.tests.yaml` in, frozen tests and what is wrong in the file out.

rules/README.md describes the form. Nothing is run here; `trial` does that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import orjson

from kyber.duration import Duration
from kyber.logs.batch import LogSource
from kyber.logs.formats.known import FORMATS
from kyber.logs.formats.multiline import not_starting
from kyber.logs.sigma.asking import Awaited
from kyber.logs.sigma.filters import Event
from kyber.problem import Place, Problem
from kyber.yamltext import YamlError, line_of, load

ENDINGS: Final = (".tests.yaml", ".tests.yml")
"""What the name of a file of tests ends in; before it stands the name of the rule's file, without its ending."""
KEYS: Final = ("name", "rule", "origin", "source", "input", "lines", "events", "expect", "as_of", "awaited")
INPUT_KEYS: Final = ("format", "source", "zone", "product", "category", "service", "columns", "starts")
AWAITED_KEYS: Final = ("source", "hosts", "product", "every", "category", "service")
BINARY: Final = frozenset(("evtx",))
"""Framings whose records are no lines of text."""
_ALIKE: Final = 0.6
"""How near an unknown key must be to a known one, to be taken for a slip of it."""

Path = tuple[str | int, ...]
Expected = Literal["match", "miss"] | int


class Provenance(StrEnum):
    """Where the records of a test come from: a real log, documentation that shows their form, or nowhere else."""

    REAL = "real"
    DOCUMENTED = "documented"
    CONSTRUCTED = "constructed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a test's records are. `format` None: as their content tells. `source`: the id of the source that sent them.

    `logsource`: what they are declared to be, beyond what the format says. `columns`, `starts`: as in a source's file.
    """

    format: str | None = None
    source: str = ""
    zone: tzinfo = UTC
    logsource: LogSource | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    starts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One test: either raw records (`lines`) or `events`, by the names that rules give their fields.

    `rule`: the name or id of the one that is meant, where its file holds several; otherwise empty. `expect`: `match`
    (one event; of a correlation, one finding), `miss`, or the number of events. `as_of`: when absence is judged.
    `awaited`: from where events are expected.
    """

    place: Place
    name: str
    rule: str
    provenance: Provenance
    source: str
    given: Given
    expect: Expected
    lines: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    as_of: datetime | None = None
    awaited: tuple[Awaited, ...] = ()


class _TestError(Exception):
    """A test cannot be used: a code, where in the document, and facts."""

    def __init__(self, code: str, *path: str | int, **facts: object) -> None:
        super().__init__(code)
        self.code, self.path, self.facts = code, path, facts


def read_tests(text: bytes, file: str) -> tuple[tuple[RuleTest, ...], tuple[Problem, ...]]:
    """The tests of one file; each that cannot be used is a Problem instead (R90 to R92), with its line."""
    try:
        documents = load(text, file)
    except YamlError as error:
        return (), (Problem(error.place, "R90", {"why": error.reason}),)
    document = documents[0] if len(documents) == 1 else None
    listed = document.get("tests") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        return (), (Problem(Place(file, line_of(document, ("tests",), 1)), "R90", {"why": "no list `tests`"}),)
    found: dict[str, RuleTest] = {}
    problems = [
        Problem(Place(file, line_of(document, path)), code, facts)
        for code, path, facts in _unknown(document, (), ("tests",))
    ]
    for index, one in enumerate(listed):
        place = Place(file, line_of(document, ("tests", index)))
        try:
            test = _read(one, place)
            if test.name in found:
                raise _TestError("R91", "name", key="name", why=f"'{test.name}' names another test, too")
        except _TestError as wrong:
            path = ("tests", index, *wrong.path)
            problems.append(Problem(Place(file, line_of(document, path)), wrong.code, wrong.facts))
        else:
            found[test.name] = test
    return tuple(found.values()), tuple(problems)


def _read(given: Any, place: Place) -> RuleTest:
    if not isinstance(given, dict):
        raise _TestError("R91", key="tests", why="a test is a mapping")
    for code, path, facts in _all_unknown(given):
        raise _TestError(code, *path, **facts)
    if ("lines" in given) == ("events" in given):
        raise _TestError("R91", key="lines", why="a test holds either lines or events")
    return RuleTest(
        place=place,
        name=_text(given, "name"),
        rule=_text(given, "rule") if "rule" in given else "",
        provenance=_provenance(given),
        source=_text(given, "source"),
        given=_given(given),
        expect=_expected(given),
        lines=_lines(given),
        events=_events(given),
        as_of=_moment(given),
        awaited=tuple(_awaited(given)),
    )


Unknown = tuple[str, Path, dict[str, object]]


def _all_unknown(given: Mapping[str, Any]) -> Iterator[Unknown]:
    yield from _unknown(given, (), KEYS)
    yield from _unknown(given.get("input"), ("input",), INPUT_KEYS)
    listed = given.get("awaited")
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        yield from _unknown(one, ("awaited", index), AWAITED_KEYS)


def _unknown(given: Any, path: Path, known: tuple[str, ...]) -> Iterator[Unknown]:
    """What is to be said of the keys that are not known: the most likely one that was meant, else all."""
    for key in given if isinstance(given, dict) else ():
        if key not in known:
            near = get_close_matches(key.lower(), known, 1, _ALIKE)
            yield "R92", (*path, key), {"key": key, "wanted": tuple(near) or known}


def _text(given: Mapping[str, Any], *path: str) -> str:
    value = given.get(path[-1])
    if value is None:
        raise _TestError("R91", *path[:-1], key=".".join(path), why="it is missing")
    if not isinstance(value, str) or not value.strip():
        raise _TestError("R91", *path, key=".".join(path), why="it is text, and not empty")
    return value.strip()


def _provenance(given: Mapping[str, Any]) -> Provenance:
    written = _text(given, "origin")
    try:
        return Provenance(written)
    except ValueError:
        raise _TestError("R91", "origin", key="origin", why=f"it is one of {', '.join(Provenance)}") from None


def _expected(given: Mapping[str, Any]) -> Expected:
    value = given.get("expect")
    if value in ("match", "miss") or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        expected: Expected = value
        return expected
    why = "it is missing" if value is None else "it is match, miss, or a number of events from 1 on"
    raise _TestError("R91", *(() if value is None else ("expect",)), key="expect", why=why)


def _given(given: Mapping[str, Any]) -> Given:
    about = given.get("input", {})
    if not isinstance(about, dict):
        raise _TestError("R91", "input", key="input", why="it is a mapping, such as {format: syslog}")
    for key in ("format", "source", "zone", "product", "category", "service", "starts"):
        if key in about:
            _text(about, "input", key)
    form = about.get("format")
    if form is not None and form not in FORMATS:
        near = get_close_matches(form, FORMATS, 1, _ALIKE)
        meant = f" (did you mean {near[0]}?)" if near else " (kyber logs formats lists them)"
        raise _TestError("R91", "input", "format", key="input.format", why=f"there is no format {form}{meant}")
    if form is not None and "lines" in given and FORMATS[form].framing in BINARY:
        why = f"{form} is not read from lines of text; give what a record holds as events"
        raise _TestError("R91", "input", "format", key="input.format", why=why)
    try:
        zone = ZoneInfo(about.get("zone", "UTC"))
    except (ValueError, OSError, LookupError):
        raise _TestError("R91", "input", "zone", key="input.zone", why="there is no such time zone") from None
    columns = about.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(one, str) for one in columns.values()):
        raise _TestError("R91", "input", "columns", key="input.columns", why="it gives each column a name")
    starts = about.get("starts")
    if starts is not None:
        try:
            not_starting(starts)
        except ValueError:
            why = "it is no regular expression that can be used"
            raise _TestError("R91", "input", "starts", key="input.starts", why=why) from None
    said = {key: about[key].lower() for key in LogSource.__slots__ if key in about}
    return Given(
        format=form,
        source=about.get("source", ""),
        zone=zone,
        logsource=LogSource(**said) if said else None,
        columns=columns,
        starts=starts,
    )


def _lines(given: Mapping[str, Any]) -> tuple[str, ...]:
    listed = given.get("lines", [])
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise _TestError("R91", "lines", key="lines", why="it is a list of texts, one a record")
    return tuple(listed)


def _events(given: Mapping[str, Any]) -> tuple[Event, ...]:
    listed = given.get("events", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _TestError("R91", "events", key="events", why="it is a list of mappings: fields and their values")
    for index, one in enumerate(listed):
        try:
            written(one)
        except TypeError as error:  # a number of more than 64 bits, a key that is no text
            raise _TestError(
                "R91", "events", index, key="events", why=f"it cannot be written as JSON ({error})"
            ) from None
    return tuple(listed)


def written(event: Event) -> bytes:
    """An event as JSON. Raises TypeError."""
    return orjson.dumps(event, default=str)


def _moment(given: Mapping[str, Any]) -> datetime | None:
    if "as_of" not in given:
        return None
    try:
        found = datetime.fromisoformat(_text(given, "as_of"))
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise _TestError("R91", "as_of", key="as_of", why="it is a time with its offset, as 2026-03-04T10:00:00+02:00")
    return found


def _awaited(given: Mapping[str, Any]) -> Iterator[Awaited]:
    listed = given.get("awaited", [])
    if not isinstance(listed, list):
        raise _TestError("R91", "awaited", key="awaited", why="it is a list of sources")
    for index, one in enumerate(listed):
        path = ("awaited", index)
        if isinstance(one, str) and one:
            yield Awaited(one)
            continue
        if not isinstance(one, dict) or not isinstance(one.get("source"), str):
            raise _TestError("R91", *path, key="awaited", why="each is the id of a source, or a mapping with source")
        hosts = one.get("hosts", [])
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise _TestError("R91", *path, "hosts", key="awaited.hosts", why="it is a list of names")
        said = {key: one[key] for key in ("product", "category", "service") if one.get(key) is not None}
        for key, value in said.items():
            if not isinstance(value, str):
                raise _TestError("R91", *path, key, key=f"awaited.{key}", why="it is text")
        declared = {key: value.lower() for key, value in said.items()}
        yield Awaited(one["source"], tuple(hosts), every=_every(one, path), **declared)


def _every(one: Mapping[str, Any], path: Path) -> int | None:
    """How long a source may be silent, in microseconds."""
    if "every" not in one:
        return None
    try:
        return round(Duration.parse(str(one["every"])).approximate_seconds * 1_000_000)
    except ValueError:
        raise _TestError("R91", *path, "every", key="awaited.every", why="it is a time, such as 1 d") from None
