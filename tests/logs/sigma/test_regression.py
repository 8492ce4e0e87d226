"""SigmaHQ's own regression cases: each rule hits what it was written for, as often as the row-by-row evaluator says."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, read_rules
from kyber.logs.stream import Stream
from tests.data import unpacked
from tests.logs.sigma.rowwise import rows_of

# `match_count` says less than the rule hits. The row-by-row evaluator agrees with the engine on each.
MORE_THAN_SAID: dict[str, tuple[int, int, str]] = {
    "8fbf3271-1ef6-4e94-8210-03c2317947f6": (
        1,
        3,
        "Cred Dump Tools Dropped Files: three of the six events create procdump.exe, procdump64.exe, procdump64a.exe",
    ),
}


def cases() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each case: the folder and what its info.yml says."""
    for info in sorted(unpacked("sigma-regression.tar.gz").rglob("info.yml")):
        yield info.parent, yaml.safe_load(info.read_text(encoding="utf-8"))


def rules_by_id() -> dict[str, Rule]:
    """SigmaHQ's rules by id."""
    ruleset = read_rules([str(unpacked("sigma-rules.tar.gz"))], {})
    return {rule.ref.id: rule for rule in ruleset.rules}


def read_batches(file: Path, logsource: LogSource | None = None, form: str | None = None) -> list[EventBatch]:
    """The batches of one file."""
    found, problems = inputs([str(file)], datetime.now(UTC))
    assert not problems
    stream = Stream(found[0])
    job = Job(source="", inputs=found, zone=UTC, format=form, logsource=logsource)
    try:
        return list(batches(stream, FORMATS[form] if form else detect(stream.sample), job, Tally()))
    finally:
        stream.close()


def test_every_case_hits_its_rule_as_often_as_its_author_says_or_as_the_row_by_row_evaluator_argues() -> None:
    rules = rules_by_id()
    seen = 0
    for folder, info in cases():
        test = (info.get("regression_tests_info") or [{}])[0]
        rule = rules[info["rule_metadata"][0]["id"]]
        document = yaml.load(Path(rule.ref.path).read_text(encoding="utf-8"), yaml.CSafeLoader)
        data = next(file for file in folder.iterdir() if file.suffix in (".evtx", ".raw"))
        made = read_batches(data) if data.suffix == ".evtx" else read_batches(data, rule.logsource, "text")
        matcher = Matcher(plan([rule]))
        engine = [[int(row) for match in matcher.matches(batch) for row in match.rows] for batch in made]
        rowwise = [rows for batch in made for _, rows in rows_of([(rule, document)], batch)]
        count = sum(map(len, engine))
        assert engine == rowwise, rule.ref.title
        assert count > 0, f"{rule.ref.title}: not hit by {data.name}"
        said = test.get("match_count")
        if said is not None and said != count:
            assert MORE_THAN_SAID.get(rule.ref.id, (0, 0, ""))[:2] == (said, count), (
                f'"{rule.ref.id}": ({said}, {count}, ""),  # {rule.ref.title}'
            )
        seen += 1
    assert seen == 101


@pytest.mark.parametrize("identity", sorted(MORE_THAN_SAID))
def test_every_difference_from_a_match_count_is_argued(identity: str) -> None:
    assert len(MORE_THAN_SAID[identity][2]) > 20
