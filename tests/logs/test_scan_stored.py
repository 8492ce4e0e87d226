"""Stored events give the findings that their files give, however they were stored and whatever is remembered."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.finding import Finding, ScanResult
from kyber.logs import enrich
from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.enrich import Enrichment
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Progress, Tally, batches
from kyber.logs.records import lines as cut_lines
from kyber.logs.scan import NOTHING_KNOWN, STORED, scan, scan_stored
from kyber.logs.sigma import predicate
from kyber.logs.sigma.rule import Rule, RuleSet, Unable, read_rule
from kyber.logs.store import ALL, Period, parquet
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import WritableStore, writing
from kyber.logs.stream import Stream
from tests.logs.sigma.strategies import PLACEHOLDERS, cases

NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)
ZONE: Final = ZoneInfo("Europe/Helsinki")
Event = Mapping[str, Any]


def ruleset(*documents: Mapping[str, Any]) -> RuleSet:
    """These rules, each with an id of its own."""
    found: list[Rule] = []
    for number, document in enumerate(documents):
        named = {"title": "t", "id": f"{number:08}-1111-4111-8111-111111111111", "logsource": {"product": "test"}}
        rule = read_rule({**named, **document}, "rule.yml", PLACEHOLDERS, [])
        assert not isinstance(rule, Unable), rule
        found.append(rule)
    return RuleSet(tuple(found), (), ())


def looking_for(*keywords: object, **more: object) -> dict[str, Any]:
    return {"detection": {"words": list(keywords), "condition": "words"}, **more}


def job(*files: Path, form: str = "json") -> Job:
    found, problems = inputs([str(file) for file in files], NOW)
    assert not problems
    return Job(
        source="made", inputs=found, zone=ZONE, format=form, logsource=LogSource("test") if form == "json" else None
    )


def log(folder: Path, name: str, events: Sequence[Event]) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return file


@contextmanager
def pieces(size: int) -> Iterator[None]:
    """Everything is read in pieces of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kyber.logs.parse.FRAMINGS", {"lines": partial(cut_lines, size=size)})
        yield


def read(file: Path, size: int = 2**20, form: str = "json") -> list[EventBatch]:
    """The batches of one file, read in pieces."""
    done = job(file, form=form)
    stream = Stream(done.inputs[0])
    with pieces(size):
        found = list(batches(stream, FORMATS[form], done, Tally()))
    stream.close()
    return found


def store_all(store: WritableStore, batches_: Sequence[EventBatch]) -> None:
    """Each batch as a commit of its own."""
    for batch in batches_:
        origin = batch.origin(0)
        cursor, done = Cursor(source=origin.source, path=origin.file), Read(source=origin.source, file=origin.file)
        store.append(batch, (), origin, cursor, done, round(NOW.timestamp() * 1_000_000))


def of_files(rules: RuleSet, *files: Path, known: Enrichment = NOTHING_KNOWN, form: str = "json") -> ScanResult:
    return scan([job(*files, form=form)], rules, NOW, known=known)


def of_store(
    store: WritableStore,
    rules: RuleSet,
    *,
    period: Period = ALL,
    days: Sequence[str] | None = None,
    known: Enrichment = NOTHING_KNOWN,
) -> ScanResult:
    return scan_stored(store, rules, NOW, ZONE, period=period, days=days, known=known)


def told(result: ScanResult) -> tuple[object, ...]:
    """What a scan found and what it could not look for."""
    return result.findings, result.blind, result.rules, result.fired


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


# --- the same events, the same findings -------------------------------------------------------------------------------

# Several columns, nested and named twice, in which keywords may stand.
TEXTS = st.sampled_from(["a needle here", "NEEDLE", "kone\u212a 4711", "4711", "hay", "", "ne\\edle", "neüedle"])
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "@timestamp": st.integers(0, 60).map(
            lambda hours: (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)).isoformat()
        ),
        "host": st.sampled_from(["a", "b", "-"]).map(lambda name: {"name": name}),
        "user": st.sampled_from(["a", "b", None, 4711]).map(lambda name: {"name": name}),
        "z": TEXTS,
        "m": st.lists(TEXTS | st.fixed_dictionaries({"n": TEXTS}), max_size=2),
        "m.n": TEXTS,
        "d": st.fixed_dictionaries({"z": TEXTS}),
    },
)
WORDS = [
    looking_for("needle", "4711"),
    looking_for("needle", "another word"),
    {
        "detection": {
            "words": {"|all": ["kone*", "4711"]},
            "other": {"user.name": "a"},
            "condition": "words and not other",
        }
    },
]


