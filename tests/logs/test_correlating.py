"""Correlations over what is stored: some days give what a scan of everything, and a scan of the files, gives."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.finding import Finding, ScanResult
from kyber.logs import correlating
from kyber.logs.batch import LogSource
from kyber.logs.correlating import awaited
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.scan import scan, scan_stored
from kyber.logs.sigma.correlate import Asking, Awaited
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.source import load_sources
from kyber.logs.store import ALL, Period
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import WritableStore, writing
from kyber.logs.stream import Stream
from kyber.problem import Severity
from tests.logs.sigma.correlating import ruleset_of

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
NOW: Final = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUR: Final = 3_600
DAY: Final = 86_400_000_000
Event = Mapping[str, Any]


def rule(name: str, generate: bool = True, /, **correlation: Any) -> dict[str, Any]:
    return {"title": name, "id": name, "name": name, "generate": generate, "correlation": correlation}


BASE: Final = [
    {"title": name, "id": name, "name": name, "logsource": {"product": "test"},
     "detection": {"sel": {"kind": name}, "condition": "sel"}}
    for name in ("fail", "ok")
]  # fmt: skip
RULES: Final = ruleset_of(
    *BASE,
    rule("many", type="event_count", rules=["fail"], **{"group-by": ["user"]}, timespan="10h", condition={"gte": 3}),
    rule("few", type="event_count", rules=["ok"], timespan="3h", condition={"lt": 2}),
    rule("spray", type="value_count", rules=["fail"], timespan="1d", condition={"gte": 2, "field": "user"}),
    rule("then", type="temporal_ordered", rules=["many", "ok"], **{"group-by": ["user"]}, timespan="12h"),
    rule("mid", type="value_median", rules=["fail", "ok"], timespan="30h", condition={"gt": 3, "field": "size"}),
    rule("twice", type="event_count", rules=["many", "then"], timespan="2d", condition={"gte": 2}),
)


def made(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events with a time, from hours after START."""
    return [
        {"@timestamp": (START + timedelta(hours=one["at"])).isoformat()} | {k: v for k, v in one.items() if k != "at"}
        for one in events
    ]


def job(file: Path, source: str = "made") -> Job:
    found, problems = inputs([str(file)], NOW)
    assert not problems
    return Job(source=source, inputs=found, zone=UTC, format="json", logsource=LogSource("test"))


def log(folder: Path, name: str, events: Sequence[Event]) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return file


def store_file(store: WritableStore, file: Path) -> None:
    done = job(file)
    stream = Stream(done.inputs[0])
    for batch in batches(stream, FORMATS["json"], done, Tally()):
        origin = batch.origin(0)
        cursor, read = Cursor(source=origin.source, path=origin.file), Read(source=origin.source, file=origin.file)
        store.append(batch, (), origin, cursor, read, round(NOW.timestamp() * 1_000_000))
    stream.close()


@contextmanager
def stored(folder: Path, *parts: Sequence[Event]) -> Iterator[WritableStore]:
    """A store with these events, each part from a file of its own."""
    with writing(folder, "test") as store:
        for number, part in enumerate(parts):
            store_file(store, log(folder, f"{number}.json", part))
        yield store


def of_store(store: WritableStore, rules: RuleSet = RULES, asking: Asking = Asking(), **chosen: Any) -> ScanResult:  # noqa: B008
    return scan_stored(store, rules, NOW, UTC, asking=asking, **chosen)


def bursts(result: ScanResult) -> list[Finding]:
    """The findings of correlations, without the sample, whose file is another."""
    return [replace(one, sample=None, sources=()) for one in result.findings if one.rule.name not in ("fail", "ok")]  # type: ignore[arg-type]


