"""`kyber search`: what it shows and where, and how it ends."""

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from kyber.logs.formats.known import detect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import writing
from kyber.logs.stream import Stream
from kyber.privacy import MASK
from tests.cli.run import kyber
from tests.cli.test_scan import AUTH, CODE, SAMPLES

ROW: Final = re.compile(r"^\| `(.+?)` \|.*\| ([\d,]+) \|$", re.MULTILINE)
LANGUAGE: Final = ROW.findall(
    (SAMPLES.parent / "docs" / "search.md").read_text(encoding="utf-8").partition("## Fields")[0]
)
"""The queries of the document, and how many events each is told to find."""
LINE: Final = "2026-03-02T10:14:07+02:00 www1 app[1]: {}\n"
NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)


def records(result: Result) -> list[dict[str, Any]]:
    """What `--json` gave; every line of standard output has to be one."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def rows(result: Result) -> list[dict[str, str]]:
    """What `--format csv` gave."""
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with what may harm its readers."""
    file = tmp_path / "app.log"
    lines = ("=HYPERLINK(1)", f"hetu={CODE}", "\x1b[31mred\x1b]8;;http://x\x07 [bold]", "plain")
    file.write_text("".join(map(LINE.format, lines)), encoding="utf-8")
    return file


def keep(county: Path, source: str, *paths: Path) -> None:
    """Store what files hold as the events of a source."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Helsinki")
    found, _ = inputs([str(path) for path in paths], NOW)
    with writing(county / ".kyber", "test") as store:
        for one in found:
            stream = Stream(one)
            form = detect(stream.sample)
            for batch in batches(stream, form, Job(source=source, inputs=[one], zone=zone), Tally()):
                cursor = Cursor(source=source, path=one.name)
                store.append(
                    batch, [], batch.origin(0), cursor, Read(source=source, file=one.name), 1_773_000_000_000_000
                )
            stream.close()


# --- events ----------------------------------------------------------------------------------------------------------


def test_a_table_shows_the_newest_first_and_says_how_many_there_are() -> None:
    result = kyber("search", "Failed password source.ip:198.51.100.0/24", "--path", AUTH, "--limit", 2)
    assert result.exit_code == 0
    header, first, *rest = result.stdout.splitlines()
    assert header.split() == ["time", "host.name", "user.name", "source.ip", "Event"]
    assert first.startswith("2026-03-08 11:10:53  www1")
    assert "198.51.100.65   sshd: Failed" in first
    assert sum(line.startswith("2026") for line in (first, *rest)) == 2
    assert rest[-1].startswith("20 events match, of ")
    assert "--limit shows more" in rest[-1]


def test_lines_of_json_hold_whole_events_as_they_are_read() -> None:
    found = records(kyber("search", "user.name:oracle", "-p", AUTH, "--json", "--raw"))
    assert len(found) > 10
    assert list(found[0]) == ["id", "time", "source", "file", "record", "fields", "raw"]
    assert found[0]["fields"]["user.name"] == "oracle"
    assert found[0]["raw"] == AUTH.read_text(encoding="utf-8").splitlines()[found[0]["record"] - 1]
    assert [one["record"] for one in found] == sorted(one["record"] for one in found)
    (same,) = records(kyber("search", f"kyber.id:{found[3]['id']}", "-p", AUTH, "--json", "--raw"))
    assert same == found[3]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_form_holds_the_same_events_and_the_ending_chooses_it(form: str, tmp_path: Path) -> None:
    out = tmp_path / f"found.{form}"
    fields = ("time", "user.name", "source.ip", "kyber.record")
    result = kyber("search", "user.name:(oracle OR pi)", "-p", AUTH, "--fields", ",".join(fields), "-o", out)
    assert (result.exit_code, result.output) == (0, "")
    told = records(kyber("search", "user.name:(oracle OR pi)", "-p", AUTH, "--json"))
    wanted = [(one["time"], one["fields"]["user.name"], one["fields"].get("source.ip"), one["record"]) for one in told]
    if form == "jsonl":
        read = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        got = [(one["time"], one["fields"]["user.name"], one["fields"].get("source.ip"), one["record"]) for one in read]
    elif form == "csv":
        with out.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        got = [(one["time"], one["user.name"], one["source.ip"] or None, int(one["kyber.record"])) for one in lines]
    else:
        table = pq.read_table(out).to_pylist()
        got = [
            (one["time"].isoformat().replace("+00:00", "Z"), one["user.name"], one["source.ip"], one["kyber.record"])
            for one in table
        ]
    assert got == wanted
    assert len(got) > 20


def test_sorting_by_a_field_and_a_limit_hold_for_every_form() -> None:
    found = rows(kyber("search", "source.ip:*", "-p", AUTH, "-f", "csv", "--sort", "user.name:desc", "--limit", 5))
    names = [one["user.name"] for one in found]
    assert len(names) == 5
    assert names == sorted(names, reverse=True)


def test_periods_and_times_are_those_of_the_time_zone_that_was_asked_for() -> None:
    helsinki = kyber(
        "search", "-p", AUTH, "--between", "2026-03-03", "2026-03-03", "--timezone", "Europe/Helsinki", "--json"
    )
    days = {one["time"] for one in records(helsinki)}
    assert min(days) >= "2026-03-02T22"
    assert max(days) < "2026-03-03T22"
    utc = kyber("search", "-p", AUTH, "--since", "2026-03-08T09:00", "--json")
    assert min(one["time"] for one in records(utc)) >= "2026-03-08T09:00"
    shown = kyber("search", "oracle", "-p", AUTH, "--timezone", "Europe/Helsinki", "--limit", 1)
    assert "2026-03-08 13:10:54" in shown.stdout
    assert "time zone Europe/Helsinki" in shown.stdout


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_events_are_counted_whole_by_fields_and_over_time() -> None:
    told = records(kyber("search", "sshd", "-p", AUTH, "--json"))
    assert kyber("search", "sshd", "-p", AUTH, "--count").stdout == f"{len(told)}\n"
    assert records(kyber("search", "sshd", "-p", AUTH, "--count", "--json"))[0]["count"] == len(told)
    groups = records(kyber("search", "sshd", "-p", AUTH, "--by", "user.name,host.name", "--json"))
    assert sum(one["count"] for one in groups) == len(told)
    assert groups[0]["count"] == max(one["count"] for one in groups)
    assert set(groups[0]["fields"]) == {"user.name", "host.name"}
    buckets = records(kyber("search", "sshd", "-p", AUTH, "--every", "1d", "--json"))
    assert sum(one["count"] for one in buckets) == len(told)
    assert buckets[0] == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z", "count": buckets[0]["count"]}


def test_a_histogram_is_drawn_with_blocks() -> None:
    shown = kyber("search", "sshd", "-p", AUTH, "--histogram").stdout
    assert "█" in shown
    assert shown.splitlines()[0].startswith("2026-03-01 ")
    assert "events match" in shown


def test_groups_in_a_table_are_the_largest_and_more_is_said() -> None:
    result = kyber("search", "-p", AUTH, "--by", "user.name", "--limit", 2)
    header, *_ = lines = result.stdout.splitlines()
    assert header.split() == ["count", "user.name"]
    assert "--limit shows more" in lines[-1]


def test_sql_asks_the_events_that_match() -> None:
    pytest.importorskip("duckdb")
    statement = "SELECT user.name, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC, 1"
    answer = records(kyber("search", "sshd user.name:*", "-p", AUTH, "--sql", statement, "--json"))
    groups = records(kyber("search", "sshd user.name:*", "-p", AUTH, "--by", "user.name", "--json"))
    assert {(one["user.name"], one["n"]) for one in answer} == {
        (one["fields"]["user.name"], one["count"]) for one in groups
    }
    shown = kyber("search", "-p", AUTH, "--sql", "SELECT time, user.name FROM events", "--limit", 1)
    assert shown.stdout.split()[0] == "time"
    assert "--limit shows more" in shown.stdout


@pytest.mark.parametrize(("query", "told"), LANGUAGE)
def test_the_queries_of_the_document_find_what_it_says(query: str, told: str) -> None:
    assert kyber("search", query.replace("\\|", "|"), "--path", SAMPLES, "--count").stdout == f"{told}\n"


def test_the_document_shows_the_language_by_examples() -> None:
    assert len(LANGUAGE) > 12


# --- what is said of an answer ---------------------------------------------------------------------------------------


def test_a_field_that_no_event_has_is_told_of_on_standard_error() -> None:
    result = kyber("search", "usr.name:root", "-p", AUTH, "--fields", "time,hots.name", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No event has the field usr.name. Did you mean one of these: user.name" in result.stderr
    assert "hots.name" in result.stderr


def test_what_could_not_be_read_is_told_and_the_rest_searched(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8b\x08 but no more")
    result = kyber("search", "oracle", "-p", AUTH, "-p", broken, "--count")
    assert result.exit_code == 0
    assert "F06" in result.stderr
    assert int(result.stdout) > 0
    assert kyber("search", "-p", broken).exit_code == 3
    assert kyber("search", "-p", tmp_path / "none").exit_code == 3


def test_a_query_that_cannot_be_read_shows_where() -> None:
    result = kyber("search", 'user.name:"adm', "-p", AUTH)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "kyber: the query cannot be read at column 11: this quote is not closed",
        '       user.name:"adm',
        "                 ^",
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--by", "a", "--count"], "two questions"),
        (["--histogram", "--sql", "SELECT 1"], "two questions"),
        (["--count", "--fields", "a"], "shows none"),
        (["--since", "soon"], "--since: 'soon' is no time"),
        (["--between", "2026-03-04", "2026-03-01"], "is before"),
        (["--since", "1d", "--between", "2026-03-01", "2026-03-02"], "two periods"),
        (["--every", "1 month"], "--every 1 month"),
        (["--by", ","], "needs names"),
        (["--sort", ":desc"], "--sort needs"),
        (["--format", "parquet"], "--output"),
        (["--timezone", "Moon"], "no time zone"),
        (["--input", "moon"], "no format 'moon'"),
        (["--source", "dc1"], "--source chooses among what is stored"),
        (["--reveal", "--purpose", "x"], "needs a workspace"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = kyber("search", "-p", AUTH, *options)
    assert result.exit_code == 2
    assert why in result.stderr


def test_an_output_never_takes_the_place_of_a_log(log: Path) -> None:
    before = log.read_bytes()
    result = kyber("search", "-p", log, "-o", log, "--json")
    assert result.exit_code == 2
    assert log.read_bytes() == before


# --- safety ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "jsonl", "csv"])
def test_nothing_in_a_log_steers_a_terminal_or_a_spreadsheet(form: str, log: Path) -> None:
    result = kyber("search", "-p", log, "--raw", "--format", form)
    assert result.exit_code == 0
    assert not {letter for letter in result.stdout if ord(letter) < 32} - {"\n"}
    if form == "csv":
        assert next(csv.DictReader(io.StringIO(result.stdout)))["message"] == "'=HYPERLINK(1)"


SHOWN_ALL: Final[Sequence[Sequence[str]]] = (
    ("--raw",),
    ("--raw", "--json"),
    ("--raw", "--format", "csv"),
    ("--by", "message", "--json"),
    ("--sql", "SELECT message, kyber.raw, substr(message, 6, 5) AS part FROM events", "--json"),
)


@pytest.mark.parametrize("options", SHOWN_ALL)
def test_personal_identity_codes_are_masked_in_every_form(options: Sequence[str], log: Path) -> None:
    result = kyber("search", CODE[:6], "-p", log, *options)
    assert result.exit_code == 0
    assert MASK in result.stdout.replace("\n", "").replace(" ", "")
    assert CODE[:6] not in result.stdout


def test_what_sql_puts_together_and_what_may_be_meant_are_masked_too(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text(json.dumps({"a": CODE[:6], "b": CODE[6:], CODE: "x"}) + "\n", encoding="utf-8")
    for options in (
        ("--sql", "select a || b as whole, [a || b] as listed, {'c': a || b} as held from events", "--json"),
        ("--sql", "select cast(a || b as date) from events"),
        ("--sql", f'select "{CODE[:-1]}x" from events'),
        (f"{CODE[:-1]}x:y",),
    ):
        result = kyber("search", *options, "-p", log)
        assert CODE not in result.stdout + result.stderr, options
        if options[-1] == "--json":
            assert result.stdout.count(MASK) == 3


def test_parquet_masks_too(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert kyber("search", "hetu", "-p", log, "-o", out, "--raw").exit_code == 0
    (row,) = pq.read_table(out).to_pylist()
    assert row["message"] == f"hetu={MASK}"
    assert CODE not in str(row)


def test_who_reveals_identity_codes_is_recorded_first(log: Path, county: Path) -> None:
    refused = kyber("search", "hetu", "-p", log, "--workspace", county, "--reveal", "--json")
    assert refused.exit_code == 2
    told = kyber(
        "search", f"hetu {CODE}", "-p", log, "--workspace", county, "--reveal", "--purpose", "case 7", "--json"
    )
    assert CODE in told.stdout
    (line,) = (county / ".kyber" / "readers.jsonl").read_text(encoding="utf-8").splitlines()
    read = json.loads(line)
    assert (read["command"], read["purpose"], read["paths"]) == ("search --reveal", "case 7", [str(log)])
    assert read["query"] == f"hetu {MASK}"


# --- what is stored --------------------------------------------------------------------------------------------------


def test_without_a_store_it_says_what_to_do(county: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = kyber("search", "root", "--workspace", county)
    assert result.exit_code == 3
    assert "nothing is stored yet: run `kyber logs collect`" in result.stderr
    monkeypatch.chdir(tmp_path)
    assert "there is nothing to search" in kyber("search", "root").stderr


def test_what_is_stored_gives_the_same_events_as_the_files(county: Path) -> None:
    keep(county, "web-server", SAMPLES / "linux" / "auth.log", SAMPLES / "linux" / "syslog")
    keep(county, "domain-controller", SAMPLES / "windows" / "security.jsonl")
    paths = [
        part
        for name in ("linux/auth.log", "linux/syslog", "windows/security.jsonl")
        for part in ("--path", str(SAMPLES / name))
    ]
    for query in (
        "",
        "root OR anna",
        "EventID:4625",
        "source.ip:198.51.100.0/24 -oracle",
        "time:2026-03-04",
        "NOT user.name:*",
    ):
        stored = records(kyber("search", query, "--workspace", county, "--json", "--raw"))
        read = records(kyber("search", query, "--workspace", county, "--json", "--raw", *paths))
        same = ("time", "file", "record", "fields", "raw")
        assert sorted(json.dumps([one[name] for name in same], sort_keys=True) for one in stored) == sorted(
            json.dumps([one[name] for name in same], sort_keys=True) for one in read
        ), query
        assert stored, query


def test_sources_and_periods_narrow_what_is_stored(county: Path) -> None:
    keep(county, "web-server", SAMPLES / "linux" / "auth.log")
    keep(county, "domain-controller", SAMPLES / "windows" / "security.jsonl")
    found = records(kyber("search", "--source", "domain-controller", "--workspace", county, "--json"))
    assert {one["source"] for one in found} == {"domain-controller"}
    told = records(kyber("search", "source:web-server", "--workspace", county, "--by", "source", "--json"))
    assert [one["fields"] for one in told] == [{"source": "web-server"}]
    nothing = kyber("search", "--since", "2031-01-01", "--workspace", county)
    assert nothing.exit_code == 0
    assert "ei ole tallennettu" in nothing.stderr or "No events were stored" in nothing.stderr
    unknown = kyber("search", "--source", "moon", "--workspace", county)
    assert unknown.exit_code == 2
    assert "there is no log source 'moon'" in unknown.stderr


def test_what_the_workspace_knows_of_hosts_can_be_asked_for(county: Path) -> None:
    (county / "enrichment").mkdir(exist_ok=True)
    (county / "enrichment" / "search.yaml").write_text("assets: [{host: www1, criticality: high}]\n", encoding="utf-8")
    arguments = ("search", "-p", AUTH, "--workspace", county, "--by", "host.name", "--json")
    groups = records(kyber(*arguments, "host.criticality:high"))
    assert [one["fields"] for one in groups] == [{"host.name": "www1"}]


def test_an_answer_is_in_the_language_of_the_workspace(tmp_path: Path) -> None:
    folder = tmp_path / "alue"
    assert kyber("init", folder, "--language", "fi").exit_code == 0
    shown = kyber("search", "sshd", "-p", AUTH, "--workspace", folder, "--limit", 1).stdout
    assert "Tapahtuma" in shown
    assert "Täsmääviä tapahtumia" in shown
