"""Several processes: what they find together is what one finds alone."""

import gzip
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from kyber.finding import ScanResult
from kyber.logs import workers
from kyber.logs.inputs import inputs
from kyber.logs.parse import Batching, Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import RuleSet, read_rules

NOW = datetime(2026, 3, 9, tzinfo=UTC)
RULES = """
title: Bad command
id: 5f0b7ac8-6d3c-4e8c-8f0e-1d0f4d3a0001
logsource: {product: windows, category: process_creation}
detection: {sel: {CommandLine|contains: evil}, keywords: [mimikatz], condition: sel or keywords}
---
title: Logon failures
id: 5f0b7ac8-6d3c-4e8c-8f0e-1d0f4d3a0002
name: failure
logsource: {product: windows, service: security}
detection: {sel: {EventID: 4625}, condition: sel}
---
title: Guessing
id: 5f0b7ac8-6d3c-4e8c-8f0e-1d0f4d3a0003
correlation: {type: event_count, rules: [failure], group-by: [TargetUserName], timespan: 10m, condition: {gte: 5}}
---
title: Not the nightly job
id: 5f0b7ac8-6d3c-4e8c-8f0e-1d0f4d3a0004
logsource: {product: windows, category: process_creation}
filter: {rules: [5f0b7ac8-6d3c-4e8c-8f0e-1d0f4d3a0001], sel: {User: NIGHTLY}, condition: sel}
"""


@pytest.fixture
def ruleset(tmp_path: Path) -> RuleSet:
    file = tmp_path / "rules.yml"
    file.write_text(RULES, encoding="utf-8")
    found = read_rules([str(file)], {})
    assert (len(found.rules), len(found.correlations), len(found.filters), found.problems) == (2, 1, 1, ())
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BLOCK", 10_000), ("WORTH", 1), ("LARGE", 20_000)):
        monkeypatch.setattr(workers, name, value)


def events(count: int, start: int = 0) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(start, start + count):
        event: dict[str, Any] = {
            "EventID": 4625 if number % 7 == 0 else 1,
            "Channel": "Security" if number % 7 == 0 else "Microsoft-Windows-Sysmon/Operational",
            "Hostname": f"host{number % 5}",
            "@timestamp": f"2026-03-0{1 + number % 8}T{number // 60 % 24:02}:{number % 60:02}:00Z",
            "CommandLine": f"evil {number}" if number % 11 == 0 else f"good {number % 30}",
            "User": "NIGHTLY" if number % 3 == 0 else "ADA",
            "TargetUserName": f"user{number % 2}",
        }
        if number % 13 == 0:
            event |= {"Extra": {"inner": [1, {"a": "mimikatz"}]}, "tags": ["x", 1.5]}
        made.append(event)
    return made


def written(path: Path, records: Sequence[bytes]) -> Path:
    data = b"\n".join(records) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def scanned(paths: Sequence[Path], rules: RuleSet, count: int) -> ScanResult:
    found, problems = inputs([str(path) for path in paths], NOW)
    assert problems == []
    return replace(scan([Job(source="", inputs=found, zone=UTC)], rules, NOW, workers=count), seconds=0.0)


def sizes(records: Sequence[dict[str, Any]]) -> list[bytes]:
    return list(map(orjson.dumps, records))


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_blocks_of_one_file_give_what_the_file_gives(tmp_path: Path, ruleset: RuleSet, name: str) -> None:
    lines = sizes(events(6_000))
    lines[100:100] = [b"", b"not JSON", b'["an array"]', b'{"EventID": 4625, "Channel": "Security", "x": "\xff\xfe"}']
    lines[1_000:1_000] = [b'{"EventID": 1, "CommandLine": "evil ' + b"x" * 30_000 + b'"}']
    path = written(tmp_path / name, lines)
    alone = scanned([path], ruleset, 1)
    assert path.stat().st_size > workers.LARGE
    assert alone.findings
    assert alone.hidden[0].rules
    assert alone.problems
    for count in (2, 3):
        assert scanned([path], ruleset, count) == alone


