"""A scan of what was shipped to Elasticsearch finds what a scan of the embedded store finds, and is blind alike."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
import zstandard

from kyber.finding import ScanResult
from kyber.logs.backtest import backtest_stored, chosen
from kyber.logs.batch import EventBatch
from kyber.logs.compare import compare
from kyber.logs.enrich import load
from kyber.logs.scan import scan_stored
from kyber.logs.sigma.asking import Asking, Awaited
from kyber.logs.sigma.occurrences import LIMIT
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.store import Period, Store, elastic
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.elastic import ElasticStore
from kyber.logs.store.memory import Place
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.store.templates import every_stream
from tests.data import outside
from tests.elastic.server import Server
from tests.elastic.shipping import all_pages
from tests.elastic.stores import both, connected, job, ready, ship, store
from tests.logs.sigma.correlating import ruleset_of
from tests.logs.sigma.test_correlations import CASES, Case, at, events_of, rules_of

ROOT: Final = Path(__file__).parents[2]
NOW: Final = datetime(2026, 11, 22, 18, tzinfo=UTC)
HELSINKI: Final = ZoneInfo("Europe/Helsinki")
DAY: Final = 86_400_000_000
SOME: Final = 1_000
"""Windows events of the shared data."""
TOGETHER: Final = 12
"""Rules that are scanned with at once, so that a query can be narrow."""


def told(result: ScanResult) -> tuple[object, ...]:
    """All that a scan says, but for how long it took and how many bytes there were."""
    inputs = sorted((replace(one, size=0, read=0) for one in result.inputs), key=lambda one: one.file)
    problems = sorted(map(str, result.problems))
    return result.findings, result.blind, result.rules, result.fired, result.hidden, result.near, inputs, problems


JUDGED: Final = Asking(NOW)


def of(found: Store, rules: RuleSet, asking: Asking = JUDGED, **more: Any) -> ScanResult:
    return scan_stored(found, rules, NOW, HELSINKI, asking=asking, remember=False, **more)


@pytest.fixture(scope="module")
def stores(
    elasticsearch: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """The Linux logs and some Windows events of the shared data."""
    folder = tmp_path_factory.mktemp("stores")
    windows = folder / "windows.jsonl"
    with outside("windows-events.jsonl.zst").open("rb") as packed, windows.open("wb") as file:
        lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed))
        file.writelines(islice(lines, SOME))
    jobs = [
        job("linux", outside("linux"), zone=HELSINKI),
        job("windows", windows),
    ]
    with both(folder / "state", elasticsearch.url, f"t{uuid4().hex[:12]}", jobs) as found:
        yield found


@pytest.fixture(scope="module")
def samples(
    elasticsearch: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """The samples, which are few."""
    folder = tmp_path_factory.mktemp("samples")
    jobs = [
        job("samples", ROOT / "samples" / "linux", zone=HELSINKI),
        job("samples-windows", ROOT / "samples" / "windows"),
    ]
    with both(folder / "state", elasticsearch.url, f"t{uuid4().hex[:12]}", jobs) as found:
        yield found


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return read_rules([str(ROOT / "rules")], {})


def ids_of(rules: RuleSet) -> list[str]:
    return [*(one.ref.id for one in rules.rules), *(one.ref.id for one in rules.correlations)]


def test_all_shipped_rules_find_the_same_in_both_stores(
    stores: tuple[ParquetStore, ElasticStore], rules: RuleSet
) -> None:
    own, there = stores
    expected = of(own, rules)
    assert len(expected.findings) > 100
    assert told(of(there, rules)) == told(expected)


def test_rules_that_are_asked_for_narrowly_find_the_same_and_are_blind_alike(
    samples: tuple[ParquetStore, ElasticStore], rules: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = samples
    monkeypatch.setattr(elastic, "EFFORT", 0)
    monkeypatch.setattr(elastic, "REQUEST", 0)
    read, narrowed = Counter[str](), ElasticStore._narrowed

    def noted(store: ElasticStore, place: Place, *asked: Any) -> Iterator[EventBatch]:
        read[place[0]] += 1
        return narrowed(store, place, *asked)

    monkeypatch.setattr(ElasticStore, "_narrowed", noted)
    ids, rows = ids_of(rules)[::12], Counter[str]()
    for part in own.parts():
        rows[part.day] += part.rows
    days = [day for day, _ in rows.most_common(2)]
    for start in range(0, len(ids), TOGETHER):
        some = chosen(rules, ids[start : start + TOGETHER])
        assert told(of(there, some, days=days)) == told(of(own, some, days=days)), ids[start : start + TOGETHER]
    assert min(read.values()) > 1
    assert len(read) == 2


@pytest.mark.parametrize("which", ["near", "days", "period"])
def test_near_misses_days_and_periods_make_no_difference(
    stores: tuple[ParquetStore, ElasticStore], rules: RuleSet, which: str
) -> None:
    own, there = stores
    days = sorted({part.day for part in own.parts()})
    last = max(part.last or 0 for part in own.parts() if part.day != "undated") // DAY * DAY
    some = chosen(rules, ids_of(rules)[:40])
    choices: dict[str, dict[str, Any]] = {
        "near": {"near": True},
        "days": {"days": [*days[:2], *days[-2:]]},
        "period": {"period": Period(last - 3 * DAY, last)},
    }
    assert told(of(there, some, **choices[which])) == told(of(own, some, **choices[which]))


def test_a_rule_about_what_only_the_tables_of_the_workspace_know_finds_the_same(
    stores: tuple[ParquetStore, ElasticStore], tmp_path: Path
) -> None:
    own, there = stores
    (tmp_path / "enrichment").mkdir()
    (tmp_path / "enrichment" / "a.yaml").write_text("assets: [{host: combo, criticality: high}]\n")
    known, problems = load(tmp_path, ())
    assert not problems
    seldom = {"message|contains": "authentication failure", "host.criticality": "high"}
    rules = ruleset_of(
        *(
            {"title": name, "id": name, "logsource": {"product": "linux"}, "detection": {"a": asked, "condition": "a"}}
            for name, asked in (("seldom", seldom), ("never", {"message": "no such thing", "host.service": "x"}))
        )
    )
    expected = of(own, rules, known=known)
    assert len(expected.findings) > 0
    assert [one.rule.id for one in expected.blind] == ["never"]
    assert told(of(there, rules, known=known)) == told(expected)


def test_a_backtest_counts_the_same(samples: tuple[ParquetStore, ElasticStore], rules: RuleSet) -> None:
    own, there = samples
    ids = ids_of(rules)[-40:]
    expected, found = (backtest_stored(one, rules, ids, NOW, HELSINKI) for one in (own, there))
    assert any(one.findings for one in expected.backtests)
    assert found == expected


def test_the_comparison_says_that_both_are_the_same(samples: tuple[ParquetStore, ElasticStore], rules: RuleSet) -> None:
    own, there = samples
    found = compare(own, there, rules, NOW, HELSINKI, asking=Asking(NOW))
    assert found.same
    assert found.events.alike == sum(part.rows for part in own.parts())
    assert found.alike == len(found.here.findings)


OF_STORES: Final = ("as_of", "awaited", "limit")
"""What cases have whose answers come from a store."""

# --- the correlation corpus ------------------------------------------------------------------------------------------


def asking_of(case: Case) -> Asking:
    return Asking(
        at(case["as_of"]) if "as_of" in case else None,
        tuple(
            Awaited(
                one["source"],
                tuple(one.get("hosts", ())),
                one.get("product"),
                one["every"] * 1_000_000 if "every" in one else None,
                one.get("category"),
            )
            for one in case.get("awaited", ())
        ),
        case.get("limit", LIMIT),
    )


STORED: Final = [case for number, case in enumerate(CASES) if not number % 4 or not case.keys().isdisjoint(OF_STORES)]
"""Whence its events come is nothing to a correlation, but who was silent is asked of the store."""


def test_correlations_of_the_corpus_find_the_same(elasticsearch: Server, namespace: str, tmp_path: Path) -> None:
    with connected(elasticsearch.url) as cluster:
        ready(cluster, namespace)
        for number, case in enumerate(STORED):
            folder = tmp_path / str(number)
            folder.mkdir()
            log = folder / "log.json"
            log.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in events_of(case)))
            store(folder / "state", [job("made", log, form="json", product="test")], datetime(2027, 6, 1, tzinfo=UTC))
            ship(folder / "state", cluster, namespace)
            with closing(ParquetStore(folder / "state")) as own:
                _same(own, ElasticStore(cluster, namespace), rules_of(case, folder), asking_of(case), case["case"])
            _empty(cluster, namespace)


def _same(own: Store, there: Store, rules: RuleSet, asking: Asking, case: str) -> None:
    days: Sequence[str] = sorted({part.day for part in own.parts()})
    for some in (None, days[:1]) if len(days) > 1 else (None,):
        assert told(of(there, rules, asking=asking, days=some)) == told(of(own, rules, asking=asking, days=some)), case


def _empty(cluster: Cluster, namespace: str) -> None:
    pages = all_pages(cluster, every_stream(namespace), source=False, size=1_000)
    for places in [[(hit["_index"], hit["_id"]) for hit in page] for page in pages]:
        assert {one.status for one in cluster.delete(places)} == {200}
    cluster.refresh(every_stream(namespace))
