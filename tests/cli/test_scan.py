"""`kyber scan`: what it shows and where, and how it ends."""

import csv
import gzip
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from kyber.cli import app
from kyber.logs.sigma.shipped import shipped_rules
from kyber.privacy import MASK
from tests.cli.run import kyber

ROOT: Final = Path(__file__).parent.parent.parent
SAMPLES: Final = ROOT / "samples"
AUTH: Final = SAMPLES / "linux" / "auth.log"
KYBER: Final = (sys.executable, "-c", "from kyber.cli import main; main()")
CODE: Final = "010190-901R"
"""A personal identity code that nobody has."""
FOUND_IN_EXAMPLE: Final = {
    "backup_missing",
    "linux_backup_failed",
    "linux_disk_full",
    "linux_logging_stopped",
    "linux_service_failed",
    "linux_ssh_address_guessing",
    "linux_ssh_login_accepted",
    "linux_ssh_login_first_source",
    "linux_ssh_password_guessed",
    "linux_ssh_password_guessing",
    "linux_ssh_password_spraying",
    "linux_sudo_not_permitted",
    "log_source_silent",
    "own_service_account_interactive",
    "windows_administrator_added",
    "windows_event_log_cleared",
    "windows_shared_account_logon",
}
RULE: Final = """\
title: A message of {level} importance
id: {level}
name: {level}
level: {level}
logsource: {{product: linux}}
detection: {{sel: {{message|contains: {word}}}, condition: sel}}
"""
LINE: Final = "2026-03-02T10:14:07+02:00 www1 app[1]: {}\n"


def given(*arguments: object, stdin: bytes) -> Result:
    """A command with something on its standard input."""
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin, env={"NO_COLOR": "1"})