@settings(deadline=None, max_examples=20)
@given(
    given=st.lists(cases(), min_size=1, max_size=3),
    extras=st.lists(EXTRAS, min_size=18, max_size=18),
    size=st.integers(1, 500),
    seed=st.randoms(use_true_random=False),
)
def test_findings_are_the_same_from_files_and_from_the_store_in_one_commit_in_many_and_after_compaction(
    given: list[tuple[dict[str, Any], list[Event]]], extras: list[Event], size: int, seed: random.Random
) -> None:
    rules = ruleset(*WORDS, *(document for document, _ in given))
    events = [event for _, found in given for event in found]
    events = [{**event, **extra} for event, extra in zip(events, extras, strict=False)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "FEW", 2)
        half = seed.randint(0, len(events))
        files = [
            log(Path(folder), name, [{"file": name}, *part])
            for name, part in (("one", events[:half]), ("two", events[half:]))
        ]
        expected = told(of_files(rules, *files))
        assert told(of_files(rules, *reversed(files))) == expected
        whole, small = ([batch for file in files for batch in read(file, size_)] for size_ in (2**20, size))
        seed.shuffle(small)
        for name, batches_ in (("whole", whole), ("small", small)):
            with writing(Path(folder) / name, "me") as store:
                store_all(store, batches_)
                assert told(of_store(store, rules)) == expected
                assert told(of_store(store, rules)) == expected  # what is remembered by now
                store.compact()
                assert told(of_store(store, rules)) == expected
                other = ruleset(*WORDS[:2], given[0][0])
                assert told(of_store(store, other)) == told(of_files(other, *files))
                assert told(of_store(store, rules)) == expected


EVENTS: Final[list[Event]] = [
    {"@timestamp": "2026-03-02T10:00:00Z", "text": "the needle", "host": {"name": "dc1"}, "n": 1},
    {"@timestamp": "2026-03-02T23:59:59Z", "text": "hay", "n": 2},
    {"@timestamp": "2026-03-03T00:00:00Z", "text": "a needle again", "source": {"ip": "10.1.0.9"}, "n": 3},
    {"@timestamp": "2026-03-03T12:00:00Z", "text": "one more needle", "source": {"ip": "192.0.2.1"}, "n": 4},
    {"@timestamp": "2026-03-04T01:00:00Z", "text": "nothing", "source": {"ip": "10.2.0.9"}, "n": 5},
    {"text": "a needle without a time", "n": 6},
    {"@timestamp": "1980-01-01T00:00:00Z", "text": "a needle of long ago", "n": 7},
]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [log(tmp_path, "app.log", EVENTS)]


@pytest.fixture
def store(tmp_path: Path, files: list[Path]) -> Iterator[WritableStore]:
    """The events, each day in one segment."""
    with writing(tmp_path / ".kyber", "me") as opened:
        store_all(opened, read(files[0]))
        yield opened


def counted(result: ScanResult) -> list[tuple[str | None, int]]:
    """When each finding began, and how many events it has."""
    return [(one.first.isoformat()[:19] if one.first else None, one.count) for one in result.findings]


def test_a_scan_of_the_store_accounts_for_each_source(store: WritableStore, files: list[Path]) -> None:
    shown: list[Progress] = []
    result = scan_stored(store, ruleset(looking_for("needle")), NOW, ZONE, progress=shown.append)
    (account,) = result.inputs
    assert (account.file, account.format, account.records, account.events) == ("made", STORED, 7, 7)
    assert account.size == sum(one.size for one in store.chosen()) == shown[-1].done == shown[-1].total
    assert (account.first, account.last) == (
        datetime(1980, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 4, 1, tzinfo=UTC),
    )
    assert [one.events for one in shown] == sorted(one.events for one in shown)
    assert shown[-1].events == 7
    assert result.timezone == "Europe/Helsinki"
    (of_file,) = of_files(ruleset(looking_for("needle")), *files).inputs
    assert (of_file.first, of_file.last) == (account.first, account.last)


def test_only_the_days_that_are_asked_for_are_scanned(store: WritableStore, files: list[Path]) -> None:
    rules = ruleset(looking_for("needle"))
    whole = of_files(rules, *files).findings
    for days in (["2026-03-02"], ["2026-03-03", "2026-03-04"], ["2026-03-04"], ["undated"], []):
        expected = tuple(one for one in whole if day_of(one) in days)
        assert of_store(store, rules, days=days).findings == expected
    assert of_store(store, rules).findings == whole
    assert len(whole) == 5


