"""`kyber logs`: what it collects and keeps, what it says became of each record, and what it deletes."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kyber import kept
from kyber.cli.logs_rejected import SHOWN
from kyber.logs.formats.known import FORMATS
from kyber.logs.schema import tables
from kyber.logs.store.parquet import writing
from kyber.triage import Decision, edit
from tests.cli.run import kyber
from tests.render.results import CODE, finding


def test_formats_are_listed_with_the_names_that_input_takes() -> None:
    result = kyber("logs", "formats")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(FORMATS)
    lines = [json.loads(line) for line in kyber("logs", "formats", "--json").stdout.splitlines()]
    assert lines == [
        {"name": one.name, "title": one.title, "product": one.product, "service": one.service}
        for one in FORMATS.values()
    ]


def test_fields_of_a_product_are_shown_with_the_columns_they_are_found_in() -> None:
    rows = [json.loads(line) for line in kyber("logs", "fields", "windows", "--json").stdout.splitlines()]
    assert {row["product"] for row in rows} == {"windows"}
    assert {row["kind"] for row in rows} == {"column", "field", "category", "service"}
    by_name = {(row["kind"], row["name"]): row["columns"] for row in rows}
    assert by_name["field", "EventID"] == "winlog.event_id, event.code"
    assert "winlog.event_data.NewProcessName (when winlog.event_id: 4688)" in by_name["column", "process.executable"]
    assert by_name["service", "sysmon"].startswith("winlog.channel: microsoft-windows-sysmon/operational")
    shown = kyber("logs", "fields", "windows").stdout
    assert shown.splitlines()[0].startswith("windows: ")
    assert all(name in shown for _, name in by_name)


def test_fields_without_a_product_are_those_of_all() -> None:
    rows = [json.loads(line) for line in kyber("logs", "fields", "--json").stdout.splitlines()]
    assert {row["product"] for row in rows} == {one.name for one in tables()}
    shown = kyber("logs", "fields")
    assert shown.exit_code == 0
    assert all(f"{one.name}: {one.title}" in shown.stdout for one in tables())


def test_a_product_that_has_no_table_is_a_wrong_option() -> None:
    result = kyber("logs", "fields", "amiga")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "amiga" in result.stderr
    assert all(one.name in result.stderr for one in tables())


@pytest.mark.parametrize("command", ["fields", "formats"])
def test_a_reader_that_stops_early_leaves_no_traceback(command: str) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", "from kyber.cli import main; main()", "logs", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout is not None
    run.stdout.close()
    _, errors = run.communicate()
    assert errors == b""


# --- collecting -------------------------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
AGES = (400, 40, 2, 0)
"""Days by which the events of `app` lie back; one of them has no time."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two sources: `app` in JSON, and `auth` in syslog with a line that is not."""
    monkeypatch.setenv("COLUMNS", "200")
    root = tmp_path / "county"
    (root / "sources").mkdir(parents=True)
    (root / "kyber.yaml").write_text("organisation: County\nlanguage: en\ntimezone: UTC\nstore: parquet\n")
    source(root, "app", "logs/app.jsonl", "json", retention="30 d")
    source(root, "auth", "logs/auth.log", "syslog")
    events = [{"@timestamp": (NOW - timedelta(days=days)).isoformat(), "n": days} for days in AGES]
    log(root, "app.jsonl", *(json.dumps(one) for one in events), "", json.dumps({"n": "none"}))
    log(root, "auth.log", f"{NOW:%Y-%m-%dT%H:%M:%S}Z host sshd[1]: Server listening", "no header here")
    monkeypatch.chdir(root)
    return root


def source(root: Path, name: str, path: str, form: str, *, retention: str | None = None, more: str = "") -> None:
    kept_for = f"retention: {retention}\n" if retention else ""
    text = f"id: {name}\nname: {name}\nread:\n  paths: [{path}]\n  format: {form}\n{kept_for}{more}"
    (root / "sources" / f"{name}.yaml").write_text(text)