@pytest.mark.parametrize("block", [512, 4_099, 10_000, 2**20])
@pytest.mark.parametrize(
    ("before", "after"), [(b"", b""), (b"\xef\xbb\xbf", b'{"EventID": 1, "CommandLine": "evil end"}')]
)
def test_workers_take_turns_in_reading_a_file(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch, block: int, before: bytes, after: bytes
) -> None:
    monkeypatch.setattr(workers, "BLOCK", block)
    path = written(tmp_path / "events.jsonl", sizes(events(700)))
    path.write_bytes(before + path.read_bytes() + after)
    alone = scanned([path], ruleset, 1)
    assert alone.inputs[0].events == 700 + bool(after)
    assert scanned([path], ruleset, 3) == alone


def test_what_was_read_in_turn_before_a_fault_of_the_disk_counts(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bad, pread = written(tmp_path / "events.jsonl", sizes(events(3_000))), 104_321, os.pread

    def faulty(file: int, size: int, offset: int) -> bytes:
        if offset == bad:
            raise OSError(5, "Input/output error")
        return pread(file, min(size, bad - offset) if offset < bad else size, offset)

    monkeypatch.setattr(os, "pread", faulty)
    result = scanned([path], ruleset, 2)
    monkeypatch.undo()
    (account,) = result.inputs
    head = path.read_bytes()[:bad]
    assert account.read == head.rfind(b"\n") + 1
    assert account.records == head.count(b"\n")
    assert [(one.code, one.facts) for one in result.problems if one.code == "F06"] == [
        ("F06", {"why": "[Errno 5] Input/output error"})
    ]
    path.write_bytes(head[: account.read])
    assert scanned([path], ruleset, 1).findings == result.findings


@pytest.mark.parametrize("instead", [b"", None])
def test_a_file_that_is_replaced_or_removed_before_its_first_turn_is_read_all_the_same(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch, instead: bytes | None
) -> None:
    path = written(tmp_path / "events.jsonl", sizes(events(3_000)))
    tell, alone = workers._tell, scanned([path], ruleset, 1)

    def late(worker: Any, task: Any) -> None:
        if task[0] == "share":
            path.unlink(missing_ok=True)
            if instead is not None:
                path.write_bytes(instead)
        tell(worker, task)

    monkeypatch.setattr(workers, "_tell", late)
    assert scanned([path], ruleset, 2) == alone


def test_a_log_and_its_copy_are_told_of_by_one_name_whoever_reads_them(tmp_path: Path, ruleset: RuleSet) -> None:
    paths = [written(tmp_path / name, sizes(events(3_000))) for name in ("b.jsonl", "a.jsonl")]
    alone = scanned(paths, ruleset, 1)
    assert {one.sample.file for one in alone.findings} == {str(paths[1])}
    for count in (2, 3):
        assert scanned(paths, ruleset, count) == alone


def test_of_a_file_that_was_read_nothing_is_held_while_the_next_is(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [written(tmp_path / f"{at}.jsonl", sizes(events(800, at * 800))) for at in range(4)]
    paths.append(written(tmp_path / "packed.jsonl.gz", sizes(events(9_000, 9_000))))
    work, told = workers._finished, tmp_path / "told"
    told.touch()

    def finished(batching: Any, matching: Any) -> Any:
        with told.open("a", encoding="utf-8") as file:
            file.write(f"{batching.origin.file if batching else ''}\n")
        return work(batching, matching)

    monkeypatch.setattr(workers, "_finished", finished)
    assert scanned(paths, ruleset, 2) == scanned(paths, ruleset, 1)
    finished_ = list(filter(None, told.read_text(encoding="utf-8").split("\n")))
    assert set(finished_) == set(map(str, paths))
    assert [one for index, one in enumerate(finished_) if one not in finished_[:index]] == sorted(
        set(finished_), key=lambda one: (-Path(one).stat().st_size, one)
    )


def test_a_line_longer_than_a_block_is_read_with_all_that_follows_it(tmp_path: Path, ruleset: RuleSet) -> None:
    lines = sizes(events(500))
    lines[60:60] = [orjson.dumps({"EventID": 1, "CommandLine": "evil " + "y" * 60_000, "User": "ADA"})]
    path = written(tmp_path / "events.jsonl", lines)
    assert scanned([path], ruleset, 2) == scanned([path], ruleset, 1)


def test_many_inputs_of_every_kind_give_what_they_give_one_by_one(tmp_path: Path, ruleset: RuleSet) -> None:
    paths = [written(tmp_path / f"{number}.jsonl", sizes(events(150, number * 150))) for number in range(4)]
    paths.append(written(tmp_path / "packed.jsonl.gz", sizes(events(2_000, 9_000))))
    paths.append(written(tmp_path / "text.log", [b"Mar  4 12:00:00 host sshd[1]: Failed password for x"] * 500))
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b'{"EventID": 4625}\n' * 5_000)[:-40])
    alone = scanned([*paths, tmp_path / "broken.gz"], ruleset, 1)
    assert any(one.code == "F06" for one in alone.problems)
    for count in (2, 3):
        assert scanned([*paths, tmp_path / "broken.gz"], ruleset, count) == alone