def day_of(finding: Finding) -> str:
    return finding.first.date().isoformat() if finding.first and finding.first.year > 2000 else "undated"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-03-02", "2026-03-03", [("2026-03-02T10:00:00", 1)]),
        ("2026-03-03", None, [("2026-03-03T00:00:00", 1), ("2026-03-03T12:00:00", 1)]),
        ("2026-03-03T00:00:01", "2026-03-05", [("2026-03-03T12:00:00", 1)]),
        ("2026-03-03", "2026-03-03T12:00:00", [("2026-03-03T00:00:00", 1)]),
        (None, "2026-03-03", [("1980-01-01T00:00:00", 1), ("2026-03-02T10:00:00", 1)]),
        ("2026-03-05", None, []),
    ],
)
def test_a_period_holds_the_events_from_its_start_on_and_before_its_end(
    start: str | None, end: str | None, expected: list[tuple[str, int]], store: WritableStore
) -> None:
    period = Period(*(None if text is None else moment(text) for text in (start, end)))
    assert counted(of_store(store, ruleset(looking_for("needle")), period=period)) == expected


@settings(deadline=None, max_examples=25)
@given(st.lists(EXTRAS, min_size=1, max_size=12), st.integers(-5, 65), st.integers(-5, 65), st.integers(1, 400))
def test_a_period_gives_the_findings_of_the_events_in_it(
    extras: list[dict[str, Any]], low: int, high: int, size: int
) -> None:
    rules = ruleset(*WORDS)
    first = datetime(2026, 3, 1, tzinfo=UTC)
    start, end = (first + timedelta(hours=hours) for hours in (low, high))
    inside = [one for one in extras if "@timestamp" in one and start <= datetime.fromisoformat(one["@timestamp"]) < end]
    with TemporaryDirectory() as folder, writing(Path(folder) / ".kyber", "me") as store:
        store_all(store, read(log(Path(folder), "all", extras), size))
        period = Period(*(round(one.timestamp() * 1_000_000) for one in (start, end)))
        found = of_store(store, rules, period=period).findings
        expected = of_files(rules, log(Path(folder), "inside", inside)).findings
    assert list(map(apart_from_place, found)) == list(map(apart_from_place, expected))


def apart_from_place(finding: Finding) -> Finding:
    """A finding without where its sample was read, which two files cannot share."""
    return replace(finding, evidence=(), sample=replace(finding.sample, event_id="", file="", record=0, fields={}))


def test_segments_that_are_merged_and_removed_meanwhile_are_read_to_the_end(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parquet, "FEW", 2)
    store_all(store, read(log(tmp_path, "more.log", [{"more": 1}, *EVENTS])))
    rules = ruleset(looking_for("needle"))
    expected = told(of_store(store, rules))

    def meanwhile(progress: Progress) -> None:
        assert store.compact() or progress.done

    assert told(scan_stored(store, rules, NOW, ZONE, progress=meanwhile)) == expected
    assert told(of_store(store, rules)) == expected


# --- what is remembered of keywords -----------------------------------------------------------------------------------


def answers(store: WritableStore) -> int:
    """How many answers are kept."""
    ((count,),) = store.index.run("select count(*) from answers")
    return int(count)


def forge(store: WritableStore) -> None:
    """Have it remembered that nothing was found anywhere."""
    with store.index.transaction():
        store.index.run("update answers set answer = ?", (b"[]",))


def test_answers_about_keywords_are_remembered_until_the_rules_ask_for_others(
    store: WritableStore, files: list[Path]
) -> None:
    rules = ruleset(looking_for("needle"), looking_for("hay"))
    expected = told(of_store(store, rules))
    assert answers(store) == len(store.chosen())
    forge(store)
    assert of_store(store, rules).findings == ()  # so they are believed
    for changed in (ruleset(looking_for("needle"), looking_for("nothing")), ruleset(looking_for("needle"))):
        assert told(of_store(store, changed)) == told(of_files(changed, *files))
        assert answers(store) == len(store.chosen())
    assert told(of_store(store, rules)) == expected == told(of_files(rules, *files))


def test_answers_do_not_depend_on_the_order_or_the_names_of_the_rules(store: WritableStore, files: list[Path]) -> None:
    one, two = looking_for("needle", level="high"), looking_for("hay", level="low")
    of_store(store, ruleset(one, two))
    before = answers(store)
    for rules in (ruleset(two, one), ruleset({**one, "title": "another"}, two, looking_for("needle", "hay"))):
        assert told(of_store(store, rules)) == told(of_files(rules, *files))
    assert answers(store) == before


