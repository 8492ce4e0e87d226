"""The whole path: the same events give the same findings, however they come, and every record is accounted for."""

import gzip
import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kyber.finding import Evidence, Finding, ScanResult
from kyber.logs import parse as path
from kyber.logs.batch import LogSource
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Progress
from kyber.logs.records import FRAMINGS
from kyber.logs.sample import LONGEST
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.privacy import MASK
from kyber.problem import Severity
from kyber.render.findings import FORMS
from kyber.text import words_for

ROOT: Final = Path(__file__).parent.parent.parent
SAMPLES: Final = ROOT / "samples"
NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)
RULE: Final = "11111111-1111-4111-8111-111111111111"
RUNS: Final = f"""\
title: A program runs
id: {RULE}
logsource: {{product: made}}
level: high
detection:
  program: {{action|startswith: run}}
  not_mine: {{user.name: me}}
  condition: program and not not_mine
"""
MADE: Final = LogSource("made")


def rules(folder: Path, *texts: str) -> RuleSet:
    """The rules of these documents."""
    file = folder / "rules.yml"
    file.write_text("---\n".join(texts), encoding="utf-8")
    ruleset = read_rules([str(file)], {})
    assert not ruleset.problems
    return ruleset


def scanned(
    files: Sequence[Path], ruleset: RuleSet, *, zone: tzinfo = UTC, source: str = "", **options: Any
) -> ScanResult:
    """What a scan of files says; `options` are those of a Job."""
    found, problems = inputs([str(file) for file in files], NOW)
    assert not problems
    return scan([Job(source=source, inputs=found, zone=zone, **options)], ruleset, NOW)


def event(time: str | None, action: str = "run", **fields: str) -> dict[str, Any]:
    """One event; fields are `host`, `user` and `ip`, and what else it has."""
    named = {"host": "host", "user": "user", "ip": "source"}
    made: dict[str, Any] = {"@timestamp": time} if time else {}
    made |= {named[key]: {"ip" if key == "ip" else "name": value} for key, value in fields.items() if key in named}
    return made | {"action": action} | {key: value for key, value in fields.items() if key not in named}


def lines(folder: Path, name: str, events: Sequence[Mapping[str, Any]]) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return file


def found(folder: Path, events: Sequence[Mapping[str, Any]], **options: Any) -> tuple[Finding, ...]:
    """The findings of the one rule in these events."""
    given = lines(folder, "events.jsonl", events)
    return scanned([given], rules(folder, RUNS), format="json", logsource=MADE, **options).findings


@contextmanager
def chunks_of(size: int) -> Iterator[None]:
    """Everything is read in pieces of so many bytes."""
    small = {name: framing if name == "evtx" else partial(framing, size=size) for name, framing in FRAMINGS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "FRAMINGS", small)
        yield


@pytest.fixture(scope="module")
def shipped() -> RuleSet:
    return read_rules([str(shipped_rules())], {})


@pytest.fixture(scope="module")
def whole(shipped: RuleSet) -> ScanResult:
    """The shipped rules over the samples, read in one piece each."""
    return scanned([SAMPLES], shipped)


# --- the same events, the same findings -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [997, 8_192])
def test_many_small_batches_give_what_one_large_one_gives(size: int, whole: ScanResult, shipped: RuleSet) -> None:
    with chunks_of(size):
        small = scanned([SAMPLES], shipped)
    assert len(whole.findings) > 20
    assert small.findings == whole.findings
    assert small.inputs == whole.inputs
    assert small.blind == whole.blind
    assert small.problems == whole.problems


def test_the_order_of_the_files_makes_no_difference(whole: ScanResult, shipped: RuleSet) -> None:
    files = sorted(file for file in SAMPLES.rglob("*") if file.is_file())
    for seed in range(3):
        random.Random(seed).shuffle(files)
        assert scanned(files, shipped).findings == whole.findings


