"""`kyber rules explain`: which rule and which event are meant, what is shown, and how it ends."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from kyber.cli import app
from kyber.privacy import MASK
from tests.cli.run import kyber

KYBER: Final = (sys.executable, "-c", "from kyber.cli import main; main()")
CODE: Final = "010190-901R"
"""A personal identity code that nobody has."""
RULE: Final = """\
title: Something bad was said
id: 11111111-1111-4111-8111-111111111111
name: bad_said
level: high
logsource: {product: linux}
detection:
  said: {message|contains: bad, host.name: www1}
  filter: {message|cased: A Bad Joke}
  condition: said and not filter
"""
LINE: Final = "2026-03-02T10:14:07+02:00 www1 app[1]: {}\n"
SHOWN: Final = """\
Something bad was said
bad.yml
app.log:2, 2026-03-02 08:14:07 UTC, EVENT
The rule does not match the event.

Logsource
`-- [+] product linux: that is what the input is

Condition
`-- [-] all of these
    +-- [-] said: all of these
    |   +-- [-] message <- *bad*  message = a good thing  (differs)
    |   `-- [+] host.name <- www1  host.name = www1
    `-- [+] not
        `-- [-] filter: message <- A Bad Joke (cased)  message = a good thing  (differs)
"""


def asked(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(
        app, ["rules", "explain", *map(str, arguments)], input=stdin, env={"NO_COLOR": "1", "COLUMNS": "100"}
    )


def explained(*arguments: object, stdin: bytes = b"") -> dict[str, Any]:
    """What `--json` says; it has to be one line."""
    result = asked(*arguments, "--json", stdin=stdin)
    assert result.exit_code in (0, 1), result.output
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert result.exit_code == (0 if found["matches"] else 1)
    return found


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "nodes" not in node:
        yield node
    for inner in node.get("nodes", ()):
        yield from leaves(inner)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside any workspace with a rule and a log, to stand in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "bad.yml").write_text(RULE, encoding="utf-8")
    lines = ("a bad thing", "a good thing", "a bad joke", "A Bad Joke")
    (here / "app.log").write_text("".join(map(LINE.format, lines)), encoding="utf-8")
    return here


# --- what it answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("record", "code"), [(1, 0), (2, 1), (3, 0), (4, 1)])
def test_it_ends_with_zero_where_the_rule_matches_and_with_one_where_not(record: int, code: int, folder: Path) -> None:
    assert asked("bad.yml", f"app.log:{record}").exit_code == code


def test_the_whole_condition_is_shown_in_ascii_where_no_terminal_is(folder: Path) -> None:
    result = asked("bad.yml", "app.log:2")
    identity = explained("bad.yml", "app.log:2")["event"]["event_id"]
    assert [line.rstrip() for line in result.stdout.replace(identity, "EVENT").splitlines()] == SHOWN.splitlines()
    assert result.stdout.isascii()


def test_what_holds_and_what_differs_only_in_case_is_told(folder: Path) -> None:
    found = explained("bad.yml", "app.log:3")
    assert found["matches"]
    assert [
        (one["part"], one["field"], one["column"], one["value"], one["why"]) for one in leaves(found["condition"])
    ] == [
        ("said", "message", "message", "a bad joke", "holds"),
        ("said", "host.name", "host.name", "www1", "holds"),
        ("filter", "message", "message", "a bad joke", "case"),
    ]


def test_a_rule_that_does_not_see_the_event_says_which_word_of_its_logsource_is_another(folder: Path) -> None:
    found = explained("bad.yml", "app.log:1", "--logsource", "product:windows")
    assert not found["matches"]
    (word,) = found["logsource"]["words"]
    assert (word["key"], word["wanted"], word["given"], word["holds"]) == ("product", "linux", "windows", False)
    assert found["condition"]["holds"]
    assert "its logsource means others" in asked("bad.yml", "app.log:1", "--logsource", "product:windows").stdout


def test_many_values_that_fail_alike_are_shortened_unless_all_are_wanted(folder: Path) -> None:
    rule = RULE.replace("bad, ", f"[{', '.join(f'bad{number}' for number in range(20))}], ")
    (folder / "many.yml").write_text(rule, encoding="utf-8")
    short, whole = asked("many.yml", "app.log:1").stdout, asked("many.yml", "app.log:1", "-v").stdout
    assert "and 15 more that failed alike" in short
    assert "*bad19*" not in short
    assert "*bad19*" in whole
    assert len(list(leaves(explained("many.yml", "app.log:1")["condition"]))) == 22


def test_a_watch_list_that_is_not_there_is_said_where_it_is_waited_for(folder: Path) -> None:
    rule = RULE.replace("message|contains: bad", "message|contains|expand: ['%friends%', bad]")
    (folder / "bad.yml").write_text(rule, encoding="utf-8")
    found = explained("bad.yml", "app.log:1")
    assert (found["matches"], found["lacking"], found["condition"]["holds"]) == (False, ["friends"], True)
    assert [one["why"] for one in leaves(found["condition"])][:2] == ["blind", "holds"]
    assert "needs the watch list friends" in asked("bad.yml", "app.log:1").stdout


def test_a_filter_of_the_rule_is_shown_as_a_tree_of_its_own(folder: Path) -> None:
    filtering = """\
title: Known to be harmless
id: 22222222-2222-4222-8222-222222222222
logsource: {product: linux}
filter:
  rules: [bad_said]
  thing: {message|endswith: thing}
  condition: thing
"""
    (folder / "known.yml").write_text(filtering, encoding="utf-8")
    found = explained("bad_said", "app.log:1", "-r", ".")
    assert not found["matches"]
    assert found["condition"]["holds"]
    assert [(one["title"], one["condition"]["holds"]) for one in found["filters"]] == [("Known to be harmless", True)]
    shown = asked("bad_said", "app.log:1", "-r", ".").stdout
    assert "but a filter takes it out" in shown
    assert "Filter: Known to be harmless\n`-- [+] thing: message <- *thing" in shown
    assert explained("bad_said", "app.log:3", "-r", ".")["matches"]


