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
from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.correlating import awaited
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.scan import scan, scan_stored
from kyber.logs.sigma.asking import Asking, Awaited
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.source import load_sources
from kyber.logs.store import ALL, Period
from kyber.logs.store.index import Cursor, Read, SegmentInfo
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


LEARNING: Final = ruleset_of(
    {"title": "any", "id": "any", "name": "any", "logsource": {"product": "test"},
     "detection": {"sel": {"kind|exists": True}, "condition": "sel"}},
    {**rule("silent", False, type="event_count", rules=["any"], **{"group-by": ["kyber.source"]}, timespan="1d",
            condition={"lt": 1}), "kyber": {"silent_after": 2}},
    {**rule("stopped", False, type="event_count", rules=["any"], **{"group-by": ["user"]}, timespan="13h",
            condition={"lt": 1}), "kyber": {"awaits": "seen"}},
)  # fmt: skip


def silent(result: ScanResult) -> list[Finding]:
    return [replace(one, evidence=(), sources=()) for one in result.findings]


@settings(max_examples=12, deadline=None)
@given(events=EVENTS, looked=st.lists(st.integers(1, 20 * 24), min_size=1, max_size=2), seed=st.integers(0, 9))
def test_silence_is_the_same_whatever_days_are_asked_for_and_whatever_was_remembered(
    events: list[dict[str, Any]], looked: list[int], seed: int
) -> None:
    shuffled = made([{**one, "serial": number} for number, one in enumerate(events)])
    random.Random(seed).shuffle(shuffled)
    half = len(shuffled) // 2
    with TemporaryDirectory() as folder, stored(Path(folder), shuffled[:half], shuffled[half:]) as store:
        jobs = [job(file) for file in sorted(Path(folder).glob("*.json"))]
        for at in looked:
            asking = Asking(START + timedelta(hours=at, minutes=1), (Awaited("made", every=DAY), Awaited("gone")))
            forgetful = silent(of_store(store, LEARNING, asking, remember=False))
            assert silent(of_store(store, LEARNING, asking)) == forgetful
            assert silent(of_store(store, LEARNING, asking, days=[])) == forgetful
            assert silent(scan(jobs, LEARNING, NOW, asking=asking)) == forgetful


def test_what_was_heard_in_a_segment_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    batch = WritableStore.batch

    def noted(store: WritableStore, info: SegmentInfo) -> EventBatch:
        read.append(info.id)
        return batch(store, info)

    monkeypatch.setattr(WritableStore, "batch", noted)
    asking = Asking(awaited=(Awaited("made"),))
    with stored(tmp_path, made([{"at": hour, "kind": "ok", "user": "a"} for hour in range(0, 400, 5)])) as store:
        of_store(store, LEARNING, asking, days=[])
        assert len(read) > 10
        read.clear()
        (finding,) = [one for one in of_store(store, LEARNING, asking, days=[]).findings if one.rule.name == "silent"]
        assert read == []
        of_store(store, SILENT, asking, days=[])
        assert len(read) > 10
        assert finding.first == START + timedelta(hours=395)


def test_a_silence_is_one_finding_from_scan_to_scan_and_another_one_after_an_event(tmp_path: Path) -> None:
    asking = Asking(awaited=(Awaited("made"),))
    told: list[Finding] = []
    with stored(tmp_path, made([{"at": 5, "kind": "ok", "user": "a"}])) as store:
        for day in (2, 3, 9):
            told += of_store(store, SILENT, replace(asking, as_of=START + timedelta(days=day)), days=[]).findings
        assert {one.id for one in told} == {told[0].id}
        assert {one.first for one in told} == {START + timedelta(hours=5)}
        assert [one.last for one in told] == [START + timedelta(days=day) for day in (2, 3, 9)]
        store_file(store, log(tmp_path, "more.json", made([{"at": 9 * 24 + 1, "kind": "ok", "user": "a"}])))
        assert of_store(store, SILENT, replace(asking, as_of=START + timedelta(days=9, hours=2))).findings == ()
        (again,) = of_store(store, SILENT, replace(asking, as_of=START + timedelta(days=11))).findings
    assert again.id != told[0].id


def test_a_source_that_fell_silent_long_ago_is_known_by_its_last_events(tmp_path: Path) -> None:
    asking = Asking(START + timedelta(days=300), (Awaited("made"), Awaited("gone")))
    with stored(tmp_path, made([{"at": hour, "kind": "ok", "user": "a"} for hour in range(0, 400, 5)])) as store:
        made_, gone = sorted(
            of_store(store, SILENT, asking).findings, key=lambda one: one.group["kyber.source"] == "gone"
        )
    assert made_.first == START + timedelta(hours=395)
    assert ("none", "since 2026-11-28") in {(one.value, one.pattern) for one in gone.evidence}


def test_a_source_that_arrives_once_a_day_is_not_silent_in_between(tmp_path: Path) -> None:
    asking = Asking(START + timedelta(days=14, hours=7), (Awaited("made"),))
    hourly = made([{"at": hour, "kind": "ok", "user": "a"} for hour in range(14 * 24)])
    with stored(tmp_path, hourly) as store:
        assert of_store(store, LEARNING, asking).findings == ()  # it is not known how events arrive
        for day in range(14):
            moment = round((START + timedelta(days=day + 1)).timestamp() * 1_000_000)
            with store.index.transaction():
                store.index.note(Read(source="made", file="made", at=moment, events=24, stored=24))
        assert of_store(store, LEARNING, asking).findings == ()
        late = of_store(store, LEARNING, replace(asking, as_of=START + timedelta(days=16))).findings
        told = [one for one in late if one.rule.name == "silent"]
        assert ("learnt", "1d") in {(one.field, one.value) for one in told[0].evidence}