def log(root: Path, name: str, *lines: str, mode: str = "w") -> Path:
    """A log that nobody has written to for an hour."""
    file = root / "logs" / name
    file.parent.mkdir(exist_ok=True)
    with file.open(mode, encoding="utf-8") as opened:
        opened.writelines(f"{line}\n" for line in lines)
    hour_ago = (NOW - timedelta(hours=1)).timestamp() + file.stat().st_size / 1_000
    os.utime(file, (hour_ago, hour_ago))
    return file


def collected(*options: object, exit_code: int = 0) -> list[str]:
    result = kyber("logs", "collect", *options)
    assert result.exit_code == exit_code, result.output
    return result.stdout.splitlines()


def status() -> dict[str, dict[str, Any]]:
    """What `kyber logs status --json` says, by source."""
    result = kyber("logs", "status", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return {one["source"]: one for one in map(json.loads, result.stdout.splitlines())}


def test_collecting_stores_what_is_new_and_says_what_became_of_each_file(here: Path) -> None:
    result = kyber("logs", "collect")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "logs/app.jsonl: json, 5 events",
        "logs/auth.log: syslog, 1 event, 1 rejected record",
        "6 events stored.",
    ]
    assert result.stderr.splitlines()[0] == "logs/auth.log: warning F10 Rejected records without a syslog header: 1."
    again = kyber("logs", "collect")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "0 events stored. 2 files had nothing new.\n", "")
    log(here, "app.jsonl", '{"n": "more"}', mode="a")
    assert collected() == ["logs/app.jsonl: json, 1 event", "1 event stored. 1 file had nothing new."]


def test_collecting_one_source_leaves_the_others_for_the_next_time(here: Path) -> None:
    assert collected("auth")[-1] == "1 event stored."
    assert {name: one["kept"] for name, one in status().items()} == {"app": 0, "auth": 1}
    assert collected("app", "auth") == ["logs/app.jsonl: json, 5 events", "5 events stored. 1 file had nothing new."]