# --- which rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bad.yml", "bad_said", "11111111-1111-4111-8111-111111111111", "something BAD"])
def test_a_rule_is_named_by_file_name_id_or_the_start_of_its_title(name: str, folder: Path) -> None:
    assert explained(name, "app.log:1", "--rules", "bad.yml")["rule"]["name"] == "bad_said"


def test_a_rule_that_is_shipped_needs_no_path(folder: Path) -> None:
    assert explained("linux_ssh_root_password", "app.log:1")["rule"]["name"] == "linux_ssh_root_password"


def test_where_several_rules_are_meant_they_are_listed(folder: Path) -> None:
    (folder / "bad.yml").write_text(f"{RULE}---\n{RULE.replace('1111-', '2222-').replace('bad_said', 'worse_said')}")
    result = asked("bad.yml", "app.log:1")
    assert result.exit_code == 2
    assert "bad_said" in result.stderr
    assert "worse_said" in result.stderr
    assert explained("worse_said", "app.log:1", "-r", "bad.yml")["rule"]["name"] == "worse_said"


def test_identity_codes_in_titles_of_rules_are_masked_where_no_rule_is_explained(folder: Path) -> None:
    first = RULE.replace("Something bad", f"Something {CODE} bad")
    text = f"{first}---\n{first.replace('1111-', '2222-').replace('bad_said', 'worse_said')}---\n"
    text += f"title: Many {CODE}\nid: 33333333-3333-4333-8333-333333333333\nname: many_bad\n"
    text += "correlation: {type: event_count, rules: [bad_said], group-by: [a], timespan: 1h, condition: {gte: 3}}\n"
    text += f"---\n{first.replace('1111-', '4444-').replace('bad_said', 'unable')}".replace(
        "message|contains: bad", "message|expand: '%a%'"
    )
    (folder / "coded.yml").write_text(text, encoding="utf-8")
    for asked_for in ("Something", "many_bad", "coded.yml"):
        result = asked(asked_for, "app.log:1", "-r", "coded.yml")
        assert result.exit_code == 2
        assert CODE not in result.stderr
        assert MASK in result.stderr


def test_of_a_correlation_the_rules_are_named_that_it_counts(folder: Path) -> None:
    correlation = """\
title: Many bad things
id: 33333333-3333-4333-8333-333333333333
name: many_bad
correlation: {type: event_count, rules: [bad_said], group-by: [host.name], timespan: 1h, condition: {gte: 3}}
"""
    (folder / "many.yml").write_text(correlation, encoding="utf-8")
    result = asked("many_bad", "app.log:1", "-r", ".")
    assert result.exit_code == 2
    assert "explain a rule that it counts: bad_said" in result.stderr


@pytest.mark.parametrize(
    ("rule", "event", "code", "told"),
    [
        ("nothing-like-it", "app.log:1", 2, "no rule has the id or name 'nothing-like-it'"),
        ("app.log", "app.log:1", 2, "holds no rule"),
        ("bad.yml", "app.log", 2, "is no event"),
        ("bad.yml", "away.log:1", 2, "there is no file away.log"),
        ("bad.yml", ".:1", 2, "there is no file ."),
        ("bad.yml", "app.log:99", 3, "there is no such event"),
        ("bad.yml", "app.log:0", 3, "there is no such event"),
        ("bad.yml", "abcdef12", 2, "kept in a workspace"),
        ("bad.yml", "-", 3, "there is no such event"),
    ],
)
def test_what_is_not_there_is_said(rule: str, event: str, code: int, told: str, folder: Path) -> None:
    result = asked(rule, event)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


