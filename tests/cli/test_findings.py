"""`kyber findings`: what it lists and shows, and what it writes down when somebody decides."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from kyber import kept
from kyber.finding import Family, Finding
from kyber.level import Level
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import writing
from kyber.logs.stream import Stream
from kyber.triage import Triage, load_triage
from tests.cli.run import kyber
from tests.render.results import CODE, finding, rule

NOW = datetime(2026, 3, 5, 6, 0, tzinfo=UTC)
STOPPED = rule("stopped", "Service stopped")
FOUND = [
    replace(finding(0xAAAA << 112, level=Level.CRITICAL), sources=("ad",)),
    finding(0xBBBB << 112, of=STOPPED, family=Family.TECHNICAL, group={"host.name": "SRV-9"}),
    finding(0xCCCC << 112, level=Level.LOW, group={"user.name": "bertta"}, first=None),
]


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No identity of git but what a test gives it."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("GIT_CONFIG_COUNT", "XDG_CONFIG_HOME", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def here(county: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with three findings, and a git in which Eero works."""
    save(county, *FOUND)
    subprocess.run(["git", "init", "--quiet", county], check=True, capture_output=True)
    be(county, "Eero Malli", "Eero.Malli@esimerkkila.example")
    monkeypatch.chdir(county)
    return county


def save(root: Path, *findings: Finding, now: datetime = NOW) -> None:
    with kept.open(root / ".kyber") as store:
        store.save(findings, now)


def be(root: Path, name: str, email: str) -> None:
    for key, value in (("user.name", name), ("user.email", email)):
        subprocess.run(["git", "-C", root, "config", key, value], check=True, capture_output=True)


def listed(*options: object) -> list[str]:
    """The first four characters of the ids that are listed."""
    result = kyber("findings", "list", "--json", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["id"][:4] for line in result.stdout.splitlines()]


def one(*command: object) -> dict[str, Any]:
    result = kyber(*command)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def decided(root: Path) -> dict[str, Triage]:
    records, problems = load_triage(root)
    assert problems == ()
    return {record.finding[:4]: record for record in records}


def assert_refused(result: Result, *told: str) -> None:
    assert result.exit_code == 2, result.output
    assert all(text in result.stderr for text in told), result.stderr


# list


def test_the_list_shows_a_row_for_each_open_finding_the_most_serious_first(here: Path) -> None:
    lines = kyber("findings", "list").stdout.splitlines()
    assert lines[0].split() == ["Id", "Level", "Status", "Last", "(UTC)", "Events", "Finding"]
    assert lines[1].split() == ["aaaa0000", "Critical", "Open", "2026-03-02", "08:20", "3", "Title", "of", "encoded"]
    assert lines[2].split() == ["WS-1", "·", "anna", "·", "10.1.2.3"]
    assert [line[:4] for line in lines[1:] if line[0] != " "] == ["aaaa", "bbbb", "cccc"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["aaaa", "bbbb", "cccc"]),
        (["--level", "high"], ["aaaa", "bbbb"]),
        (["--family", "technical"], ["bbbb"]),
        (["--family", "technical", "--family", "access"], ["bbbb"]),
        (["--rule", "service*"], ["bbbb"]),
        (["--host", "srv-*"], ["bbbb"]),
        (["--user", "bertta"], ["cccc"]),
        (["--source", "ad"], ["aaaa"]),
        (["--since", "2026-03-03"], ["cccc"]),
        (["--since", "2026-03-02"], ["aaaa", "bbbb", "cccc"]),
        (["--status", "closed"], []),
        (["--status", "all", "--level", "critical"], ["aaaa"]),
    ],
)
def test_the_list_can_be_narrowed(here: Path, options: list[str], expected: list[str]) -> None:
    assert listed(*options) == expected


def test_since_counts_back_from_now(here: Path) -> None:
    save(here, finding(0xDDDD << 112, first=datetime.now(UTC) - timedelta(hours=1)))
    assert listed("--since", "7d") == ["dddd"]
    assert_refused(kyber("findings", "list", "--since", "soon"), "--since", "2026-03-04")