def test_a_source_that_is_not_there_is_a_wrong_argument_and_nothing_is_read(here: Path) -> None:
    result = kyber("logs", "collect", "app", "nothing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no log source 'nothing'; there are app, auth" in result.stderr
    assert not (here / ".kyber").exists()


def test_a_source_that_is_not_active_is_not_read(here: Path) -> None:
    source(here, "app", "logs/app.jsonl", "json", more="status: retired\n")
    assert collected()[-1] == "1 event stored."
    assert collected("app") == ["0 events stored."]


def test_what_was_collected_is_given_as_json_lines(here: Path) -> None:
    first, second = (json.loads(line) for line in collected("--json"))
    common = {"blank": 0, "rejected": {}}
    assert first == {"file": "logs/app.jsonl", "format": "json", "records": 6, "events": 5, **common, "blank": 1}
    assert second["rejected"] == {"F10": 1}
    assert collected("--json") == []


def test_what_cannot_be_read_is_told_and_ends_with_1_where_that_is_asked_for(here: Path) -> None:
    source(here, "gone", "logs/gone.log", "syslog")
    (here / "sources" / "bad.yaml").write_text("id: [")
    result = kyber("logs", "collect", "--strict")
    assert result.exit_code == 1
    told = [line.split()[:3] for line in result.stderr.splitlines() if line[0] != " "]
    assert [place for place, _, _ in told] == ["sources/bad.yaml:2:", "logs/gone.log:", "logs/auth.log:"]
    assert [rest for _, *rest in told] == [["error", "K91"], ["error", "F01"], ["warning", "F10"]]
    assert result.stdout.splitlines()[-1] == "6 events stored."
    assert kyber("logs", "collect").exit_code == 0
    (here / "sources" / "bad.yaml").unlink()
    (here / "sources" / "gone.yaml").unlink()
    assert collected("--strict") == ["0 events stored. 2 files had nothing new."]


def test_who_collects_second_is_told_who_collects_and_ends_with_3(here: Path) -> None:
    collected()
    with writing(here / ".kyber", "eero on srv-1 (process 7, `kyber scan`)"):
        for command in ("collect", "retain"):
            result = kyber("logs", command)
            assert (result.exit_code, result.stdout) == (3, "")
            assert "eero on srv-1 (process 7, `kyber scan`) is at work here already" in result.stderr
        assert status()["app"]["kept"] == 5  # who only looks waits for nobody
        assert kyber("logs", "rejected").exit_code == 0
        assert kyber("logs", "retain", "--dry-run").exit_code == 0
    result = kyber("logs", "collect")
    assert result.exit_code == 0


# --- what became of it ------------------------------------------------------------------------------------------------


def test_before_anything_is_collected_each_source_has_nothing(here: Path) -> None:
    shown = kyber("logs", "status")
    assert (shown.exit_code, shown.stderr) == (0, "")
    rows = [line.split() for line in shown.stdout.splitlines()[1:]]
    assert rows == [[name, "0", "0", "B", "–", "0", "–"] for name in ("app", "auth")]
    found = status()
    assert list(found) == ["app", "auth"]
    for one in found.values():
        assert one["last"] is None
        assert one["first"] is None
        assert one["last_read"] is None
        assert all(value == 0 for name, value in one.items() if isinstance(value, int) and name != "silent")
    assert not (here / ".kyber").exists()


def test_the_numbers_of_the_ledger_add_up(here: Path) -> None:
    collected()
    log(here, "app.jsonl", '{"n": "more"}', "not JSON", "", '{"n": "again"}', mode="a")
    collected()
    found = status()
    for one in found.values():
        assert one["records"] == one["held"] + one["blank"] + one["rejected"]
        assert one["events"] == one["stored"] + one["duplicate"]
        assert one["kept"] == one["stored"]
        assert one["pending_bytes"] == 0
    app = found["app"]
    assert (app["records"], app["held"], app["blank"], app["rejected"]) == (10, 7, 2, 1)
    assert (app["stored"], app["duplicate"]) == (7, 0)
    assert app["first"] == (NOW - timedelta(days=400)).isoformat()
    assert app["last"] == NOW.isoformat()
    assert datetime.fromisoformat(app["last_read"]) >= NOW


def test_the_status_shows_a_row_for_each_source_and_the_ledger_where_it_is_asked_for(here: Path) -> None:
    collected()
    rows = [line.split() for line in kyber("logs", "status").stdout.splitlines()]
    assert rows[0] == ["source", "events", "kept", "size", "not", "yet", "read", "rejected", "last", "event"]
    assert [(row[0], row[1], row[5]) for row in rows[1:]] == [("app", "5", "0"), ("auth", "1", "1")]
    assert rows[1][6:] == [f"{NOW:%Y-%m-%d}", f"{NOW:%H:%M}"]
    verbose = kyber("logs", "status", "-v").stdout.splitlines()
    assert [line.split() for line in verbose[:3]] == rows
    assert verbose[3].startswith(
        "app: 6 records read = 5 in events + 1 blank + 0 rejected; 5 events stored, 0 stored before"
    )
    assert verbose[4].startswith("auth: 2 records read = 1 in events + 0 blank + 1 rejected; 1 events stored")


def test_what_is_held_back_for_the_next_time_is_shown(here: Path) -> None:
    (here / "logs" / "app.jsonl").write_text('{"n": 1}\n{"n": 2}', encoding="utf-8")  # written just now, no end
    collected("app")
    found = status()["app"]
    size = f"{found['bytes'] / 1_000:.1f}"
    assert found["pending_bytes"] == len('{"n": 2}')
    assert kyber("logs", "status").stdout.splitlines()[1].split()[:6] == ["app", "1", *f"{size} kB 8 B".split()]


def test_a_source_that_has_left_the_register_is_still_shown(here: Path) -> None:
    collected()
    (here / "sources" / "app.yaml").unlink()
    assert {name: one["kept"] for name, one in status().items()} == {"auth": 1, "app": 5}


def test_a_source_that_is_silent_is_marked_and_an_event_of_the_future_does_not_hide_it(here: Path) -> None:
    collected()
    source(here, "auth", "logs/auth.log", "syslog", more="expected_every: 30 min\n")
    source(here, "app", "logs/app.jsonl", "json", more="expected_every: 30 min\n")
    log(here, "app.jsonl", json.dumps({"@timestamp": (NOW - timedelta(hours=2)).isoformat()}))
    events = [{"@timestamp": (NOW + timedelta(days=days)).isoformat()} for days in (2, 4_000)]
    log(here, "future.jsonl", *map(json.dumps, events))
    source(here, "future", "logs/future.jsonl", "json", more="expected_every: 30 min\n")
    collected()
    found = status()
    assert {name: one["silent"] for name, one in found.items()} == {"app": False, "auth": False, "future": True}
    assert (found["future"]["kept"], found["future"]["last"]) == (2, None)
    (row,) = (line for line in kyber("logs", "status").stdout.splitlines() if line.startswith("future"))
    assert row.rstrip().endswith("– (silent)")


# --- what was rejected ------------------------------------------------------------------------------------------------

HOSTILE = f"\x1b]0;title\x07\x1b[31mred\u202e {CODE} [bold]x[/bold] " + "long " * 100


def test_rejected_records_are_shown_with_their_reasons_harmless_and_masked(here: Path) -> None:
    log(here, "auth.log", HOSTILE, mode="a")
    name = f"{CODE}\x1b[2J.log"
    log(here, name, "another")
    source(here, "named", "logs/*J.log", "syslog")
    collected()
    result = kyber("logs", "rejected")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "F10 Rejected records without a syslog header: 3."
    assert lines[1] == "    logs/auth.log:2: no header here"
    assert lines[2].startswith(
        "    logs/auth.log:3: \\x1b]0;title\\x07\\x1b[31mred\\u202e ******-**** [bold]x[/bold] long"
    )
    assert lines[2].endswith("…")
    assert len(lines[2]) < SHOWN + 70
    assert lines[3] == "    logs/******-****\\x1b[2J.log:1: another"
    assert len(lines) == 4
    assert CODE not in result.stdout
    assert kyber("logs", "rejected", "named").stdout.splitlines()[1:] == lines[3:]
    assert kyber("logs", "rejected", "app").stdout == ""


def test_rejected_records_are_shown_by_reason_the_most_frequent_first_with_some_examples(here: Path) -> None:
    log(here, "auth.log", *("no header",) * 4, mode="a")
    log(here, "app.jsonl", "{", "[]", "{", mode="a")
    collected()
    lines = kyber("logs", "rejected").stdout.splitlines()
    assert [line for line in lines if line.startswith("F")] == [
        "F10 Rejected records without a syslog header: 5.",
        "F41 Rejected records that are not valid JSON: 2.",
        "F40 Rejected records that are JSON, but not objects: 1.",
    ]
    assert (len(lines), lines[4]) == (10, "    … and 2 more: --limit shows more of them.")
    few = kyber("logs", "rejected", "--limit", "1").stdout.splitlines()
    assert [line.strip().partition(":")[0] for line in few] == [
        "F10 Rejected records without a syslog header",
        "logs/auth.log",
        "… and 4 more",
        "F41 Rejected records that are not valid JSON",
        "logs/app.jsonl",
        "… and 1 more",
        "F40 Rejected records that are JSON, but not objects",
        "logs/app.jsonl",
    ]
    some = kyber("logs", "rejected", "--json", "--limit", "1").stdout.splitlines()
    assert [json.loads(line)["reason"] for line in some] == ["F41", "F40", "F10"]
    assert len(kyber("logs", "rejected", "--json").stdout.splitlines()) == 8


def test_rejected_records_are_given_whole_as_json_lines_and_masked(here: Path) -> None:
    log(here, "auth.log", HOSTILE, mode="a")
    log(here, "app.jsonl", f'["{CODE}"]', f'"\\ud800 {CODE}', mode="a")
    collected()
    result = kyber("logs", "rejected", "--json")
    assert result.exit_code == 0
    assert not {"\x1b", "\u202e"} & set(result.stdout)
    assert CODE not in result.stdout
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["source"], one["record"], one["reason"]) for one in found] == [
        ("app", 7, "F40"),
        ("app", 8, "F41"),
        ("auth", 2, "F10"),
        ("auth", 3, "F10"),
    ]
    assert found[0] == {
        "source": "app",
        "file": "logs/app.jsonl",
        "record": 7,
        "offset": found[0]["offset"],
        "reason": "F40",
        "facts": {"kind": "list"},
        "raw": '["******-****"]',
    }
    assert found[3]["raw"] == HOSTILE.replace(CODE, "******-****")