@pytest.mark.parametrize("left", [60, 4_000, 20_000])
def test_what_stands_before_a_break_in_a_large_input_is_read(tmp_path: Path, ruleset: RuleSet, left: int) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(sizes(events(20_000))) + b"\n")[:-left])
    alone = scanned([path], ruleset, 1)
    assert [one.code for one in alone.problems if one.code == "F06"] == ["F06"]
    assert path.stat().st_size > workers.LARGE
    for count in (2, 3):
        assert scanned([path], ruleset, count) == alone


def test_groups_beyond_those_that_are_told_apart_are_gathered(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kyber.logs import scan as scanning

    monkeypatch.setattr(scanning, "MAX_GROUPS", 3)
    path = written(tmp_path / "events.jsonl", sizes(events(3_000)))
    for count in (1, 2, 3):
        result = scanned([path], ruleset, count)
        (bad,) = {one.rule.id for one in result.findings if one.rule.title == "Bad command"}
        assert len([one for one in result.findings if one.rule.id == bad]) == 4
        assert [one.code for one in result.problems] == ["R19"]


@pytest.mark.parametrize(("name", "at"), [*(("events.jsonl.gz", at) for at in range(4)), ("events.jsonl", 0)])
def test_a_worker_that_dies_while_it_waits_is_missed(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    path = written(tmp_path / name, sizes(events(9_000)))
    alone, tell, told = scanned([path], ruleset, 1), workers._tell, []

    def deadly(worker: Any, task: Any) -> None:
        told.append(task)
        if len(told) == 1 + 7 * at:
            worker.process.kill()
            worker.process.join()
        tell(worker, task)

    monkeypatch.setattr(workers, "_tell", deadly)
    assert scanned([path], ruleset, 2) == alone


def test_utf_16_is_dealt_out_too(tmp_path: Path, ruleset: RuleSet) -> None:
    path = tmp_path / "events.jsonl"
    text = "".join(orjson.dumps(one).decode() + "\n" for one in events(900))
    path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
    assert scanned([path], ruleset, 2) == scanned([path], ruleset, 1)


def test_what_a_worker_that_died_had_to_do_is_done_again(
    tmp_path: Path, ruleset: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.jsonl", sizes(events(3_000)))
    alone, parent, died = scanned([path], ruleset, 1), os.getpid(), tmp_path / "died"
    take = Batching.take

    def deadly(batching: Batching, some: Any) -> Any:
        if os.getpid() != parent:
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return take(batching, some)

    monkeypatch.setattr(Batching, "take", deadly)
    assert scanned([path], ruleset, 2) == alone
    assert died.exists()


def test_little_is_read_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORTH", 1_000)
    small_one = written(tmp_path / "small.jsonl", [b'{"a": 1}'])
    found, _ = inputs([str(small_one)], NOW)
    assert workers.many([Job(source="", inputs=found, zone=UTC)], 8) == 1
    large = written(tmp_path / "large.jsonl", [b'{"a": 1}'] * 10_000)
    found, _ = inputs([str(large)], NOW)
    assert workers.many([Job(source="", inputs=found, zone=UTC)], 8) == 8
    found, _ = inputs(["-"], NOW)
    assert workers.many([Job(source="", inputs=found, zone=UTC)], 8) == 1