def test_the_list_has_the_forms_of_a_scan_and_says_where_findings_stand(here: Path) -> None:
    assert kyber("findings", "close", "aaaa", "--why", "done").exit_code == 0
    every = ("findings", "list", "--status", "all")
    for name in ("out.html", "out.csv", "out.sarif", "out.jsonl", "out.txt"):
        assert kyber(*every, "-o", here / name).exit_code == 0
    assert "Closed, eero.malli" in (here / "out.html").read_text(encoding="utf-8")
    assert '"closed"' in (here / "out.csv").read_text(encoding="utf-8")
    assert (here / "out.txt").read_text(encoding="utf-8").startswith("Id ")
    log = json.loads((here / "out.sarif").read_text(encoding="utf-8"))
    assert log["runs"][0]["results"][0]["suppressions"][0]["justification"] == "done"
    assert json.loads((here / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])["judged"]["status"] == "closed"
    events = [json.loads(line) for line in kyber(*every, "--format", "timesketch").stdout.splitlines()]
    assert [event["status"] for event in events] == ["closed", "open", "open"]


@pytest.mark.parametrize("name", [".kyber/out.jsonl", "kyber.yaml", "rules/service_account_interactive.yml"])
def test_the_list_takes_no_place_of_what_the_workspace_holds(here: Path, name: str) -> None:
    before = {file: file.read_bytes() for file in here.rglob("*") if file.is_file() and ".git/" not in str(file)}
    assert_refused(kyber("findings", "list", "-o", here / name), name)
    assert all(file.read_bytes() == content for file, content in before.items())


def test_an_empty_list_says_so_and_how_many_are_decided_on(here: Path) -> None:
    assert kyber("findings", "close", "aaaa", "bbbb", "--why", "done").exit_code == 0
    assert "2 more have been decided on: --status all shows them too." in kyber("findings", "list").stdout
    assert kyber("findings", "list", "--host", "nowhere").stdout == "No finding that was kept fits.\n"


def test_a_hostile_name_in_a_log_is_shown_and_not_obeyed(here: Path) -> None:
    bad = f"\x1b[2J[red]x[/red] {CODE}\u202e"
    save(here, finding(0xDDDD << 112, group={"host.name": bad}, value=bad))
    for command in (("list",), ("show", "dddd")):
        text = kyber("findings", *command).stdout
        assert "\\x1b[2J[red]x[/red] ******-****\\u202e" in text.replace("\n", "")
        assert "\x1b" not in text
        assert CODE not in text


def test_where_no_scan_has_kept_a_finding_the_command_says_how_to_get_some(county: Path, tmp_path: Path) -> None:
    assert_refused(kyber("findings", "list", "--workspace", county), "kyber scan")
    assert_refused(kyber("findings", "list", "--workspace", tmp_path), "kyber init")
    assert not (county / ".kyber" / kept.FILE).exists()


def test_a_decision_that_cannot_be_read_is_told(here: Path) -> None:
    (here / "triage").mkdir()
    (here / "triage" / "x.yaml").write_text("finding: 1\n", encoding="utf-8")
    result = kyber("findings", "list", "--json")
    assert len(result.stdout.splitlines()) == 3
    assert "triage/x.yaml:1: error K81" in result.stderr


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_the_words_are_those_of_the_workspace(here: Path, language: str) -> None:
    settings = here / "kyber.yaml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("language: en", f"language: {language}"), encoding="utf-8"
    )
    word, open_, done = {"fi": ("Havainto", "Avoin", "Suljettu: "), "sv": ("Fynd", "Öppet", "Avslutat: ")}[language]
    text = kyber("findings", "list").stdout
    assert word in text
    assert open_ in text
    assert kyber("findings", "close", "aaaa", "--why", "x").stdout.startswith(done)
    assert kyber("findings", "show", "aaaa").exit_code == 0


# show