def test_rejected_records_of_a_source_that_nobody_knows_are_a_wrong_argument(here: Path) -> None:
    before = kyber("logs", "rejected")
    assert (before.exit_code, before.stdout) == (3, "")
    assert "nothing is stored yet" in before.stderr
    collected()
    result = kyber("logs", "rejected", "auht")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no log source 'auht'; there are app, auth" in result.stderr
    (here / "sources" / "auth.yaml").unlink()
    assert "no header here" in kyber("logs", "rejected", "auth").stdout


# --- what is deleted --------------------------------------------------------------------------------------------------


def numbers(source: str) -> list[object]:
    """The field `n` of every stored event of a source."""
    lines = kyber("search", "*", "--source", source, "--json").stdout.splitlines()
    return [one.get("n") for one in map(json.loads, lines)]


def everything(root: Path) -> dict[str, bytes]:
    """The files of a workspace but for the index, which readers may write to."""
    files = (
        file for file in root.rglob("*") if file.is_file() and "sqlite" not in file.name and file.suffix != ".lock"
    )
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def test_retention_deletes_what_is_old_enough_and_says_so(here: Path) -> None:
    collected()
    before = everything(here)
    dry = kyber("logs", "retain", "--dry-run")
    assert dry.exit_code == 0
    first, last = ((NOW - timedelta(days=days)).date() for days in (400, 40))
    assert dry.stdout.splitlines() == [
        f"app: 2 records of {first} to {last} would be deleted.",
        "0 findings would be deleted.",
        "The decisions about 0 findings would be deleted.",
    ]
    assert dry.stderr == "auth has no retention: all of it is kept.\n"
    assert everything(here) == before
    assert status()["app"]["kept"] == 5
    real = kyber("logs", "retain")
    assert real.exit_code == 0
    assert real.stdout.splitlines()[0] == f"app: 2 records of {first} to {last} deleted."
    assert real.stderr == dry.stderr
    found = status()["app"]
    assert (found["kept"], found["stored"], found["records"]) == (3, 5, 6)
    assert len((here / ".kyber" / "deleted.jsonl").read_text().splitlines()) == 2
    assert {day.name for day in (here / ".kyber/events/app").iterdir()} == {
        "undated",
        *(f"{(NOW - timedelta(days=days)):%Y-%m-%d}" for days in (2, 0)),
    }
    again = kyber("logs", "retain")
    assert again.stdout.splitlines() == ["0 findings deleted.", "The decisions about 0 findings deleted."]
    # What was deleted does not come back, and the logs themselves are not touched.
    assert collected() == ["0 events stored. 2 files had nothing new."]
    assert everything(here).items() >= {name: text for name, text in before.items() if name.startswith("logs/")}.items()