def records(result: Result) -> list[dict[str, Any]]:
    """The findings of `--json`; every line of standard output has to be one."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder outside any workspace, to stand in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def log(folder: Path) -> Path:
    file = folder / "app.log"
    file.write_text(LINE.format("a bad thing") + LINE.format("a worse thing"), encoding="utf-8")
    return file


@pytest.fixture
def bad(folder: Path) -> Path:
    """A rule of level medium that finds the first line."""
    file = folder / "bad.yml"
    file.write_text(RULE.format(level="medium", word="bad"), encoding="utf-8")
    return file


@pytest.fixture
def worse(folder: Path) -> Path:
    """A rule of level critical that finds the second line."""
    file = folder / "worse.yml"
    file.write_text(RULE.format(level="critical", word="worse"), encoding="utf-8")
    return file


# --- what is kept of rules --------------------------------------------------------------------------------------------


def test_rules_are_kept_in_the_accounts_cache_and_never_in_a_workspace_unless_no_cache_says_otherwise(
    folder: Path, log: Path, bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "account"
    monkeypatch.setenv("XDG_CACHE_HOME", str(account))
    first = kyber("scan", log, "--rules", bad, "--json", "--no-cache")
    assert not account.exists()
    again = [kyber("scan", log, "--rules", bad, "--json") for _ in range(2)]
    assert len(list((account / "kyber").iterdir())) == 1
    assert kyber("init", "county").exit_code == 0
    (folder / "county" / ".kyber").mkdir(exist_ok=True)
    again.append(kyber("scan", log, "--rules", bad, "--json", "--workspace", "county"))
    assert not (folder / "county" / ".kyber" / "cache").exists()
    assert len(list((account / "kyber").iterdir())) == 2  # with its watch lists it is another set
    assert len(records(first)) == 1
    assert {one["id"] for result in (first, *again) for one in records(result)} == {records(first)[0]["id"]}
    bad.write_text(RULE.format(level="medium", word="worse"), encoding="utf-8")
    assert "a worse thing" in kyber("scan", log, "--rules", bad, "--json").stdout


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_findings_alone_end_with_zero(folder: Path) -> None:
    result = kyber("scan", AUTH)
    assert result.exit_code == 0
    assert "Root logged in over SSH with a password" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("limit", "code"), [("informational", 1), ("low", 1), ("medium", 1), ("high", 0), ("critical", 0)]
)
def test_fail_on_ends_with_one_at_or_above_its_level(limit: str, code: int, log: Path, bad: Path) -> None:
    assert kyber("scan", log, "-r", bad, "--fail-on", limit).exit_code == code


def test_fail_on_counts_findings_that_level_leaves_out(log: Path, bad: Path) -> None:
    result = kyber("scan", log, "-r", bad, "--level", "high", "--fail-on", "medium", "--json")
    assert (result.exit_code, result.stdout) == (1, "")


def test_fail_on_without_findings_ends_with_zero(folder: Path, log: Path) -> None:
    assert kyber("scan", log, "--fail-on", "informational").exit_code == 0


def test_strict_ends_with_one_where_something_could_not_be_read(folder: Path, log: Path, bad: Path) -> None:
    assert kyber("scan", log, "-r", bad, "--strict").exit_code == 0
    (folder / "cut.log.gz").write_bytes(gzip.compress(LINE.format("x").encode() * 500)[:-20])
    for arguments in ((log, folder / "cut.log.gz"), (log, folder / "nothing.log")):
        assert kyber("scan", *arguments, "-r", bad).exit_code == 0
        assert kyber("scan", *arguments, "-r", bad, "--strict").exit_code == 1
    (folder / "broken.yml").write_text("title: x\n", encoding="utf-8")
    assert kyber("scan", log, "-r", bad, "-r", folder / "broken.yml").exit_code == 0
    assert kyber("scan", log, "-r", bad, "-r", folder / "broken.yml", "--strict").exit_code == 1


def test_what_only_had_to_be_assumed_is_not_strict(folder: Path) -> None:
    (folder / "old.log").write_text("Mar  2 10:14:07 www1 app[1]: hello\n", encoding="utf-8")
    result = kyber("scan", folder / "old.log", "--strict")
    assert result.exit_code == 0
    assert "F20" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--input", "nosuch"], "nosuch"),
        (["--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["--timezone", "../../etc/passwd"], "time zone"),
        (["--timezone", "Europe"], "Europe"),
        (["--logsource", "linux"], "linux"),
        (["--logsource", "product:"], "product:"),
        (["--logsource", "colour:blue"], "colour:blue"),
        (["--logsource", "product:linux,,"], "product:linux"),
        (["--rules", "nosuch.yml"], "nosuch.yml"),
        (["--level", "severe"], "severe"),
        (["--fail-on", "severe"], "severe"),
        (["--format", "xml"], "xml"),
        (["--output", "nosuch/findings.csv"], "nosuch"),
        (["--workspace", "nosuch"], "nosuch"),
        (["--nosuch"], "--nosuch"),
        (["--reveal", "--purpose", "x"], "workspace"),
    ],
)
def test_a_wrong_option_ends_with_two_and_is_named(arguments: Sequence[str], told: str, log: Path) -> None:
    result = kyber("scan", log, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_without_rules_ends_with_two_and_broken_rules_are_told(folder: Path, log: Path) -> None:
    (folder / "rules").mkdir()
    assert kyber("scan", log, "-r", folder / "rules").exit_code == 2
    (folder / "rules" / "x.yml").write_text("title: x\nlogsource: {}\ndetection: {a: {b: 1}}\n", encoding="utf-8")
    result = kyber("scan", log, "-r", folder / "rules", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{folder / 'rules' / 'x.yml'}:3: error R03" in result.stderr


def test_without_paths_and_without_a_workspace_this_hosts_logs_are_scanned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = folder / "var" / "log"
    (logs / "journal").mkdir(parents=True)
    (logs / "journal" / "system.journal").write_bytes(b"LPKSHHRH")
    (logs / "wtmp").write_bytes(bytes(384))
    (logs / "auth.log").write_bytes(AUTH.read_bytes())
    monkeypatch.setattr("kyber.cli.reading.HOST_LOGS", str(logs))
    monkeypatch.setattr("kyber.logs.journal.available", lambda: False)
    result = kyber("scan", "--json", "--strict")
    assert result.exit_code == 0
    assert {one["sample"]["file"] for one in records(result)} == {str(logs / "auth.log")}


def test_a_period_or_saving_needs_a_workspace_and_a_period_no_path(folder: Path, county: Path) -> None:
    for options in (("--since", "1d"), ("--between", "2026-01-01", "2026-01-02"), ("a.log", "--save")):
        assert kyber("scan", *options).exit_code == 2, options
    assert kyber("scan", "a.log", "--since", "1d", "--workspace", county).exit_code == 2
    assert kyber("scan", "--since", "soon", "--workspace", county).exit_code == 2
    assert kyber("scan", "--since", "1d", "--workspace", county).exit_code == 3


def test_only_paths_that_are_not_there_end_with_three(folder: Path) -> None:
    result = kyber("scan", "nosuch.log", "none/*.evtx", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "nosuch.log: error F01" in result.stderr
    assert "none/*.evtx: error F01" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("broken.evtx", b"ElfFile\x00" + b"\x00" * 200, "F06"),
        ("cut.gz", b"\x1f\x8b\x08\x00", "F06"),
        ("broken.jsonl", b'{"a": 1\n{"b": \n', "F41"),
    ],
)
def test_what_cannot_be_read_at_all_ends_with_three(name: str, content: bytes, code: str, folder: Path) -> None:
    (folder / name).write_bytes(content)
    form = ["--input", "json"] if name.endswith("jsonl") else []
    result = kyber("scan", folder / name, *form)
    assert (result.exit_code, result.stdout) == (3, "")
    assert code in result.stderr
    assert kyber("scan", folder / name, AUTH, *([] if form else form)).exit_code == 0


def test_an_empty_log_is_no_error(folder: Path) -> None:
    (folder / "empty.log").touch()
    result = kyber("scan", folder / "empty.log")
    assert result.exit_code == 0
    assert "could not look" in result.stdout


# --- what it shows, and where -----------------------------------------------------------------------------------------


def test_json_is_a_finding_a_line_and_nothing_else_on_standard_output(log: Path, bad: Path, worse: Path) -> None:
    result = kyber("scan", log, "nosuch.log", "-r", bad, "-r", worse, "--json")
    assert result.exit_code == 0
    assert [(one["rule"]["name"], one["level"], one["count"]) for one in records(result)] == [
        ("critical", "critical", 1),
        ("medium", "medium", 1),
    ]
    assert "nosuch.log: error F01" in result.stderr


def test_blind_rules_are_told_on_standard_error_where_the_form_has_no_place_for_them(folder: Path) -> None:
    result = kyber("scan", AUTH, "--json")
    assert "could not look" in result.stderr
    assert "could not look" not in result.stdout
    assert "could not look" in kyber("scan", AUTH).stdout


def test_every_form_is_shown_and_written_alike(folder: Path) -> None:
    for form in ("jsonl", "csv"):
        shown = kyber("scan", SAMPLES, "--format", form)
        written = kyber("scan", SAMPLES, "--format", form, "-o", "out")
        assert (shown.exit_code, written.exit_code, written.stdout) == (0, 0, "")
        assert Path("out").read_bytes() == shown.stdout_bytes
    assert len(list(csv.DictReader(io.StringIO(kyber("scan", SAMPLES, "-f", "csv").stdout)))) > 20
    documents = [json.loads(line) for line in kyber("scan", SAMPLES, "-f", "ecs").stdout.splitlines()]
    assert len(documents) > 20
    assert {one["event"]["kind"] for one in documents} == {"alert"}
    assert kyber("scan", SAMPLES, "-f", "html").stdout.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.jsonl", '{"id":'),
        ("x.ndjson", '{"id":'),
        ("x.JSON", '{"id":'),
        ("x.csv", '"@timestamp"'),
        ("x.html", "<!DOCTYPE html>"),
        ("x.txt", "What was read"),
        ("x", "What was read"),
    ],
)
def test_the_ending_of_the_output_chooses_the_form(name: str, start: str, folder: Path) -> None:
    assert kyber("scan", AUTH, "-o", folder / name).exit_code == 0
    assert (folder / name).read_text(encoding="utf-8").startswith(start)
    assert [file.name for file in folder.iterdir()] == [name]


def test_a_form_that_is_named_goes_before_the_ending_and_json_before_both(folder: Path) -> None:
    kyber("scan", AUTH, "-o", "x.csv", "--format", "ecs")
    assert '"ecs"' in Path("x.csv").read_text(encoding="utf-8")
    kyber("scan", AUTH, "-o", "x.csv", "--format", "ecs", "--json")
    assert Path("x.csv").read_text(encoding="utf-8").startswith('{"id":')


def test_an_output_that_cannot_be_written_ends_with_two_and_leaves_nothing_behind(folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "file").write_text("mine", encoding="utf-8")
    for output in ("taken", "file/x.csv", "nosuch/x.csv"):
        result = kyber("scan", AUTH, "-o", output)
        assert (result.exit_code, result.stdout) == (2, ""), output
        assert output in result.stderr
        assert "Traceback" not in result.stderr
    assert sorted(file.name for file in folder.rglob("*")) == ["file", "taken"]
    assert (folder / "file").read_text(encoding="utf-8") == "mine"


def test_an_output_is_replaced_whole(folder: Path) -> None:
    (folder / "x.jsonl").write_text("old\n" * 10_000, encoding="utf-8")
    kyber("scan", AUTH, "-o", "x.jsonl")
    assert (folder / "x.jsonl").read_bytes() == kyber("scan", AUTH, "--json").stdout_bytes


def test_an_output_never_takes_the_place_of_what_is_read(folder: Path, log: Path, bad: Path) -> None:
    (folder / "link.log").symlink_to(log)
    before = {file: file.read_bytes() for file in (log, bad)}
    for paths, output in (("app.log", "app.log"), (".", "app.log"), ("link.log", "app.log"), ("app.log", "link.log")):
        result = kyber("scan", paths, "-r", bad, "-o", output)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{output} is one of the logs" in result.stderr
    for rules in (bad, folder):
        result = kyber("scan", log, "-r", rules, "-o", folder / ".." / "here" / "bad.yml")
        assert result.exit_code == 2
        assert "bad.yml is one of the rules" in result.stderr
    assert {file: file.read_bytes() for file in (log, bad)} == before


def test_an_output_never_takes_the_place_of_what_a_workspace_holds(
    county: Path, log: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(county)
    before = {file: file.read_bytes() for file in county.rglob("*") if file.is_file()}
    for name in ("kyber.yaml", "people.yaml", "sources/backup.yaml", "lists/accounts.yaml"):
        assert f"{name} is part of the workspace" in kyber("scan", log, "-r", bad, "-o", name).stderr
    (own,) = (county / "rules").glob("*.yml")
    assert "is one of the rules" in kyber("scan", log, "-r", bad, "-o", own).stderr
    assert "keeps for itself" in kyber("scan", log, "-r", bad, "-o", ".kyber/readers.jsonl").stderr
    assert {file: file.read_bytes() for file in county.rglob("*") if file.is_file()} == before
    assert kyber("scan", log, "-r", bad, "-o", "findings.csv").exit_code == 0


def test_an_output_takes_the_place_of_a_link_and_not_of_what_it_leads_to(folder: Path, log: Path, bad: Path) -> None:
    (folder / "mine").write_text("mine", encoding="utf-8")
    for name in ("x.csv", ".x.csv.part"):
        (folder / name).symlink_to(folder / "mine")
    old = os.umask(0o027)
    try:
        assert kyber("scan", log, "-r", bad, "-o", "x.csv").exit_code == 0
    finally:
        os.umask(old)
    assert (folder / "mine").read_text(encoding="utf-8") == "mine"
    assert not (folder / "x.csv").is_symlink()
    assert (folder / "x.csv").stat().st_mode & 0o777 == 0o640
    assert {file.name for file in folder.iterdir()} == {"app.log", "bad.yml", "mine", "x.csv", ".x.csv.part"}


def test_an_output_takes_the_place_of_no_pipe_or_device(folder: Path, log: Path, bad: Path) -> None:
    os.mkfifo(folder / "pipe")
    result = kyber("scan", log, "-r", bad, "-o", "pipe")
    assert result.exit_code == 2
    assert "pipe cannot be written: it is not a regular file" in result.stderr
    assert (folder / "pipe").is_fifo()


def test_level_leaves_out_what_is_below_it(log: Path, bad: Path, worse: Path) -> None:
    for level, names in (("low", ["critical", "medium"]), ("high", ["critical"])):
        result = kyber("scan", log, "-r", bad, "-r", worse, "--level", level, "--json")
        assert [one["rule"]["name"] for one in records(result)] == names


def test_input_reads_every_path_as_one_format(folder: Path) -> None:
    (folder / "x.log").write_text('{"message": "a bad thing"}\n', encoding="utf-8")
    rule = RULE.format(level="low", word="bad").replace("product: linux", "")
    (folder / "x.yml").write_text(rule, encoding="utf-8")
    for form, column in (("json", "message"), ("text", "message")):
        (one,) = records(kyber("scan", "x.log", "-r", "x.yml", "--input", form, "--json"))
        assert one["evidence"][0]["column"] == column
        assert one["evidence"][0]["value"].startswith("{") == (form == "text")


def test_logsource_says_what_the_paths_are(folder: Path) -> None:
    (folder / "x.jsonl").write_text('{"message": "a bad thing"}\n', encoding="utf-8")
    (folder / "x.yml").write_text(RULE.format(level="low", word="bad"), encoding="utf-8")
    assert records(kyber("scan", "x.jsonl", "-r", "x.yml", "--json")) == []
    for said in ("product:linux", " product: Linux , service:any"):
        assert len(records(kyber("scan", "x.jsonl", "-r", "x.yml", "--json", "--logsource", said))) == 1


def test_timezone_is_that_of_times_that_carry_none(folder: Path) -> None:
    (folder / "x.log").write_text("Mar  2 10:14:07 www1 app[1]: a bad thing\n", encoding="utf-8")
    os.utime(folder / "x.log", (1_773_000_000, 1_773_000_000))
    (folder / "x.yml").write_text(RULE.format(level="low", word="bad"), encoding="utf-8")
    for zone, time in (("Europe/Helsinki", "2026-03-02T08:14:07Z"), ("UTC", "2026-03-02T10:14:07Z")):
        (one,) = records(kyber("scan", "x.log", "-r", "x.yml", "--json", "--timezone", zone))
        assert one["first"] == time


def test_standard_input_is_read_for_a_dash(folder: Path) -> None:
    for content in (AUTH.read_bytes(), gzip.compress(AUTH.read_bytes())):
        result = given("scan", "-", "--json", stdin=content)
        assert result.exit_code == 0
        assert {one["sample"]["file"] for one in records(result)} == {"<stdin>"}
        assert [one["id"] for one in records(result)] == [one["id"] for one in records(kyber("scan", AUTH, "--json"))]
    assert given("scan", "-", stdin=b"").exit_code == 0


def test_a_file_whose_name_is_not_text_is_read_and_shown_in_every_form(folder: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[31m\n.log")
    (folder / name).write_bytes(AUTH.read_bytes())
    for form in ("table", "jsonl", "csv", "ecs", "html"):
        shown = kyber("scan", folder, "-f", form)
        assert shown.exit_code == 0, form
        assert "\x1b" not in shown.stdout
        assert kyber("scan", folder / name, "-f", form, "-o", "../out").exit_code == 0


# --- in a workspace ---------------------------------------------------------------------------------------------------


def test_a_bare_scan_in_the_example_finds_what_it_promises(county: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(county / "logs" / "emr")
    result = kyber("scan", "--json")
    assert result.exit_code == 0
    assert {one["rule"]["name"] for one in records(result)} == FOUND_IN_EXAMPLE
    assert kyber("scan", "--strict").exit_code == 0


def test_a_second_scan_shows_what_is_new_and_one_of_a_period_everything(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(county)
    first = records(kyber("scan", "--json", "--fail-on", "high"))
    again = kyber("scan", "--json", "--fail-on", "high")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "kyber findings list" in kyber("scan").stdout
    whole = records(kyber("scan", "--since", "2026-10-01", "--json"))
    assert {one["id"] for one in whole} == {one["id"] for one in first}
    with (county / "logs" / "linux" / "auth.log").open("a", encoding="utf-8") as log:
        log.write("2026-11-03T23:59:58+02:00 hyppy1 sudo: uusi : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; ")
        log.write("USER=root ; COMMAND=/usr/bin/id\n2026-11-03T23:59:59+02:00 hyppy1 systemd[1]: Started x.service.\n")
    news = records(kyber("scan", "--json", "--fail-on", "low"))
    assert [one["group"]["user.name"] for one in news] == ["uusi"]
    assert len(records(kyber("findings", "list", "--json"))) == len(first) + 1
    # More lines of the last record might still come.
    status = {one["source"]: one for one in records(kyber("logs", "status", "--json"))}["linux-jump-host"]
    assert (status["stored"], status["pending_bytes"] > 0) == (30, True)


def test_a_workspace_can_be_named(county: Path, folder: Path) -> None:
    result = kyber("scan", "--workspace", county, "--json")
    assert {one["rule"]["name"] for one in records(result)} == FOUND_IN_EXAMPLE


def test_a_source_that_is_not_active_is_not_read(county: Path, folder: Path) -> None:
    source = county / "sources" / "ad-domain-controllers.yaml"
    source.write_text(source.read_text(encoding="utf-8") + "\nstatus: retired\n", encoding="utf-8")
    names = {one["rule"]["name"] for one in records(kyber("scan", "--workspace", county, "--json"))}
    assert names == {name for name in FOUND_IN_EXAMPLE if name.startswith(("backup", "linux", "log"))}


def test_a_source_whose_logs_are_gone_is_told_and_the_others_are_read(county: Path, folder: Path) -> None:
    (county / "logs" / "backup" / "backup.log").unlink()
    result = kyber("scan", "--workspace", county, "--json")
    assert result.exit_code == 0
    assert "backup.log: error F01" in result.stderr
    assert "windows_event_log_cleared" in {one["rule"]["name"] for one in records(result)}


def test_a_source_in_an_unknown_format_is_told_and_the_others_are_read(county: Path, folder: Path) -> None:
    source = county / "sources" / "backup.yaml"
    text = source.read_text(encoding="utf-8")
    assert "format: syslog" in text
    source.write_text(text.replace("format: syslog", "format: papyrus"), encoding="utf-8")
    result = kyber("scan", "--workspace", county, "--json")
    assert result.exit_code == 0
    assert "error K07" in result.stderr
    assert "papyrus" in result.stderr
    names = {one["rule"]["name"] for one in records(result)}
    assert "linux_backup_failed" not in names
    assert "windows_event_log_cleared" in names
    assert kyber("scan", "--workspace", county, "--strict").exit_code == 1
    result = kyber("scan", "--workspace", county, "--input", "syslog", "--json")
    assert "linux_backup_failed" in {one["rule"]["name"] for one in records(result)}


def test_a_source_that_names_a_pipe_is_told_and_not_waited_for(county: Path, folder: Path) -> None:
    log = county / "logs" / "backup" / "backup.log"
    log.unlink()
    os.mkfifo(log)
    result = kyber("scan", "--workspace", county, "--json")
    assert result.exit_code == 0
    assert "backup.log: error F02" in result.stderr
    assert "not a regular file" in result.stderr
    assert "windows_event_log_cleared" in {one["rule"]["name"] for one in records(result)}


def test_lists_fill_placeholders_and_a_broken_list_is_told(county: Path, folder: Path) -> None:
    lists = county / "lists" / "accounts.yaml"
    lists.write_text(lists.read_text(encoding="utf-8").replace("svc-varmistus", "svc-other"), encoding="utf-8")
    names = {one["rule"]["name"] for one in records(kyber("scan", "--workspace", county, "--json"))}
    assert names == FOUND_IN_EXAMPLE - {"own_service_account_interactive"}
    lists.write_text("service_accounts: [", encoding="utf-8")
    result = kyber("scan", "--workspace", county, "--since", "2026-10-01", "--json")
    assert "accounts.yaml:2: error K91" in result.stderr
    assert "could not look" in result.stderr


def test_findings_are_in_the_language_of_the_workspace(folder: Path, tmp_path: Path) -> None:
    for language, words in (("fi", "Mitä luettiin"), ("sv", "Vad som lästes")):
        home = tmp_path / language
        kyber("init", home, "--language", language)
        assert words in kyber("scan", AUTH, "--workspace", home).stdout


# --- personal identity codes ------------------------------------------------------------------------------------------


@pytest.fixture
def told(county: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log with an identity code in it, in the example."""
    monkeypatch.chdir(county)
    file = county / "bad.log"
    file.write_text(LINE.format(f"a bad thing happened to {CODE}"), encoding="utf-8")
    (county / "bad.yml").write_text(RULE.format(level="low", word="bad"), encoding="utf-8")
    return file