def test_show_tells_everything_about_a_finding(here: Path) -> None:
    save(here, replace(FOUND[0], count=9), now=NOW + timedelta(days=1))
    kyber("findings", "ack", "aaaa", "--why", "Asking the user", "--until", "2099-01-31")
    text = kyber("findings", "show", "aaaa").stdout
    told = (
        FOUND[0].id, "Acknowledged", "WS-1", "anna", "10.1.2.3", "2026-03-02 08:15:30 – 08:20:30 UTC",
        "An encoded command. Attackers hide what they run.", "CommandLine = powershell -enc SQBFAFgA", "* -enc *",
        "logs/Security.evtx:17", "rules/security/encoded.yml", "Software deployment", "https://example.org/encoded",
        "ad", "2026-03-05 06:00:00 – 2026-03-06 06:00:00 UTC", "2026-03-06 06:00:00 UTC",
        "Acknowledged until 2099-01-31, eero.malli: Asking the user",
    )  # fmt: skip
    assert [value for value in told if value not in text] == []


def test_show_as_json_holds_the_finding_when_it_was_seen_and_every_decision(here: Path) -> None:
    kyber("findings", "ack", "bbbb")
    kyber("findings", "close", "bbbb", "--why", "done")
    found = one("findings", "show", "bbbb", "--json")
    assert found["id"] == FOUND[1].id
    assert (found["first_seen"], found["grown"]) == ("2026-03-05T06:00:00Z", None)
    assert found["judged"]["status"] == "closed"
    assert [(each["status"], each["by"]) for each in found["decisions"]] == [
        ("acknowledged", "eero.malli"),
        ("closed", "eero.malli"),
    ]


def test_a_beginning_that_fits_several_findings_lists_them(here: Path) -> None:
    save(here, finding((0xAAAA << 112) + 1))
    assert_refused(kyber("findings", "show", "aaaa"), FOUND[0].id, "Title of encoded")
    assert_refused(kyber("findings", "show", "ffff"), "begins with ffff")
    assert_refused(kyber("findings", "show", "aa"), "too short")


# around


LINE = "2026-03-02T08:{minute:02}:00Z {host} app[1]: {text}\n"


@pytest.fixture
def stored(here: Path) -> Path:
    """The workspace with some events of hosts around the time of a finding."""
    log = here / "logs" / "app.log"
    lines = [("WS-1", 4, "long before"), ("WS-1", 10, "just before"), ("SRV-9", 16, "elsewhere"), ("WS-1", 25, "after")]
    text = "".join(LINE.format(host=host, minute=minute, text=text) for host, minute, text in lines)
    log.write_text(text, encoding="utf-8")
    given = inputs([str(log)], NOW)[0][0]
    stream = Stream(given)
    job = Job(source="app", inputs=[given], zone=UTC)
    with writing(here / ".kyber", "a test") as store:
        for batch in batches(stream, FORMATS["syslog"], job, Tally()):
            cursor = Cursor(source="app", path=str(log), fingerprint=stream.fingerprint)
            store.append(batch, (), batch.origin(0), cursor, Read(source="app", file=str(log)), 0)
    stream.close()
    return here


def test_show_tells_what_else_happened_on_the_host_around_a_finding(stored: Path) -> None:
    text = kyber("findings", "show", "aaaa", "--around", "10m").stdout
    assert "WS-1, 2026-03-02 08:05:30 – 2026-03-02 08:30:30 (UTC)" in text
    assert [word for word in ("long before", "just before", "elsewhere", "after") if word in text] == [
        "just before",
        "after",
    ]
    raw = kyber("findings", "show", "aaaa", "--around", "10 min", "--raw").stdout
    assert "WS-1 app[1]: just before" in raw.replace("\n", " ")
    lines = [
        json.loads(line) for line in kyber("findings", "show", "aaaa", "--around", "1h", "--json").stdout.splitlines()
    ]
    assert lines[0]["id"] == FOUND[0].id
    assert len(lines) == 4


def test_where_there_is_nothing_to_look_around_it_is_said(here: Path) -> None:
    assert_refused(kyber("findings", "show", "cccc", "--around", "10m"), "no time")
    assert_refused(kyber("findings", "show", "aaaa", "--around", "soon"), "10m")
    nothing = kyber("findings", "show", "aaaa", "--around", "10m")
    assert nothing.exit_code == 3
    assert "nothing is stored yet" in nothing.stderr
    assert_refused(kyber("findings", "show", "aaaa", "--raw"), "--around")


