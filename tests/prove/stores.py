"""What is too large for CI of the proof that both stores give the same findings."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kyber.finding import ScanResult
from kyber.logs.scan import scan_stored
from kyber.logs.sigma.asking import Asking
from kyber.logs.sigma.rule import read_rules
from kyber.logs.store import Store
from tests.data import outside
from tests.elastic.server import VERSION, Missing, Server, installed
from tests.elastic.stores import both, job
from tests.prove.page import Proof

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
HELSINKI = ZoneInfo("Europe/Helsinki")
WINDOWS = "windows-events.jsonl.zst"
HOW = f"""\
Elasticsearch {VERSION}, the minimal distribution, on one node. Both scans are judged at {NOW:%Y-%m-%d %H:%M} UTC. The
corpus of correlations is held against both stores in `tests/elastic/test_same_findings.py`."""
SHOWN = 100
"""Characters of a difference."""


def stores() -> Proof:
    """The Linux logs and all Windows events in both stores, and all shipped rules over each."""
    logs = outside("linux"), outside(WINDOWS)
    rules = read_rules([str(ROOT / "rules")], {})

    def scanned(store: Store) -> ScanResult:
        return scan_stored(store, rules, NOW, HELSINKI, asking=Asking(NOW), remember=False)

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        try:
            server = Server(installed(folder), "proof", quick=False)
        except Missing as missing:
            pytest.skip(f"no Elasticsearch: {missing}")
        try:
            server.start()
            jobs = [job("linux", logs[0], zone=HELSINKI), job("windows", logs[1])]
            with both(folder / "state", server.url, "proof", jobs) as (own, there):
                results = scanned(own), scanned(there)
        finally:
            server.remove()
    here, away = results
    events = sum(one.events for one in here.inputs)
    wrong = [
        *(f"only from Parquet: {str(one)[:SHOWN]}" for one in here.findings if one not in away.findings),
        *(f"only from Elasticsearch: {str(one)[:SHOWN]}" for one in away.findings if one not in here.findings),
        *(f"blind only in Parquet: {one.rule.title}" for one in here.blind if one not in away.blind),
        *(f"blind only in Elasticsearch: {one.rule.title}" for one in away.blind if one not in here.blind),
    ]
    if _read(here) != _read(away):
        wrong.append("they read another number of events")
    return Proof(
        title="The same findings from both stores",
        claim=(
            "A scan of events that were shipped to Elasticsearch has the same findings, blind rules and numbers of "
            "events as a scan of the embedded store, with all shipped rules."
        ),
        counts={
            "events": events,
            "rules and correlations": len(rules.rules) + len(rules.correlations),
            "findings that were compared": len(here.findings),
            "events in these": sum(one.count for one in here.findings),
            "blind rules that were compared": len(here.blind),
        },
        wrong=wrong,
        parts=[HOW],
        data=(WINDOWS,),
    )


def _read(result: ScanResult) -> list[object]:
    return sorted((replace(one, size=0, read=0) for one in result.inputs), key=lambda one: one.file)