def apart_from_place(finding: Finding) -> Finding:
    """A finding without where its sample was read, which two files cannot share."""
    return replace(finding, sample=replace(finding.sample, event_id="", file="", record=0))


def test_events_split_over_two_files_give_what_they_give_in_one(tmp_path: Path, shipped: RuleSet) -> None:
    log = (SAMPLES / "linux" / "auth.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "one").write_bytes(b"".join(log))
    (tmp_path / "odd").write_bytes(b"".join(log[1::2]))
    (tmp_path / "even").write_bytes(b"".join(log[::2]))
    one = scanned([tmp_path / "one"], shipped)
    two = scanned([tmp_path / "odd", tmp_path / "even"], shipped)
    assert len(one.findings) > 2
    assert list(map(apart_from_place, two.findings)) == list(map(apart_from_place, one.findings))
    assert two.blind == one.blind


EVENTS = st.lists(
    st.builds(
        lambda at, action, fields: event(
            None if at is None else (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=at)).isoformat(),
            action,
            **fields,
        ),
        st.one_of(st.none(), st.integers(0, 60)),
        st.sampled_from(["run", "RUN x", "stop"]),
        st.fixed_dictionaries(
            {}, optional={name: st.sampled_from(["a", "b", "me", "-", ""]) for name in ("host", "user", "ip")}
        ),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, size=st.integers(1, 400), seed=st.randoms(use_true_random=False))
def test_findings_are_what_a_plain_count_of_the_events_says(
    events: list[dict[str, Any]], size: int, seed: random.Random, tmp_path: Path
) -> None:
    def key(one: dict[str, Any]) -> tuple[str, ...]:
        group = [one.get("host", {}).get("name"), one.get("user", {}).get("name"), one.get("source", {}).get("ip")]
        return (*("" if value in (None, "-") else value for value in group), one.get("@timestamp", "")[:10])

    hits = [
        one for one in events if one["action"].lower().startswith("run") and one.get("user", {}).get("name", "") != "me"
    ]
    expected = {}
    for names, group in groupby(sorted(hits, key=key), key):
        times = sorted(one.get("@timestamp", "") for one in group)
        expected[names] = (len(times), times[0], times[-1])
    seed.shuffle(events)
    with chunks_of(size):
        actual = found(tmp_path, events)
    assert {
        (
            *(one.group.get(name, "") for name in ("host.name", "user.name", "source.ip")),
            one.first.date().isoformat() if one.first else "",
        ): (one.count, one.first.isoformat() if one.first else "", one.last.isoformat() if one.last else "")
        for one in actual
    } == expected
    assert len({one.id for one in actual}) == len(actual)


@pytest.mark.parametrize("time", ["2026-03-02T10:00:00Z", None])
def test_of_very_many_first_events_the_sample_is_the_same_in_any_batches(time: str | None, tmp_path: Path) -> None:
    events = [event(time, f"run {number}") for number in range(3_000)]
    (one,) = found(tmp_path, events)
    assert (one.count, one.sample.record) == (3_000, 1)
    with chunks_of(5_000):
        assert found(tmp_path, events) == (one,)


# --- what a finding is ------------------------------------------------------------------------------------------------


def test_a_finding_is_one_rule_one_group_and_one_utc_day(tmp_path: Path) -> None:
    findings = found(
        tmp_path,
        [
            event("2026-03-02T23:59:59Z", user="a", host="h"),
            event("2026-03-03T00:00:00Z", user="a", host="h"),
            event("2026-03-03T01:30:00+02:00", user="a", host="h"),
            event("2026-03-02T12:00:00Z", user="b", host="h"),
            event("2026-03-02T12:00:00Z", user="a", host="h", ip="192.0.2.1"),
            event("2026-03-02T12:00:00Z", user="-", host=""),
            event("2026-03-02T12:00:00Z", user="me"),
        ],
    )
    noon, night = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert sorted((one.first, sorted(one.group.items()), one.count) for one in findings if one.first) == [
        (noon, [], 1),
        (noon, [("host.name", "h"), ("source.ip", "192.0.2.1"), ("user.name", "a")], 1),
        (noon, [("host.name", "h"), ("user.name", "b")], 1),
        (night, [("host.name", "h"), ("user.name", "a")], 2),
        (datetime(2026, 3, 3, tzinfo=UTC), [("host.name", "h"), ("user.name", "a")], 1),
    ]


def test_a_finding_counts_its_events_and_shows_the_earliest_wherever_it_stands(tmp_path: Path) -> None:
    times = ["2026-03-02T10:00:00Z", "2026-03-02T08:00:00.5Z", "2026-03-02T11:00:00Z", "2026-03-02T09:00:00Z"]
    (one,) = found(tmp_path, [event(time, f"run {time}", user="a") for time in times])
    assert one.count == 4
    assert one.first == datetime(2026, 3, 2, 8, 0, 0, 500_000, tzinfo=UTC)
    assert one.last == datetime(2026, 3, 2, 11, tzinfo=UTC)
    assert (one.sample.record, one.sample.time, one.sample.file) == (2, one.first, str(tmp_path / "events.jsonl"))
    assert one.evidence == (Evidence("program", "action", "action", "run 2026-03-02T08:00:00.5Z", "run*"),)


def test_an_event_without_a_time_has_a_finding_without_one(tmp_path: Path) -> None:
    dated, undated = found(tmp_path, [event(None, user="a"), event("2026-03-02T10:00:00Z", user="a")])
    assert (undated.count, undated.first, undated.last, undated.sample.time) == (1, None, None, None)
    assert (dated.count, dated.group) == (1, undated.group)


def test_the_id_of_a_finding_is_the_hash_of_rule_group_and_day(tmp_path: Path) -> None:
    (one,) = found(tmp_path, [event("2026-03-02T10:00:00Z", user="a", host="h", ip="192.0.2.1")])
    day = (datetime(2026, 3, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    hashed = f'["{RULE}",[["host.name","h"],["source.ip","192.0.2.1"],["user.name","a"]],{day}]'
    assert one.id == sha256(hashed.encode()).hexdigest()[:32]


def test_the_id_of_a_finding_does_not_change_with_its_events_or_where_they_are_read(tmp_path: Path) -> None:
    (one,) = found(tmp_path, [event("2026-03-02T10:00:00Z", user="a")])
    more = [event("2026-03-02T09:00:00Z", user="a", more="x"), event("2026-03-02T10:00:00Z", user="a")]
    (two,) = found(tmp_path, more, source="elsewhere")
    assert (one.id, one.count, two.count) == (two.id, 1, 2)


def test_the_id_of_an_event_is_the_hash_of_source_fingerprint_offset_and_record(tmp_path: Path) -> None:
    events = [event("2026-03-02T10:00:00Z", "stop"), event("2026-03-02T10:00:00Z", user="a")]
    (one,) = found(tmp_path, events, source="ad")
    content = (tmp_path / "events.jsonl").read_bytes()
    first, second = content.splitlines()
    fingerprint = sha256(content[:256]).digest()
    record = b"ad\x00" + fingerprint + b"\x00" + str(len(first) + 1).encode() + b"\x00" + second
    assert one.sample.event_id == sha256(record).hexdigest()[:32]


def test_the_id_of_an_event_does_not_depend_on_path_compression_or_what_is_written_later(tmp_path: Path) -> None:
    log = SAMPLES / "linux" / "auth.log"
    ruleset = read_rules([str(shipped_rules() / "security")], {})
    ids = [one.sample.event_id for one in scanned([log], ruleset).findings]
    moved = shutil.copy(log, tmp_path / "moved")
    grown = tmp_path / "grown"
    grown.write_bytes(log.read_bytes() + b"2026-03-08T23:00:00+02:00 www1 sshd[1]: Connection closed\n")
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert len(ids) > 1
    for file in (moved, grown, packed):
        assert [one.sample.event_id for one in scanned([file], ruleset).findings] == ids
    assert [one.sample.event_id for one in scanned([log], ruleset, source="x").findings] != ids


def test_evidence_names_selection_field_column_value_and_pattern(whole: ScanResult) -> None:
    dumped = next(one for one in whole.findings if one.rule.name == "windows_lsass_memory_read")
    (target, *_) = dumped.evidence
    assert target == Evidence(
        part="opened",
        field="TargetImage",
        column="winlog.event_data.TargetImage",
        value=r"C:\Windows\system32\lsass.exe",
        pattern=r"*\lsass.exe",
    )


def test_findings_come_most_serious_first_and_then_by_time(whole: ScanResult) -> None:
    keys = [(-one.level, one.first) for one in whole.findings if one.first]
    assert len(keys) == len(whole.findings)
    assert keys == sorted(keys)


def test_a_long_value_is_cut_and_never_through_an_identity_code(tmp_path: Path) -> None:
    code = identity_code("901")
    for before in range(LONGEST - 16, LONGEST + 2):
        action = "run" + "." * (before - 4) + " " + code + " after"
        (one,) = found(tmp_path, [event("2026-03-02T10:00:00Z", action)])
        (value,) = [evidence.value for evidence in one.evidence]
        assert len(value) <= LONGEST
        assert value.endswith("…")
        assert (code in value) or "010190" not in value


# --- personal identity codes ------------------------------------------------------------------------------------------


def identity_code(individual: str) -> str:
    """A Finnish personal identity code that nobody has (individual numbers from 900 on are for tests)."""
    return f"010190-{individual}" + "0123456789ABCDEFHJKLMNPRSTUVWXY"[int("010190" + individual) % 31]


@pytest.mark.parametrize("form", FORMS)
def test_identity_codes_are_masked_in_every_form_unless_they_are_asked_for(form: str, tmp_path: Path) -> None:
    user, host, action, name = map(identity_code, ("901", "902", "903", "904"))
    given = lines(
        tmp_path, f"{name}.jsonl", [event("2026-03-02T10:00:00Z", f"run hetu={action}", user=user, host=host)]
    )
    result = scanned([given], rules(tmp_path, RUNS), format="json", logsource=MADE)
    assert result.findings[0].group == {"host.name": host, "user.name": user}
    masked = FORMS[form](result, words_for("fi"), False)
    assert MASK in masked
    assert "010190" not in masked
    revealed = FORMS[form](result, words_for("fi"), True)
    assert all(code in revealed for code in (user, host, action))


# --- the account of what was read -------------------------------------------------------------------------------------


def test_every_record_of_every_input_is_accounted_for(whole: ScanResult) -> None:
    assert len(whole.inputs) == sum(1 for file in SAMPLES.rglob("*") if file.is_file())
    for one in whole.inputs:
        content = Path(one.file).read_bytes()
        content = gzip.decompress(content) if one.file.endswith(".gz") else content
        assert (one.size, one.read) == (Path(one.file).stat().st_size, len(content))
        assert one.records == len(content.splitlines())
        if one.format != "auditd":  # several of its records are one event
            assert one.records == one.events + sum(one.rejected.values()) + one.blank
        assert one.events > 0
        assert one.first is not None
        assert one.last is not None
        assert one.first <= one.last


def test_what_could_not_be_read_is_counted_by_its_reason_and_said(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    good = json.dumps(event("2026-03-02T10:00:00Z")).encode()
    file.write_bytes(b"\n".join([good, b"", b"[1]", b"{broken", good[:-1] + b', "x": "\xff"}', b"  "]) + b"\n")
    result = scanned([file], rules(tmp_path, RUNS), format="json", logsource=MADE)
    (account,) = result.inputs
    assert (account.records, account.events, account.blank, account.repaired) == (6, 2, 2, 1)
    assert account.rejected == {"F40": 1, "F41": 1}
    assert [(one.code, one.facts, one.severity) for one in result.problems] == [
        ("F40", {"count": 1}, Severity.WARNING),
        ("F41", {"count": 1}, Severity.WARNING),
    ]
    assert [one.count for one in result.findings] == [2]


def test_a_broken_file_among_good_ones_is_a_problem_and_the_others_are_read(
    tmp_path: Path, whole: ScanResult, shipped: RuleSet
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "logs")
    packed = gzip.compress((SAMPLES / "linux" / "auth.log").read_bytes())
    (tmp_path / "logs" / "a-cut.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "logs" / "b-nothing.gz").write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    (tmp_path / "logs" / "c-broken.evtx").write_bytes(b"ElfFile\x00" + b"\x00" * 100)
    (tmp_path / "logs" / "d-empty.log").write_bytes(b"")
    result = scanned([tmp_path / "logs"], shipped)
    errors = {Path(one.place.file).name: one.code for one in result.problems if one.severity is Severity.ERROR}
    assert errors == {"a-cut.gz": "F06", "b-nothing.gz": "F06", "c-broken.evtx": "F06"}
    assert {one.id for one in whole.findings} <= {one.id for one in result.findings}
    cut = next(one for one in result.inputs if one.file.endswith("a-cut.gz"))
    assert 0 < cut.records < len((SAMPLES / "linux" / "auth.log").read_bytes().splitlines())
    empty = next(one for one in result.inputs if one.file.endswith("d-empty.log"))
    assert (empty.records, empty.events, empty.first) == (0, 0, None)


def test_an_input_that_is_gone_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    gone = lines(tmp_path, "a.jsonl", [event("2026-03-02T10:00:00Z")])
    there = lines(tmp_path, "b.jsonl", [event("2026-03-02T10:00:00Z")])
    given, _ = inputs([str(gone), str(there)], NOW)
    gone.unlink()
    result = scan([Job(source="", inputs=given, zone=UTC, format="json", logsource=MADE)], rules(tmp_path, RUNS), NOW)
    assert [(one.place.file, one.code) for one in result.problems] == [(str(gone), "F02")]
    assert ([one.file for one in result.inputs], len(result.findings)) == ([str(there)], 1)


OLD: Final = "Mar  2 10:14:07 www1 sshd[4711]: Accepted password for root from 203.0.113.77 port 51514 ssh2\n"


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 10), ("Europe/Helsinki", 8), ("America/New_York", 15)])
def test_a_year_and_a_time_zone_that_had_to_be_assumed_are_noted(
    zone: str, hour: int, tmp_path: Path, shipped: RuleSet
) -> None:
    (tmp_path / "auth.log").write_text(OLD * 3, encoding="utf-8")
    os.utime(tmp_path / "auth.log", (NOW.timestamp(), NOW.timestamp()))
    result = scanned([tmp_path / "auth.log"], shipped, zone=ZoneInfo(zone))
    assert [(one.code, one.facts, one.severity) for one in result.problems] == [
        ("F20", {"count": 3}, Severity.NOTE),
        ("F21", {"count": 3}, Severity.NOTE),
    ]
    assert {one.first for one in result.findings} == {datetime(2026, 3, 2, hour, 14, 7, tzinfo=UTC)}
    assert (result.timezone, result.inputs[0].notes) == (zone, {"F20": 3, "F21": 3})


def test_problems_of_rules_come_with_those_of_logs(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    many = "correlation: {type: event_count, rules: [nowhere], timespan: 1h, condition: {gte: 2}}"
    file.write_text(RUNS + f"---\ntitle: broken\n---\ntitle: many\nid: m\n{many}\n", encoding="utf-8")
    ruleset = read_rules([str(file)], {})
    given = lines(tmp_path, "x.jsonl", [event("2026-03-02T10:00:00Z")])
    result = scanned([given], ruleset, format="json", logsource=MADE)
    assert [one.code for one in result.problems] == ["R02", "R22"]
    assert [(one.rule.title, one.reason) for one in result.blind] == [("many", "no-rule")]
    assert (result.rules, len(result.findings), result.started) == (1, 1, NOW)


# --- which rules see which events -------------------------------------------------------------------------------------


def test_rules_of_another_product_see_nothing_and_are_blind(tmp_path: Path) -> None:
    given = lines(tmp_path, "x.jsonl", [event("2026-03-02T10:00:00Z")])
    result = scanned([given], rules(tmp_path, RUNS), format="json", logsource=LogSource("other"))
    assert result.findings == ()
    assert [(one.reason, one.facts) for one in result.blind] == [("no-events", {"logsource": "product:made"})]


ANY_PROGRAM: Final = """\
title: '{logsource}'
id: '{logsource}'
logsource: {{{logsource}}}
detection: {{sel: {{message|contains: root}}, condition: sel}}
"""


@pytest.mark.parametrize(
    ("said", "ran"),
    [
        (None, {"product: linux", "product: linux, service: sshd", "service: sshd"}),
        (LogSource(service="sshd"), {"product: linux", "product: linux, service: sshd", "service: sshd"}),
        (
            LogSource(service="vpn"),
            {"product: linux", "product: linux, service: sshd", "product: linux, service: vpn", "service: sshd"},
        ),
        (LogSource("windows"), {"product: windows", "service: sshd"}),
        (LogSource("linux", "made"), {"product: linux", "product: linux, service: sshd", "service: sshd"}),
    ],
)
def test_what_is_said_of_an_input_counts_and_its_format_tells_the_rest(
    said: LogSource | None, ran: set[str], tmp_path: Path
) -> None:
    names = ["product: linux", "product: linux, service: sshd", "product: linux, service: vpn", "product: windows"]
    names += ["service: sshd"]
    ruleset = rules(tmp_path, *(ANY_PROGRAM.format(logsource=name) for name in names))
    (tmp_path / "auth.log").write_text(OLD, encoding="utf-8")
    result = scanned([tmp_path / "auth.log"], ruleset, logsource=said)
    assert {one.rule.title for one in result.findings} == ran


def test_a_service_is_looked_for_in_the_events_themselves(tmp_path: Path) -> None:
    names = ["product: linux, service: sshd", "product: linux, service: sudo", "product: linux, service: nothing"]
    ruleset = rules(tmp_path, *(ANY_PROGRAM.format(logsource=name) for name in names))
    sudo = "2026-03-02T10:00:00Z h sudo[1]: alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls\n"
    (tmp_path / "auth.log").write_text(OLD + sudo, encoding="utf-8")
    result = scanned([tmp_path / "auth.log"], ruleset)
    assert {one.rule.title: one.count for one in result.findings} == {names[0]: 1, names[1]: 1}
    assert [(one.rule.title, one.reason) for one in result.blind] == [(names[2], "no-events")]


# --- how far it is ----------------------------------------------------------------------------------------------------


def test_progress_only_grows_and_ends_at_the_whole(shipped: RuleSet) -> None:
    given, _ = inputs([str(SAMPLES)], NOW)
    seen: list[Progress] = []
    with chunks_of(8_192):
        result = scan([Job(source="", inputs=given, zone=UTC)], shipped, NOW, seen.append)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert [one.events for one in seen] == sorted(one.events for one in seen)
    assert {one.total for one in seen} == {sum(one.size for one in given)}
    assert (seen[-1].done, seen[-1].events) == (seen[-1].total, sum(one.events for one in result.inputs))


def test_a_scan_of_nothing_is_an_empty_result(shipped: RuleSet) -> None:
    result = scan([], shipped, NOW)
    assert (result.findings, result.inputs, result.problems) == ((), (), ())
    assert (len(result.blind), result.rules, result.fired) == (len(shipped.rules) + len(shipped.correlations), 0, 0)