def name(day: int) -> str:
    return (START + timedelta(days=day)).date().isoformat()


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 14 * 24),
            "kind": st.sampled_from(["fail", "fail", "ok"]),
            "user": st.sampled_from(["a", "b"]),
            "size": st.integers(0, 6),
        }
    ),
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(events=EVENTS, days=st.sets(st.integers(0, 14), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_some_days_give_the_bursts_that_touch_them_as_a_scan_of_everything_does(
    events: list[dict[str, Any]], days: set[int], seed: int
) -> None:
    # Each event is told from the others: the same line at the same place of two files that are equal is stored once.
    shuffled = made([{**one, "serial": number} for number, one in enumerate(events)])
    random.Random(seed).shuffle(shuffled)
    half = len(shuffled) // 2
    named = [name(day) for day in sorted(days)]
    with TemporaryDirectory() as folder, stored(Path(folder), shuffled[:half], shuffled[half:]) as store:
        everything = bursts(of_store(store))
        some = bursts(of_store(store, days=named))
        files = scan([job(file) for file in sorted(Path(folder).glob("*.json"))], RULES, NOW, asking=Asking(NOW))
    touched = [one for one in everything if any(day in named for day in days_of(one))]
    assert [one for one in some if one in everything] == some
    assert [one for one in touched if one not in some] == []
    assert bursts(files) == everything


def days_of(one: Finding) -> list[str]:
    """The days from the first event of a burst to the last."""
    assert one.first
    assert one.last
    return [name(day) for day in range((one.first - START).days, (one.last - START).days + 1)]


@settings(max_examples=30, deadline=None)
@given(events=EVENTS, first=st.integers(0, 14), length=st.integers(1, 4))
def test_a_period_gives_the_bursts_that_end_in_it_as_a_scan_of_everything_does(
    events: list[dict[str, Any]], first: int, length: int
) -> None:
    start = round((START + timedelta(days=first)).timestamp() * 1_000_000)
    period = Period(start, start + length * DAY)
    with TemporaryDirectory() as folder, stored(Path(folder), made(events)) as store:
        everything = bursts(of_store(store))
        some = bursts(of_store(store, period=period))
    within = [
        one for one in everything if one.last and start <= one.last.timestamp() * 1_000_000 < start + length * DAY
    ]
    assert some == within


def test_a_burst_that_began_days_ago_keeps_its_id_and_its_whole_count(tmp_path: Path) -> None:
    events = made([{"at": hour, "kind": "fail", "user": "a"} for hour in range(0, 14 * 24, 3)])
    with stored(tmp_path, events) as store:
        (everything,) = [one for one in bursts(of_store(store)) if one.rule.name == "many"]
        (some,) = [one for one in bursts(of_store(store, days=[name(13)])) if one.rule.name == "many"]
    assert some == everything
    assert some.count == len(events)


def test_days_further_back_than_are_looked_at_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlating, "MAX_AROUND", 5)
    events = made([{"at": hour, "kind": "fail", "user": "a"} for hour in range(0, 14 * 24, 3)])
    with stored(tmp_path, events) as store:
        result = of_store(store, days=[name(13)])
    assert [one.code for one in result.problems if one.severity is Severity.WARNING] == ["R28"]
    assert [one.count < len(events) for one in bursts(result) if one.rule.name == "many"] == [True]


# --- absence ----------------------------------------------------------------------------------------------------------

SILENT: Final = ruleset_of(
    {"title": "any", "id": "any", "name": "any", "logsource": {"product": "test"},
     "detection": {"none": {"kyber.nothing|exists": True}, "condition": "not none"}},
    rule("silent", False, type="event_count", rules=["any"], **{"group-by": ["kyber.source"]}, timespan="1d",
         condition={"lt": 1}),
)  # fmt: skip


def test_a_source_that_went_silent_is_found_though_nothing_is_new(tmp_path: Path) -> None:
    events = made([{"at": 17 * 24, "kind": "fail", "user": "a"}])
    asking = Asking(awaited=(Awaited("made"), Awaited("gone")))
    with stored(tmp_path, events) as store:
        period = Period(round(NOW.timestamp() * 1e6) - DAY, None)
        choices: list[dict[str, Any]] = [{"days": []}, {"period": ALL}, {"period": period}]
        for chosen in choices:
            result = of_store(store, SILENT, asking, **chosen)
            assert sorted(one.group["kyber.source"] for one in result.findings) == ["gone", "made"]
            assert [one.last for one in result.findings] == [NOW, NOW]
        (heard,) = of_store(store, SILENT, replace(asking, as_of=START + timedelta(days=17, hours=5))).findings
    assert dict(heard.group) == {"kyber.source": "gone"}


def test_a_silence_outside_the_period_is_not_told(tmp_path: Path) -> None:
    events = made([{"at": 5, "kind": "fail", "user": "a"}])
    start = round(START.timestamp() * 1_000_000)
    with stored(tmp_path, events) as store:
        result = of_store(store, SILENT, Asking(awaited=(Awaited("made"),)), period=Period(start, start + DAY))
    assert result.findings == ()


def test_an_empty_store_is_silence_too(tmp_path: Path) -> None:
    with writing(tmp_path, "test") as store:
        result = of_store(store, SILENT, Asking(awaited=(Awaited("made"),)), days=[])
    assert [dict(one.group) for one in result.findings] == [{"kyber.source": "made"}]


def test_events_are_expected_from_active_sources(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    for number, status in enumerate(("active", "planned", "retired")):
        text = f"id: s{number}\nname: S\nstatus: {status}\nhosts: [h{number}]\nlogsource: {{product: Linux}}\n"
        (tmp_path / "sources" / f"{number}.yaml").write_text(text, encoding="utf-8")
    assert awaited(load_sources(tmp_path)[0]) == (Awaited("s0", ("h0",), "linux"),)