def test_a_name_with_signs_of_the_query_language_is_looked_for_as_it_is(stored: Path) -> None:
    save(stored, finding(0xDDDD << 112, group={"host.name": '" OR host.name:* OR "\\'}))
    result = kyber("findings", "show", "dddd", "--around", "1h", "--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1


# decisions


def test_a_decision_is_a_file_in_git_that_names_the_person_and_nobody_from_the_logs(here: Path) -> None:
    result = kyber("findings", "close", "aaaa", "--why", "Agreed test of the vendor")
    assert result.stdout.splitlines() == [
        "Closed: Title of encoded (aaaa0000) → triage/2026-03-02-encoded-aaaa0000.yaml",
        "Commit the file to git, so that others see the decision.",
    ]
    (record,) = decided(here).values()
    (decision,) = record.decisions
    assert (decision.status, decision.by, decision.events) == ("closed", "eero.malli", 3)
    text = (here / "triage" / "2026-03-02-encoded-aaaa0000.yaml").read_text(encoding="utf-8")
    assert not any(value in text for value in ("WS-1", "anna", "10.1.2.3", "powershell"))
    assert kyber("check").exit_code == 0
    assert listed() == ["bbbb", "cccc"]
    assert listed("--status", "closed") == ["aaaa"]


def test_a_closed_finding_that_grows_is_open_again_and_a_false_positive_is_not(here: Path) -> None:
    kyber("findings", "close", "aaaa", "--why", "done")
    kyber("findings", "false-positive", "bbbb", "--why", "a backup")
    save(here, replace(FOUND[0], count=4), replace(FOUND[1], count=4), now=NOW + timedelta(days=1))
    assert listed() == ["aaaa", "cccc"]
    assert one("findings", "show", "aaaa", "--json")["judged"]["status"] == "reopened"
    assert "Reopened" in kyber("findings", "list").stdout
    assert listed("--status", "false-positive") == ["bbbb"]


def test_several_findings_are_decided_on_at_once_and_reopened(here: Path) -> None:
    assert "Commit the files" in kyber("findings", "ack", "aaaa", "bbbb", "aaaa").stdout
    assert listed("--status", "acknowledged") == ["aaaa", "bbbb"]
    result = kyber("findings", "reopen", "aaaa", "cccc")
    assert result.stdout.splitlines()[:2] == [
        "Open again: Title of encoded (aaaa0000) → triage/2026-03-02-encoded-aaaa0000.yaml",
        "Open already: Title of encoded (cccc0000)",
    ]
    assert listed() == ["aaaa", "cccc"]
    assert [each.status for each in decided(here)["aaaa"].decisions] == ["acknowledged", "open"]


def test_an_acknowledgement_can_lapse(here: Path) -> None:
    kyber("findings", "ack", "aaaa", "--until", "2099-12-31")
    kyber("findings", "ack", "bbbb", "--until", "14 d")
    until = {key: record.decisions[-1].until for key, record in decided(here).items()}
    assert until["aaaa"] == date(2099, 12, 31)
    assert until["bbbb"] is not None
    assert until["bbbb"] > date.today()
    assert_refused(kyber("findings", "ack", "aaaa", "--until", "2001-01-01"), "over already")
    assert_refused(kyber("findings", "ack", "aaaa", "--until", "soon"), "--until soon")


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(here: Path) -> None:
    result = kyber("findings", "close", "aaaa", "--why", "done", "--dry-run")
    assert "triage/2026-03-02-encoded-aaaa0000.yaml" in result.stdout
    assert "Nothing was written" in result.stdout
    assert not (here / "triage").exists()


@pytest.mark.parametrize("why", [None, "", "  ", f"see {CODE}"])
def test_closing_needs_a_reason_that_may_stand_in_git(here: Path, why: str | None) -> None:
    result = kyber("findings", "close", "aaaa", *([] if why is None else ["--why", why]))
    assert_refused(result)
    assert CODE not in result.output
    assert not (here / "triage").exists()


def test_a_reason_is_one_line(here: Path) -> None:
    kyber("findings", "close", "aaaa", "--why", "  one\n two\x85three\u2028four ")
    assert decided(here)["aaaa"].decisions[0].why == "one two three four"


def test_where_one_of_several_cannot_be_decided_on_none_is(here: Path) -> None:
    assert_refused(kyber("findings", "close", "aaaa", "ffff", "--why", "done"), "begins with ffff")
    assert not (here / "triage").exists()


def test_a_person_is_known_by_the_address_in_git_or_else_by_name(here: Path) -> None:
    be(here, "Somebody Else", "somebody@elsewhere.example")
    kyber("findings", "ack", "aaaa")
    kyber("findings", "ack", "bbbb", "--by", "liisa.keksitty")
    kyber("findings", "ack", "cccc", "--by", "Sanna.Kuvitteellinen@esimerkkila.example")
    by = {key: record.decisions[-1].by for key, record in decided(here).items()}
    assert by == {"aaaa": "Somebody Else", "bbbb": "liisa.keksitty", "cccc": "sanna.kuvitteellinen"}
    assert_refused(kyber("findings", "ack", "aaaa", "--by", "lisa"), "no such person", "liisa.keksitty")


def test_without_an_identity_the_command_says_how_to_set_one(here: Path) -> None:
    for key in ("user.name", "user.email"):
        subprocess.run(["git", "-C", here, "config", "--unset", key], check=True)
    assert_refused(kyber("findings", "ack", "aaaa"), "git config user.name", "--by")
    assert kyber("findings", "ack", "aaaa", "--by", "eero.malli").exit_code == 0


def test_without_git_the_command_asks_for_a_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert_refused(kyber("findings", "ack", "aaaa"), "no git", "--by")


# what is threatened


def describe(root: Path, name: str, *lines: str) -> None:
    (root / "continuity/services").mkdir(parents=True, exist_ok=True)
    text = "\n".join((f"id: {name}", f"name: Service {name}", *lines, ""))
    (root / f"continuity/services/{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def serving(here: Path) -> Path:
    """WS-1 is a host of the desk; SRV-9 one of the network, on which the most critical service rests."""
    describe(here, "desk", "criticality: 3", "hosts: [ws-1]")
    describe(here, "network", "criticality: 2", "hosts: [srv-9.county.example]")
    describe(here, "care", "criticality: 1", "depends_on: [{id: network}]")
    (here / "risks").mkdir(exist_ok=True)
    lines = ("id: R-001", "title: The network stops", "status: preliminary", "identified_in: log")
    (here / "risks/R-001-network.yaml").write_text("\n".join((*lines, "services: [network]\n")), encoding="utf-8")
    return here


def test_findings_sort_and_narrow_by_what_they_threaten(serving: Path) -> None:
    assert listed() == ["aaaa", "bbbb", "cccc"]
    assert listed("--sort", "threat") == ["bbbb", "aaaa", "cccc"]
    assert listed("--service", "care") == ["bbbb"]
    assert listed("--service", "DESK") == ["aaaa"]
    assert_refused(kyber("findings", "list", "--service", "dusk"), "there is no service dusk", "desk")


def test_a_finding_says_what_it_threatens(serving: Path) -> None:
    touched = one("findings", "show", "bbbb", "--json")["touched"]
    assert (touched["services"], touched["resting"], touched["criticality"]) == (["network"], ["care"], 1)
    assert touched["risks"] == ["R-001"]
    shown = kyber("findings", "show", "bbbb").stdout
    assert "network: Service network (criticality 2)" in shown
    assert "R-001 The network stops" in shown
    lines = kyber("findings", "list").stdout.splitlines()
    assert "Crit." in lines[0]
    assert any("SRV-9 → network +1" in line for line in lines)


def test_a_service_says_which_findings_and_risks_threaten_it(serving: Path) -> None:
    new = finding(0xEEEE << 112, group={"host.name": "srv-9"}, first=datetime.now(UTC) - timedelta(days=1))
    save(serving, new)
    shown = kyber("continuity", "show", "network").stdout
    assert "R-001 The network stops" in shown
    assert "findings, 30 days:" in shown
    record = one("continuity", "show", "care", "--json")["thread"]
    assert record == {"risks": [], "findings": [new.id], "days": 30}