def old_and_new(root: Path) -> None:
    """A finding of three years ago and one of today; decisions of six years ago and of today."""
    old, new = finding(1, first=NOW - timedelta(days=1_100)), finding(2, first=NOW)
    with kept.open(root / ".kyber") as store:
        store.save((old, new), NOW)
    (root / "triage").mkdir()
    for one, on in ((old, NOW - timedelta(days=2_200)), (new, NOW)):
        made = edit(root, (), one, Decision(status="acknowledged", by="eero", on=on))
        made.file.write_text(made.text, encoding="utf-8")


def findings(root: Path) -> list[str]:
    with kept.open(root / ".kyber") as store:
        return sorted(one.finding.id for one in store.all())


def test_retention_deletes_findings_and_decisions_by_the_settings(here: Path) -> None:
    old_and_new(here)
    decided = sorted((here / "triage").iterdir())
    dry = kyber("logs", "retain", "--dry-run")
    assert dry.stdout.splitlines() == ["1 finding would be deleted.", "The decisions about 1 finding would be deleted."]
    assert len(findings(here)) == 2
    assert sorted((here / "triage").iterdir()) == decided
    real = kyber("logs", "retain")
    assert (real.exit_code, real.stderr) == (0, "")
    assert real.stdout.splitlines() == ["1 finding deleted.", "The decisions about 1 finding deleted."]
    assert findings(here) == [f"{2:032x}"]
    assert len(list((here / "triage").iterdir())) == 1


