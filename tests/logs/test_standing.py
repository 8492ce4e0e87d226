"""Where rules stand, held against what a scan of the same events says."""

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kyber.finding import Blind
from kyber.logs.batch import LogSource
from kyber.logs.correlating import awaited
from kyber.logs.scan import NOTHING_KNOWN, scan_stored
from kyber.logs.sigma.asking import Asking
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.source import LogSource as Source
from kyber.logs.source import load_sources
from kyber.logs.standing import Looked, State, having, looked, natures, recent, standings
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.supply import Supply, sources_of, supplies
from tests.cli.run import kyber

NOW = datetime(2026, 11, 4, 6, tzinfo=UTC)
WINDOWS = Supply("dc", ((LogSource("windows"), "windows"),))
OPEN = Supply("files", (), open=True)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has collected what its sources hold."""
    folder = tmp_path_factory.mktemp("standing") / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    assert kyber("logs", "collect", "--workspace", folder).exit_code == 0
    return folder


def every_rule(root: Path) -> RuleSet:
    return read_rules([str(root / "rules"), str(shipped_rules())], {})


def test_a_rule_is_blind_where_a_scan_of_the_same_events_says_so_and_runs_where_not(stored: Path) -> None:
    rules, sources = every_rule(stored), load_sources(stored)[0]
    asking = Asking(NOW, awaited(sources))
    with closing(ParquetStore(stored / ".kyber")) as store:
        days = recent(store, 1_000)
        result = scan_stored(store, rules, NOW, UTC, days=days, asking=asking)
        seen = looked(store, rules, NOTHING_KNOWN, days)
        found = standings(rules, supplies(sources, natures(store)), seen, asking, NOW)
    blind = {one.rule.id for one in result.blind}
    assert blind
    # A scan also knows which fields the events lack that a correlation was to group: only matching tells that.
    grouped = {one.rule.id for one in result.blind if one.rule.id in {of.ref.id for of in rules.correlations}}
    there = {id_ for id_, one in found.items() if one.state in (State.BLIND, State.UNABLE)}
    assert there <= blind
    assert blind - there <= {id_ for id_ in grouped if _reason(result.blind, id_) == "no-field"}
    fired = {one.rule.id for one in result.findings}
    assert fired
    assert all(found[id_].state is State.RUNS for id_ in fired)


def _reason(blind: Iterable[Blind], id_: str) -> str:
    return next(one.reason for one in blind if one.rule.id == id_)


def test_the_last_days_are_looked_at_and_no_others(stored: Path) -> None:
    with closing(ParquetStore(stored / ".kyber")) as store:
        every = recent(store, 1_000)
        assert len(every) > 1
        assert recent(store, 1) == every[-1:]
        whole, part = (looked(store, every_rule(stored), NOTHING_KNOWN, days) for days in (every, every[-1:]))
    assert part.events < whole.events
    assert {one.rule.id for one in whole.blind} <= {one.rule.id for one in part.blind}


def test_a_source_has_what_its_format_and_register_say(stored: Path) -> None:
    supply = supplies(load_sources(stored)[0], {})
    assert sources_of([LogSource("windows", service="security")], supply) == ("ad-domain-controllers",)
    assert sources_of([LogSource("linux", service="auditd")], supply) == ()
    assert set(sources_of([LogSource()], supply)) == {one.source for one in supply}


def test_a_source_whose_format_is_told_by_its_content_may_have_anything_of_its_product() -> None:
    auto = {"id": "x", "name": "X", "read": {"paths": ["logs/*"]}}
    (any_,) = supplies([Source.model_validate(auto)], {})
    (linux,) = supplies([Source.model_validate({**auto, "logsource": {"product": "linux"}})], {})
    (stored,) = supplies([Source.model_validate(auto)], {"x": {(LogSource("windows"), "windows")}})
    windows = LogSource("windows", service="security")
    assert any_.may_have(windows)
    assert not linux.may_have(windows)
    assert stored.may_have(windows)
    assert not stored.may_have(LogSource("linux"))


def test_a_source_has_what_it_is_declared_to_be_and_what_was_seen_of_it(stored: Path) -> None:
    sources, sshd, web = load_sources(stored)[0], LogSource("linux", service="sshd"), LogSource(category="webserver")
    supply = supplies(sources, {})
    assert having([LogSource("linux")], supply, None) == ("backup", "linux-jump-host", "mail-gateway")
    assert having([sshd], supply, None) == ()
    assert sources_of([sshd], supply) == sources_of([web], supply) == ("backup", "linux-jump-host", "mail-gateway")
    with closing(ParquetStore(stored / ".kyber")) as store:
        seen = looked(store, every_rule(stored), NOTHING_KNOWN, recent(store, 1_000))
    assert having([sshd], supply, seen) == ("linux-jump-host",)
    assert having([web], supply, seen) == ()


def test_a_source_that_is_retired_or_not_read_has_nothing() -> None:
    said = {"id": "x", "name": "X", "read": {"paths": ["logs/*"]}}
    assert supplies([Source.model_validate({**said, "status": "retired"})], {}) == ()
    (unread,) = supplies([Source.model_validate({"id": "x", "name": "X"})], {})
    assert not unread.may_have(LogSource())


RULES = """
title: Windows
id: 11111111-1111-4111-8111-111111111111
name: windows_rule
logsource: {product: windows, service: security}
detection: {selection: {EventID: 1}, condition: selection}
---
title: Linux
id: 22222222-2222-4222-8222-222222222222
name: linux_rule
logsource: {product: linux}
detection: {selection: {message: x}, condition: selection}
---
title: List
id: 33333333-3333-4333-8333-333333333333
logsource: {product: windows}
detection: {selection: {User|expand: '%nobody%'}, condition: selection}
---
title: Many
id: 44444444-4444-4444-8444-444444444444
correlation: {type: event_count, rules: [linux_rule], timespan: 1h, condition: {gte: 3}}
"""


@pytest.fixture
def few(tmp_path: Path) -> RuleSet:
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    return read_rules([str(tmp_path)], {})


def told(rules: RuleSet, supply: tuple[Supply, ...] | None, seen: Looked | None) -> dict[str, tuple[str, str]]:
    found = standings(rules, supply, seen, Asking(NOW), NOW)
    return {id_[0]: (str(one.state), one.reason) for id_, one in found.items()}


def test_without_anything_stored_only_what_has_no_source_is_known_to_be_blind(few: RuleSet) -> None:
    assert told(few, (WINDOWS,), None) == {
        "1": ("unknown", ""),
        "2": ("blind", "no-source"),
        "3": ("unable", "placeholder"),
        "4": ("blind", "rule-blind"),
    }
    assert told(few, (OPEN,), None)["2"] == ("unknown", "")


def test_a_correlation_names_the_rule_that_it_waits_for_in_the_language_of_the_reader(tmp_path: Path) -> None:
    text = RULES.replace("name: linux_rule\n", "name: linux_rule\nkyber: {title: {fi: Suomeksi}}\n")
    (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
    many = standings(read_rules([str(tmp_path)], {}), (WINDOWS,), None, Asking(NOW), NOW)[RULES.split("id: ")[4][:36]]
    assert many.facts == {"rule": "Linux"}
    assert [many.facts_in(language) for language in ("fi", "sv")] == [{"rule": "Suomeksi"}, {"rule": "Linux"}]


def test_without_a_register_nothing_is_known_but_what_can_never_run(few: RuleSet) -> None:
    assert told(few, None, None) == {
        "1": ("unknown", ""),
        "2": ("unknown", ""),
        "3": ("unable", "placeholder"),
        "4": ("unknown", ""),
    }
