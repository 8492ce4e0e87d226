"""Asks a log what one Sigma rule finds in it, over the whole path from a file to findings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kyber.finding import ScanResult
from kyber.logs.inputs import Input
from kyber.logs.scan import Job, scan
from kyber.logs.sigma.rule import read_rules

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def scanned(
    folder: Path,
    log: bytes,
    logsource: Mapping[str, str],
    detection: Sequence[str],
    columns: Mapping[str, str] | None = None,
) -> ScanResult:
    """What a rule with these lines as its only selection finds in a log, whose format is told from its content."""
    rule, file = folder / "rule.yml", folder / "log"
    rule.write_text(
        f"title: t\nid: 7f0b1a52-6f0c-4a0f-9a4e-3d1f0c7a5b11\nlogsource: {dict(logsource)}\ndetection:\n    part:\n"
        + "".join(f"        {line}\n" for line in detection)
        + "    condition: part\n",
        encoding="utf-8",
    )
    file.write_bytes(log)
    rules = read_rules([str(rule)], {})
    assert (len(rules.rules), rules.problems, rules.unable) == (1, (), ())
    job = Job(source="s", inputs=[Input(str(file), file, len(log), NOW)], zone=UTC, columns=columns or {})
    return scan([job], rules, NOW)


def records(
    folder: Path,
    log: bytes,
    logsource: Mapping[str, str],
    detection: Sequence[str],
    columns: Mapping[str, str] | None = None,
) -> list[int]:
    """The first record of each finding, sorted; each finding has one event."""
    result = scanned(folder, log, logsource, detection, columns)
    assert not result.blind
    assert {one.count for one in result.findings} <= {1}
    return sorted(one.sample.record for one in result.findings)
