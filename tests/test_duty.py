from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kyber.duty import Duty, silences
from kyber.finding import Finding
from kyber.logs.source import LogSource, load_sources
from kyber.people import People, Person
from kyber.register import read_all
from tests.render.results import finding

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
PEOPLE = """\
roles:
  - {id: chief, title: Chief, holders: [aino, eero]}
  - {id: keeper, title: Keeper, holders: [gone], deputies: [sanna]}
  - {id: mute, title: Mute, holders: [mute]}
  - {id: empty, title: Empty}
people:
  - {id: aino, name: Aino, email: aino@x.example}
  - {id: eero, name: Eero, email: eero@x.example}
  - {id: gone, name: Gone, email: gone@x.example, left: 2026-11-09}
  - {id: sanna, name: Sanna, email: sanna@x.example}
  - {id: mute, name: Mute, email: "not an address"}
"""
SOURCES = {
    "a": "owner: chief, expected_every: 2 d",
    "b": "owner: keeper, expected_every: 1 months",
    "c": "what: nobody's",
    "d": "owner: sanna, status: planned, expected_every: 1 h",
    "e": "owner: mute",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "sources").mkdir()
    for name, rest in SOURCES.items():
        text = f"{{id: {name}, name: Source {name}, read: {{paths: [x.log]}}, {rest}}}\n"
        (tmp_path / "sources" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def sources(workspace: Path) -> tuple[LogSource, ...]:
    found, problems = load_sources(workspace)
    assert problems == ()
    return found


def duty(workspace: Path, sources: tuple[LogSource, ...], fallback: str | None = None) -> Duty:
    (people,), problems = read_all(workspace, "people.yaml", People)
    assert problems == ()
    return Duty(people=people, sources=sources, fallback=fallback, today=date(2026, 11, 10))


def of(*sources: str) -> Finding:
    return replace(finding(), sources=sources)


def names(people: Iterable[Person]) -> list[str]:
    return [one.id for one in people]


def test_who_owns_a_finding_s_sources_owns_it(workspace: Path, sources: tuple[LogSource, ...]) -> None:
    known = duty(workspace, sources)
    assert known.owners_of(of("a")) == ("chief",)
    assert known.owners_of(of("b", "a", "b")) == ("keeper", "chief")


def test_what_nobody_owns_is_the_fallback_s(workspace: Path, sources: tuple[LogSource, ...]) -> None:
    for unowned in (of(), of("c"), of("no-such-source")):
        assert duty(workspace, sources, "chief").owners_of(unowned) == ("chief",)
        assert duty(workspace, sources).owners_of(unowned) == ()
    assert duty(workspace, sources, "chief").owners_of(of("b", "c")) == ("keeper", "chief")


def test_holders_are_told_and_where_none_is_there_the_deputies_and_else_the_fallback(
    workspace: Path, sources: tuple[LogSource, ...]
) -> None:
    known = duty(workspace, sources, "chief")
    assert names(known.reached("chief")) == ["aino", "eero"]
    assert names(known.reached("keeper")) == ["sanna"]
    assert names(known.reached("sanna")) == ["sanna"]
    assert names(known.reached("mute")) == ["aino", "eero"]
    assert names(known.reached("empty")) == ["aino", "eero"]
    alone = duty(workspace, sources)
    assert names(alone.reached("mute")) == names(alone.reached("empty")) == names(alone.reached("no-one")) == []


def test_owners_are_called_by_title_or_name(workspace: Path, sources: tuple[LogSource, ...]) -> None:
    known = duty(workspace, sources)
    assert [known.title(one) for one in ("chief", "sanna", "other")] == ["Chief", "Sanna", "other"]


def test_a_source_is_silent_when_its_last_event_is_longer_ago_than_is_normal(sources: tuple[LogSource, ...]) -> None:
    last = {"a": NOW - timedelta(days=2, seconds=1), "b": NOW - timedelta(days=30)}
    (silent,) = silences(sources, last, NOW)
    assert (silent.source, silent.name, silent.last, silent.expected) == ("a", "Source a", last["a"], "2 d")
    assert silences(sources, {"a": NOW - timedelta(days=2), "b": NOW}, NOW) == ()


def test_a_source_that_never_spoke_is_silent_and_one_that_is_not_read_or_may_be_silent_is_not(
    sources: tuple[LogSource, ...],
) -> None:
    assert [one.source for one in silences(sources, {}, NOW)] == ["a", "b"]
    assert all(one.last is None for one in silences(sources, {"a": None}, NOW))