# --- which event ------------------------------------------------------------------------------------------------------


def test_an_event_may_come_from_standard_input(folder: Path) -> None:
    rule = RULE.replace("logsource: {product: linux}", "logsource: {}")
    (folder / "bad.yml").write_text(rule, encoding="utf-8")
    event = b'{"message": "too bad", "host": {"name": "www1"}}\n'
    assert explained("bad.yml", "-", stdin=event)["matches"]


def test_a_record_of_several_lines_is_named_by_any_of_them(folder: Path) -> None:
    (folder / "audit.log").write_text(
        "type=SYSCALL msg=audit(1772436000.000:7): arch=c000003e syscall=59 success=yes auid=1000 uid=0\n"
        'type=EXECVE msg=audit(1772436000.000:7): argc=1 a0="bad"\n'
        "type=SYSCALL msg=audit(1772436001.000:8): arch=c000003e syscall=59 success=yes auid=1000 uid=0\n",
        encoding="utf-8",
    )
    first = explained("bad.yml", "audit.log:1")["event"]
    assert explained("bad.yml", "audit.log:2")["event"] == first
    assert explained("bad.yml", "audit.log:3")["event"] != first


def test_a_record_that_its_format_cannot_read_is_no_event(folder: Path) -> None:
    (folder / "broken.jsonl").write_text('{"a": 1}\n{"a": \n', encoding="utf-8")
    result = asked("bad.yml", "broken.jsonl:2")
    assert result.exit_code == 3
    assert "cannot be read as json (F" in result.stderr


def test_findings_and_stored_events_are_named_by_their_ids(county: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(county)
    result = kyber("scan", "--json")
    lines = [line for line in map(json.loads, result.stdout.splitlines()) if "evidence" in line]
    found = [line for line in lines if "correlation:" not in Path(line["rule"]["path"]).read_text(encoding="utf-8")]
    assert 3 < len(found) < len(lines)
    for finding in found:
        by_finding = explained(finding["rule"]["id"], finding["id"][:12])
        assert by_finding["matches"], finding["rule"]
        assert by_finding["event"]["event_id"] == finding["sample"]["event_id"]
    assert explained(found[0]["rule"]["name"], found[0]["sample"]["event_id"])["matches"]
    assert not explained(found[0]["rule"]["name"], found[-1]["sample"]["event_id"])["matches"]
    assert asked(found[0]["rule"]["name"], "0" * 32).exit_code == 2


def test_the_event_of_a_finding_that_was_not_stored_is_read_from_its_file_while_it_is_there(
    county: Path, folder: Path
) -> None:
    assert kyber("scan", "app.log", "-r", "bad.yml", "--save", "--workspace", county).exit_code == 0
    result = kyber("findings", "list", "--json", "--workspace", county)
    (finding,) = map(json.loads, result.stdout.splitlines())
    assert explained("bad.yml", finding["id"], "--workspace", county)["matches"]
    (folder / "app.log").write_text(LINE.format("something else"), encoding="utf-8")
    result = asked("bad.yml", finding["id"], "--workspace", county)
    assert result.exit_code == 2
    assert "is it no longer" in result.stderr


# --- hostile values ---------------------------------------------------------------------------------------------------


def test_nothing_in_an_event_steers_the_terminal_and_identity_codes_are_masked(folder: Path) -> None:
    (folder / "app.log").write_text(LINE.format(f"a bad \x1b[31mthing [red]{CODE}[/red]\x07"), encoding="utf-8")
    for shown in (asked("bad.yml", "app.log:1").stdout, asked("bad.yml", "app.log:1", "--json").stdout):
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert CODE not in shown
        assert MASK in shown
    assert f"a bad \\x1b[31mthing [red]{MASK}[/red]\\x07" in asked("bad.yml", "app.log:1").stdout


def test_on_a_terminal_the_tree_is_drawn_with_signs(folder: Path) -> None:
    control, terminal = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "PYTHONUTF8": "1",
    }
    run = subprocess.Popen(
        (*KYBER, "rules", "explain", "bad.yml", "app.log:1"), stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(control, 65_536):
            shown += part
    except OSError:  # the other end was closed
        pass
    os.close(control)
    assert run.wait() == 0
    assert "✓" in shown.decode()
    assert "├──" in shown.decode()