def test_answers_are_given_anew_after_compaction(
    store: WritableStore, files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = log(tmp_path, "more.log", [{"more": 1}, *EVENTS])
    store_all(store, read(more))
    rules = ruleset(looking_for("needle"))
    expected = told(of_store(store, rules))
    forge(store)
    monkeypatch.setattr(parquet, "FEW", 2)
    assert store.compact() == 4
    assert told(of_store(store, rules)) == expected == told(of_files(rules, *files, more))


def test_answers_are_of_the_rows_that_the_rules_of_one_logsource_see(tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    said = [("sshd", "failed"), ("sudo", "fine"), ("sudo", "failed"), ("cron", "failed"), ("sshd", "failed")]
    file.write_text(
        "".join(f"2026-03-02T10:00:0{at}Z host {name}[1]: {text}\n" for at, (name, text) in enumerate(said))
    )
    services = ("sshd", "sudo", None, "cron", "postfix")
    rules = ruleset(
        *(
            looking_for("failed", logsource={"product": "linux", **({"service": one} if one else {})})
            for one in services
        )
    )
    expected = of_files(rules, file, form="syslog")
    assert sorted((int(one.rule.id[:8]), one.count) for one in expected.findings) == [(0, 2), (1, 1), (2, 4), (3, 1)]
    with writing(tmp_path / ".kyber", "me") as store:
        store_all(store, read(file, form="syslog"))
        for _ in range(2):
            assert told(of_store(store, rules)) == told(expected)
        assert 4 <= answers(store) <= 5


def test_a_rule_whose_pattern_takes_too_long_is_blind_whenever_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicate, "REGEX_SECONDS", 0.01)
    slow = "(a|aa|aaa)+b(?=c)"
    events = [{"@timestamp": f"2026-03-0{day}T10:00:00Z", "text": "a" * 60 + str(day)} for day in (2, 3, 4)]
    rules = ruleset({"detection": {"words": {"|re": slow}, "condition": "words"}}, looking_for("needle"))
    with writing(tmp_path / ".kyber", "me") as store:
        store_all(store, read(log(tmp_path, "slow.log", [*events, {"text": "needle"}])))
        for days in (None, ["2026-03-04"], ["2026-03-03"], ["2026-03-02"], ["2026-03-03"], None):
            result = of_store(store, rules, days=days)
            assert [(one.reason, one.facts) for one in result.blind] == [("regex-time", {"pattern": f"/{slow}/"})], days


# --- what is known of hosts and networks ------------------------------------------------------------------------------

TABLES: Final = """\
assets:
  - {host: dc1, owner: it-operations, criticality: critical}
networks:
  - {cidr: 10.0.0.0/8, name: County, zone: inside}
  - {cidr: 10.1.0.0/16, name: Hospital}
"""


@pytest.fixture
def known(tmp_path: Path) -> Enrichment:
    (tmp_path / "enrichment").mkdir()
    (tmp_path / "enrichment" / "tables.yaml").write_text(TABLES, encoding="utf-8")
    found, problems = enrich.load(tmp_path)
    assert problems == ()
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"source.network.name": "hospital"}, [3]),
        ({"source.network.name": ["hospital", "county"]}, [3, 5]),
        ({"source.network.name|exists": False}, [1, 2, 4, 6, 7]),
        ({"source.network.zone": "inside"}, [5]),
        ({"host.criticality": "critical"}, [1]),
        ({"host.owner|startswith": "it-"}, [1]),
        ({"user.department": "x"}, []),
    ],
)
def test_rules_may_ask_what_is_known_of_hosts_and_networks(
    asked: dict[str, Any], expected: list[int], store: WritableStore, files: list[Path], known: Enrichment
) -> None:
    rules = ruleset(
        *({"detection": {"known": asked, "this": {"n": n}, "condition": "known and this"}} for n in range(1, 8))
    )
    result = of_store(store, rules, known=known)
    assert sorted(int(one.rule.id[:8]) + 1 for one in result.findings) == expected
    assert told(result) == told(of_files(rules, *files, known=known))
    assert {one.reason for one in of_store(store, rules).blind} <= {"no-field"}


def test_a_rule_about_what_nothing_is_known_of_is_blind(store: WritableStore, known: Enrichment) -> None:
    rules = ruleset({"detection": {"known": {"source.network.name": "Hospital"}, "condition": "known"}})
    assert [one.reason for one in of_store(store, rules).blind] == ["no-field"]
    assert of_store(store, rules, known=known).blind == ()


def test_findings_say_what_is_known_of_their_host_and_addresses(
    store: WritableStore, files: list[Path], known: Enrichment
) -> None:
    rules = ruleset(looking_for("needle"))
    result = of_store(store, rules, known=known)
    assert told(result) == told(of_files(rules, *files, known=known))
    assert [dict(one.facts) for one in result.findings if one.facts] == [
        {"host.owner": "it-operations", "host.criticality": "critical"},
        {"source.network.name": "Hospital"},
    ]
    assert all(one.facts == {} for one in of_store(store, rules).findings)