def test_identity_codes_are_masked_in_findings_and_in_problems(told: Path) -> None:
    (told.parent / f"{CODE}.yml").write_text("title: x\n", encoding="utf-8")
    for form in ("table", "jsonl", "csv", "ecs", "html"):
        result = kyber("scan", told, "-r", "bad.yml", "-r", f"{CODE}.yml", "-f", form)
        assert CODE not in result.output
        assert MASK in result.stdout
    assert f"{MASK}.yml" in kyber("scan", told, "-r", f"{CODE}.yml").stderr


def test_revealing_needs_a_purpose(told: Path) -> None:
    for purpose in ((), ("--purpose", "  ")):
        result = kyber("scan", told, "-r", "bad.yml", "--reveal", *purpose)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "--purpose" in result.stderr
    assert not (told.parent / ".kyber" / "readers.jsonl").exists()


def test_what_is_revealed_is_recorded_with_who_when_why_and_what(told: Path) -> None:
    why = 'case 12\n{"user": "nobody"}'
    first = kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", why, "--json")
    second = kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", "again")
    assert CODE in first.stdout
    assert CODE in second.stdout
    readers = (told.parent / ".kyber" / "readers.jsonl").read_text(encoding="utf-8")
    recorded = [json.loads(line) for line in readers.splitlines()]
    assert [one["purpose"] for one in recorded] == [why, "again"]
    assert recorded[0]["findings"] == [one["id"] for one in records(first)]
    assert recorded[0]["inputs"] == [str(told)]
    assert recorded[0]["user"]
    assert recorded[0]["time"].endswith("+00:00")
    assert CODE not in readers