def test_findings_on_which_nobody_decided_are_named_before_and_when_they_are_deleted(here: Path) -> None:
    old_and_new(here)
    for file in (here / "triage").iterdir():
        file.unlink()
    for options in (("--dry-run",), ()):
        said = kyber("logs", "retain", *options).stdout.splitlines()
        assert said[1] == "Nobody had decided on 1 of them:"
        assert said[2].startswith(f"  {1:032x}"[:10])
        assert said[2].endswith(finding(1).rule.title)
    assert findings(here) == [f"{2:032x}"]


def test_what_retention_deletes_is_given_as_json_lines(here: Path) -> None:
    collected()
    old_and_new(here)
    for options in (["--dry-run"], []):
        result = kyber("logs", "retain", "--json", *options)
        assert result.stderr == "auth has no retention: all of it is kept.\n"
        logs, later, known, decided = map(json.loads, result.stdout.splitlines())
        time = (NOW - timedelta(days=400)).isoformat(timespec="seconds")
        assert logs == {
            "what": "logs",
            "source": "app",
            "kind": "events",
            "day": time[:10],
            "first": time,
            "last": time,
            "rows": 1,
            "sha256": logs["sha256"],
        }
        assert later["day"] == f"{NOW - timedelta(days=40):%Y-%m-%d}"
        assert known == {"what": "finding", "id": f"{1:032x}"}
        assert (decided["what"], decided["finding"]) == ("decisions", f"{1:032x}")
    written = [json.loads(line) for line in (here / ".kyber" / "deleted.jsonl").read_text().splitlines()]
    assert [{"what": "logs", **one} for one in written] == [
        {**one, "deleted": written[0]["deleted"]} for one in (logs, later)
    ]


def test_where_nothing_was_kept_nothing_is_made_and_nothing_deleted(here: Path) -> None:
    for options in (["--dry-run"], []):
        result = kyber("logs", "retain", *options)
        assert (result.exit_code, result.stderr) == (0, "")
        assert not (here / ".kyber").exists()


def test_a_source_whose_retention_cannot_be_read_is_told_of_and_kept(here: Path) -> None:
    collected()
    source(here, "app", "logs/app.jsonl", "json", retention="soon")
    result = kyber("logs", "retain")
    assert result.exit_code == 1
    assert "sources/app.yaml" in result.stderr
    assert "app has no retention: all of it is kept." in result.stderr
    assert status()["app"]["kept"] == 5


@pytest.mark.parametrize("command", ["collect", "retain", "rejected", "status"])
def test_a_damaged_index_is_told_of_without_a_traceback(command: str, here: Path) -> None:
    collected()
    (here / ".kyber" / "index.sqlite").write_bytes(b"\xa5" * 9_000)
    result = kyber("logs", command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "index.sqlite is damaged" in result.stderr
