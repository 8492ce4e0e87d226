"""`kyber rules test`: which rules are tested, what is shown, how it ends, and what --watch does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from kyber.cli.rules_test import changes, state_of
from kyber.privacy import MASK
from tests.cli.run import kyber

CODE: Final = "010190-901R"
"""A personal identity code that nobody has."""
RULE: Final = """\
title: A door was opened
id: 11111111-1111-4111-8111-111111111111
name: door
level: high
logsource: {product: linux}
detection:
  said: {message|contains: door opened, host.name: www1}
  condition: said
"""
TEST: Final = """\
  - name: {name}
    origin: {origin}
    source: invented
    input: {{format: syslog}}
    lines: ['2026-03-02T10:14:07+02:00 {host} app[1]: {said}']
    expect: {expect}
"""
GOOD: Final = (
    ("opened", "real", "www1", "door opened", "match"),
    ("shut", "documented", "www1", "door shut", "miss"),
    ("elsewhere", "constructed", "www2", "door opened", "miss"),
)
BAD: Final = (f"opened for {CODE}", "constructed", "www2", f"door opened for {CODE}", "match")


def written(*cases: tuple[str, str, str, str, str]) -> str:
    names = ("name", "origin", "host", "said", "expect")
    return "tests:\n" + "".join(TEST.format(**dict(zip(names, case, strict=True))) for case in cases)


def lines(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kyber("rules", "test", *arguments, "--json").stdout.splitlines()]


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of rules outside any workspace, to stand above."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "door.yml").write_text(RULE, encoding="utf-8")
    (folder / "door.tests.yaml").write_text(written(*GOOD), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Path("own")


@pytest.mark.parametrize("named", ["own", "own/door.yml", "own/door.tests.yaml"])
def test_a_folder_a_rule_or_its_tests_may_be_named(rules: Path, named: str) -> None:
    result = kyber("rules", "test", named)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "rule    hits  misses  result",
        "door       1       2  ok",
        "",
        "1 rule, 3 tests: all as expected.",
        "Samples: real 1 (33 %), documented 1 (33 %), constructed 1 (33 %).",
    ]


def test_a_failed_test_says_where_what_was_expected_and_why_not_without_identity_codes(rules: Path) -> None:
    (rules / "door.tests.yaml").write_text(written(*GOOD, BAD), encoding="utf-8")
    result = kyber("rules", "test", rules)
    assert result.exit_code == 1
    assert CODE not in result.output
    said = f"The test 'opened for {MASK}' failed: match was expected, and the rule matched this many events: 0."
    assert result.stdout.splitlines() == [
        "rule    hits  misses  result",
        "door       2       2  1 failed",
        "",
        f"own/door.tests.yaml:20: error R96 {said}",
        "    Mend the rule; or the test, where the rule is right.",
        "    record 1 is not matched by door:",
        "      [-] said: host.name <- www1  host.name = www2  (differs)",
        "",
        "1 rule, 4 tests: 1 failed.",
        "Samples: real 1 (25 %), documented 1 (25 %), constructed 2 (50 %).",
    ]


def test_json_holds_every_rule_its_tests_the_problems_and_the_sums(rules: Path) -> None:
    (rules / "door.tests.yaml").write_text(written(*GOOD, BAD), encoding="utf-8")
    rule, problem, summary = lines(rules)
    assert (rule["rule"]["name"], rule["file"], rule["hits"], rule["misses"], rule["failed"]) == (
        "door",
        "own/door.tests.yaml",
        2,
        2,
        1,
    )
    assert [(one["name"], one["expect"], one["passed"], one["events"]) for one in rule["tests"][:2]] == [
        ("opened", "match", True, 1),
        ("shut", "miss", True, 0),
    ]
    (refusal,) = rule["tests"][3]["refusals"]
    assert [(one["field"], one["value"], one["why"]) for one in refusal["lacking"]] == [
        ("host.name", "www2", "differs")
    ]
    assert (problem["problem"]["code"], problem["problem"]["line"]) == ("R96", 20)
    shares = {"real": 1, "documented": 1, "constructed": 2}
    assert summary == {"summary": {"rules": 1, "tests": 4, "failed": 1, "unread": 0, "origin": shares}}


def test_a_rule_without_enough_tests_is_said_and_fails_where_that_is_asked_for(rules: Path) -> None:
    for text, code in ((written(*GOOD[:2]), "R95"), ("", "R94")):
        (rules / "door.tests.yaml").write_text(text, encoding="utf-8") if text else (rules / "door.tests.yaml").unlink()
        assert kyber("rules", "test", rules).exit_code == 0
        result = kyber("rules", "test", rules, "--strict")
        assert result.exit_code == 1
        assert code in result.stdout


def test_a_broken_rule_a_broken_test_and_tests_of_nothing_end_with_1(rules: Path) -> None:
    (rules / "door.tests.yaml").write_text(written(*GOOD) + "  - nme: x\n", encoding="utf-8")
    (rules / "gate.tests.yml").write_text(written(*GOOD), encoding="utf-8")
    (rules / "broken.yml").write_text("title: Broken\nid: a\ndetection: {}\n", encoding="utf-8")
    found = [one["problem"] for one in lines(rules) if "problem" in one]
    assert [(one["file"], one["code"]) for one in found] == [
        ("own/broken.yml", "R03"),
        ("own/door.tests.yaml", "R92"),
        ("own/gate.tests.yml", "R93"),
    ]
    assert "Did you mean name?" in found[1]["cure"]
    assert kyber("rules", "test", rules).exit_code == 1


@pytest.mark.parametrize("named", ["own", "own/gate.tests.yaml"])
def test_a_pipe_named_as_a_file_of_tests_is_told_of_and_not_waited_for(rules: Path, named: str) -> None:
    os.mkfifo(rules / "gate.tests.yaml")
    result = kyber("rules", "test", named)
    assert result.exit_code == 1
    assert "own/gate.tests.yaml: error R90 The file of tests cannot be read: not a regular file." in result.stdout
    assert ("door       1       2  ok" in result.stdout) == (named == "own")


def test_files_that_cannot_be_read_are_counted_below_the_sums(rules: Path) -> None:
    assert "could not be read" not in kyber("rules", "test", rules).stdout
    (rules / "broken.yml").write_text("title: [broken\n", encoding="utf-8")
    result = kyber("rules", "test", rules)
    assert result.exit_code == 1
    assert "1 rule, 3 tests: all as expected.\n1 file could not be read or tested: see above.\n" in result.stdout
    assert lines(rules)[-1]["summary"]["unread"] == 1


def test_no_rule_ends_with_3_and_no_workspace_with_2(rules: Path) -> None:
    (rules.parent / "empty").mkdir()
    assert kyber("rules", "test", "empty").exit_code == 3
    assert kyber("rules", "test", "nowhere.yml").exit_code == 3
    assert kyber("rules", "test").exit_code == 2


def test_in_a_workspace_its_own_rules_are_tested_in_its_language_with_its_lists(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (county / "rules").iterdir():
        file.unlink()
    settings = (county / "kyber.yaml").read_text(encoding="utf-8").replace("language: en", "language: fi")
    (county / "kyber.yaml").write_text(settings, encoding="utf-8")
    listed = RULE.replace("message|contains: door opened", "message|contains|expand: 'door %how%'")
    (county / "rules" / "door.yml").write_text(listed, encoding="utf-8")
    (county / "rules" / "door.tests.yaml").write_text(written(*GOOD), encoding="utf-8")
    monkeypatch.chdir(county)
    result = kyber("rules", "test")
    assert result.exit_code == 1
    assert "placeholder: how" in result.stdout
    (county / "lists" / "how.yaml").write_text("how: [opened, forced]\n", encoding="utf-8")
    result = kyber("rules", "test")
    assert result.exit_code == 0
    assert "1 sääntö, 3 testiä: kaikki odotetusti." in result.stdout


def test_the_shipped_rules_are_tested_where_that_is_asked_for(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kyber.logs.sigma.shipped.shipped_rules", lambda: Path("base"))
    (rules.parent / "base").mkdir()
    for name in ("door.yml", "door.tests.yaml"):
        text = (rules / name).read_text(encoding="utf-8").replace("11111111-1111", "22222222-1111")
        (rules.parent / "base" / name).write_text(text.replace("name: door\n", "name: base_door\n"), encoding="utf-8")
    assert [one["rule"]["name"] for one in lines("--shipped") if "rule" in one] == ["base_door"]
    assert [one["rule"]["name"] for one in lines(rules, "--shipped") if "rule" in one] == ["door", "base_door"]
    assert [one["rule"]["name"] for one in lines(rules) if "rule" in one] == ["door"]


# --- watching ---------------------------------------------------------------------------------------------------------


def test_what_is_watched_is_told_at_once_and_at_each_change() -> None:
    states = iter([{"a": (1, 1)}, {"a": (1, 1)}, {"a": (2, 1)}, {}, {}, {"b": (1, 1)}])
    waited: list[None] = []

    def told() -> Iterator[object]:
        try:
            yield from changes(lambda: next(states), lambda: waited.append(None))
        except RuntimeError:  # there are no more states
            return

    assert list(told()) == [{"a": (1, 1)}, {"a": (2, 1)}, {}, {"b": (1, 1)}]
    assert len(waited) == 6


def test_a_change_of_a_rule_or_of_its_tests_is_seen(rules: Path) -> None:
    for given in (rules, rules / "door.yml"):
        seen = [state_of([str(given)], None)]
        (rules / "door.yml").write_text(RULE + "# changed\n", encoding="utf-8")
        seen.append(state_of([str(given)], None))
        (rules / "door.tests.yaml").write_text(written(*GOOD, BAD), encoding="utf-8")
        seen.append(state_of([str(given)], None))
        (rules / "new.yml").write_text(RULE, encoding="utf-8")
        seen.append(state_of([str(given)], None))
        assert all(before != after for before, after in pairwise(seen))
        (rules / "new.yml").unlink()
        (rules / "door.yml").write_text(RULE, encoding="utf-8")
        (rules / "door.tests.yaml").write_text(written(*GOOD), encoding="utf-8")


def test_watching_runs_again_when_a_file_changes_and_ctrl_c_ends_it(rules: Path) -> None:
    command = (sys.executable, "-c", "from kyber.cli import main; main()", "rules", "test", str(rules), "--watch")
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    ) as run:
        assert run.stdout is not None
        shown = iter(run.stdout.readline, "")
        assert "1 rule, 3 tests: all as expected.\n" in list(until(shown, "Waiting"))
        (rules / "door.tests.yaml").write_text(written(*GOOD, BAD), encoding="utf-8")
        assert "1 rule, 4 tests: 1 failed.\n" in list(until(shown, "Waiting"))
        run.send_signal(signal.SIGINT)
        rest = list(shown)
        assert "Traceback" not in "".join(rest)
    assert run.returncode == 0


def until(shown: Iterator[str], beginning: str) -> Iterator[str]:
    for line in shown:
        yield line
        if line.startswith(beginning):
            return