def test_the_reader_is_who_the_system_says_and_not_the_environment(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", "x")
    assert "somebody-else" not in (told.parent / ".kyber" / "readers.jsonl").read_text(encoding="utf-8")


def test_what_cannot_be_recorded_is_not_revealed(told: Path) -> None:
    (told.parent / ".kyber" / "readers.jsonl").mkdir(parents=True)
    result = kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "readers.jsonl" in result.stderr


def test_a_record_of_readers_that_is_planted_is_not_written_and_nothing_is_revealed(told: Path) -> None:
    readers = told.parent / ".kyber" / "readers.jsonl"
    target = told.parent / "target"
    target.write_text("mine\n", encoding="utf-8")

    def a_link() -> None:
        readers.symlink_to(target)

    def a_device() -> None:
        readers.symlink_to("/dev/null")

    def a_pipe() -> None:
        os.mkfifo(readers)

    for plant in (a_link, a_device, a_pipe):
        plant()
        result = kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", "x")
        assert (result.exit_code, result.stdout) == (2, ""), plant
        assert "readers.jsonl" in result.stderr
        readers.unlink()
    os.mkfifo(readers)
    end = os.open(readers, os.O_RDONLY | os.O_NONBLOCK)  # someone listens
    try:
        result = kyber("scan", told, "-r", "bad.yml", "--reveal", "--purpose", "x")
        assert (result.exit_code, result.stdout) == (2, "")
        assert os.read(end, 1) == b""
    finally:
        os.close(end)
    assert target.read_text(encoding="utf-8") == "mine\n"


# --- as a process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_a_reader_that_stops_early_leaves_no_traceback(form: str, tmp_path: Path) -> None:
    run = subprocess.Popen(
        [*KYBER, "scan", str(SAMPLES), "--format", form], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert run.stdout is not None
    run.stdout.close()
    _, errors = run.communicate(timeout=60)
    assert b"Error" not in errors
    assert b"Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full here")
def test_a_pipe_that_the_user_names_is_read(tmp_path: Path) -> None:
    for name in ("/dev/stdin", "/dev/fd/0"):
        command = (*KYBER, "scan", name, "--json")
        ended = subprocess.run(command, input=AUTH.read_bytes(), capture_output=True, cwd=ROOT, check=False)
        assert (ended.returncode, bool(ended.stdout)) == (0, True), ended.stderr


def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [*KYBER, "scan", str(AUTH), "--json"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert run.returncode == 2
    assert run.stderr.startswith(b"kyber: standard output cannot be written")
    assert run.stderr.count(b"\n") == 1


def test_ctrl_c_ends_with_130_and_one_line_and_writes_nothing(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run = subprocess.Popen(
        [*KYBER, "scan", "-", "-o", str(output)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    assert run.stdin is not None
    run.stdin.write(AUTH.read_bytes() * 100)  # more than a pipe holds: written, so the scan is reading
    run.stdin.flush()
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, b"kyber: stopped; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}])
def test_progress_is_not_shown_where_standard_error_is_no_terminal(forced: dict[str, str]) -> None:
    run = subprocess.run(
        [*KYBER, "scan", str(SAMPLES)], cwd=ROOT, capture_output=True, check=True, env={**os.environ, **forced}
    )
    assert run.stderr == b""
    assert b"36 findings" in run.stdout


def test_progress_is_shown_on_a_terminal_and_cleared() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        run = subprocess.Popen(
            [*KYBER, "scan", str(SAMPLES), "--json"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        shown = b""
        try:
            while data := terminal.read(4_096):
                shown += data
        except OSError:  # how Linux says that the other side has closed
            pass
        assert run.wait(timeout=60) == 0
    assert b"events/s" in shown
    assert b"\x1b[?25h" in shown


def test_the_shipped_rules_are_found_from_a_checkout() -> None:
    assert (shipped_rules() / "security").is_dir()


@pytest.mark.parametrize(("much", "fast", "told"), [(1, False, True), (1, True, False), (2**30, False, False)])
def test_who_scans_much_json_without_the_extension_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, much: int, fast: bool, told: bool
) -> None:
    monkeypatch.setattr(sys.modules["kyber.cli.scan"], "MUCH", much)
    monkeypatch.setattr("kyber.logs.native.native", object() if fast else None)
    (tmp_path / "events.jsonl").write_text('{"EventID": 1}\n' * 20, encoding="utf-8")
    result = kyber("scan", tmp_path / "events.jsonl", "--json")
    assert result.exit_code == 0
    assert ("kyber-columns" in result.stderr) == told
    assert "kyber-columns" not in kyber("scan", AUTH, "--json").stderr
