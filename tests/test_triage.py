"""Decisions about findings: what they make of a finding, how they are written down, and what is wrong with them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.duration import Duration
from kyber.finding import Finding, Judgement, Status
from kyber.kept import KeptFinding
from kyber.register import read
from kyber.settings import Settings
from kyber.triage import (
    Decision,
    Triage,
    TriageError,
    by_finding,
    check_triage,
    delete,
    edit,
    expired,
    history,
    judgement,
    load_triage,
    name_of,
)
from tests.render.results import CODE, START, finding, rule

NOW = datetime(2026, 3, 5, 6, 0, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)


def known(count: int = 3, grown: datetime | None = None) -> KeptFinding:
    return KeptFinding(finding=finding(1, count=count), first_seen=NOW, last_seen=NOW, grown=grown)


def decision(status: str, on: datetime = NOW, **fields: object) -> Decision:
    return Decision.model_validate({"status": status, "by": "eero.malli", "on": on, **fields})


def record(text: str, file: str = "triage/x.yaml") -> Triage:
    made, problems = read(text.encode(), file, Triage)
    assert made is not None, problems
    return made


def codes(*records: Triage) -> list[str]:
    return [problem.code for problem in check_triage(records, TODAY)]


def written(root: Path, *decisions: Decision, of: Finding | None = None) -> Path:
    """The file in which these decisions were written down, one after the other."""
    file = root
    for one in decisions:
        made = edit(root, load_triage(root)[0], of or finding(1), one)
        file = made.file
        file.parent.mkdir(exist_ok=True)
        file.write_text(made.text, encoding="utf-8")
    return file


# --- where a finding stands ------------------------------------------------------------------------------------------


def test_a_finding_that_nobody_decided_on_is_open() -> None:
    assert judgement(known(), (), TODAY) == Judgement(status=Status.OPEN)


@pytest.mark.parametrize("status", ["open", "acknowledged", "closed", "false-positive"])
def test_the_last_decision_counts(status: str) -> None:
    found = judgement(known(), [decision("closed", NOW - DAY), decision(status, why="so")], TODAY)
    assert found == Judgement(status=Status(status), why="so", by="eero.malli", on=NOW)


def test_a_closed_finding_that_grew_is_reopened_and_a_false_positive_stays_quiet() -> None:
    more = known(count=4)
    assert judgement(more, [decision("closed", events=3)], TODAY).status is Status.REOPENED
    assert judgement(more, [decision("closed", events=4)], TODAY).status is Status.CLOSED
    assert judgement(more, [decision("false-positive", events=3)], TODAY).status is Status.FALSE_POSITIVE
    assert judgement(more, [decision("acknowledged", events=3)], TODAY).status is Status.ACKNOWLEDGED


def test_where_nobody_wrote_the_number_of_events_it_counts_when_the_finding_grew() -> None:
    closed = [decision("closed")]
    assert judgement(known(grown=NOW + DAY), closed, TODAY).status is Status.REOPENED
    assert judgement(known(grown=NOW - DAY), closed, TODAY).status is Status.CLOSED
    assert judgement(known(), closed, TODAY).status is Status.CLOSED


def test_an_acknowledgement_holds_to_the_end_of_its_last_day() -> None:
    until = [decision("acknowledged", until=date(2026, 3, 6))]
    assert judgement(known(), until, date(2026, 3, 6)).status is Status.ACKNOWLEDGED
    assert judgement(known(), until, date(2026, 3, 7)).status is Status.OPEN


def test_of_two_files_about_one_finding_the_one_decided_in_last_counts() -> None:
    text = "finding: {0}\nrule: {{id: a, title: b}}\ndecisions:\n- {{status: {1}, by: x, why: y, on: {2}}}\n"
    late = record(text.format("a" * 32, "closed", "2026-03-05T08:00:00+02:00"))
    early = record(text.format("a" * 32, "acknowledged", "2026-03-05T05:59:59Z"), "triage/y.yaml")
    for order in ((late, early), (early, late)):
        assert [one.status for one in by_finding(order)["a" * 32]] == ["acknowledged", "closed"]
    assert codes(late, early) == ["K76"]


def test_history_tells_each_decision_as_it_was_made() -> None:
    made = [decision("acknowledged", until=date(2026, 3, 6)), decision("closed", why="done")]
    assert [(one.status, one.why, one.until) for one in history(made)] == [
        (Status.ACKNOWLEDGED, "", date(2026, 3, 6)),
        (Status.CLOSED, "done", None),
    ]


# --- writing decisions down ------------------------------------------------------------------------------------------


def test_a_first_decision_makes_a_file_that_says_what_it_is_about_and_holds_nothing_from_logs(tmp_path: Path) -> None:
    file = written(tmp_path, decision("closed", why="A test of the vendor", events=3))
    assert file.relative_to(tmp_path).as_posix() == "triage/2026-03-02-encoded-00000000.yaml"
    assert file.read_text(encoding="utf-8") == (
        "# yaml-language-server: $schema=../.kyber/schemas/triage.schema.json\n"
        "finding: '00000000000000000000000000000001'\n"
        "rule:\n"
        "  id: id-encoded\n"
        "  title: Title of encoded\n"
        "decisions:\n"
        "  - status: closed\n"
        "    why: A test of the vendor\n"
        "    by: eero.malli\n"
        "    on: '2026-03-05T06:00:00Z'\n"
        "    events: 3\n"
    )


def test_later_decisions_are_added_below_and_leave_every_line_and_comment_as_it_was(tmp_path: Path) -> None:
    file = written(tmp_path, decision("acknowledged"))
    before = file.read_text(encoding="utf-8").replace("decisions:", "decisions:   # newest last")
    file.write_text(before, encoding="utf-8")
    assert written(tmp_path, decision("closed", NOW + DAY, why="no: 'quotes' # nor \"comments\"")) == file
    after = file.read_text(encoding="utf-8")
    assert after.startswith(before)
    (found,), problems = load_triage(tmp_path)
    assert problems == ()
    assert [one.status for one in found.decisions] == ["acknowledged", "closed"]
    assert found.decisions[1].why == "no: 'quotes' # nor \"comments\""


def test_a_decision_is_added_to_the_file_of_its_finding_whatever_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, decision("acknowledged"))
    moved = file.with_name("renamed.yaml")
    file.rename(moved)
    assert written(tmp_path, decision("closed", why="y")) == moved


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_whatever_is_written_as_a_reason_reads_back_the_same_or_is_refused(why: str) -> None:
    if not why.strip():
        return
    one = decision("closed", why=why, events=1)
    try:
        made = edit(Path("nowhere"), (), finding(1), one)
    except TriageError:
        assert set(why) & set("\x85\u2028\u2029")  # which one kind of YAML takes for line breaks
        return
    assert record(made.text).decisions == (one,)


@pytest.mark.parametrize("why", [f"user {CODE} was right", "-----BEGIN PRIVATE KEY-----"])
def test_identity_codes_and_secrets_are_refused_and_not_repeated(tmp_path: Path, why: str) -> None:
    for before in ((), (decision("acknowledged"),)):
        written(tmp_path, *before)
        with pytest.raises(TriageError, match="does not belong") as error:
            edit(tmp_path, load_triage(tmp_path)[0], finding(1), decision("closed", why=why))
        assert CODE not in str(error.value)


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    file = written(tmp_path, decision("acknowledged"))
    file.write_text("finding: nothing\n", encoding="utf-8")
    records, problems = load_triage(tmp_path)
    assert {problem.code for problem in problems} == {"K80", "K81"}
    with pytest.raises(TriageError, match="in the way"):
        edit(tmp_path, records, finding(1), decision("closed", why="y"))


def test_findings_whose_ids_begin_alike_have_files_of_their_own(tmp_path: Path) -> None:
    first = written(tmp_path, decision("acknowledged"))
    second = written(tmp_path, decision("acknowledged"), of=finding(2))
    assert first != second
    assert f"{2:032x}" in second.name
    assert len(load_triage(tmp_path)[0]) == 2


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Työasema: outo käynnistys!", "2026-03-02-tyoasema-outo-kaynnistys-00000000.yaml"),
        ("../../etc/passwd", "2026-03-02-etc-passwd-00000000.yaml"),
        ("規則", "2026-03-02-rule-00000000.yaml"),
        ("x" * 300, f"2026-03-02-{'x' * 60}-00000000.yaml"),
        (f"about {CODE}", "2026-03-02-about-00000000.yaml"),
    ],
)
def test_a_file_is_named_by_day_rule_and_id(title: str, name: str) -> None:
    named = replace(rule("", title), name="")
    assert name_of(finding(1, of=named)) == f"triage/{name}"
    assert name_of(finding(1, of=named, first=None)).startswith("triage/undated-")


# --- checks ----------------------------------------------------------------------------------------------------------

HEAD = "finding: 0123456789abcdef0123456789abcdef\nrule: {id: a, title: b}\ndecisions:\n"


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ("- {status: closed, by: x, on: 2026-03-01T00:00:00Z, why: y}", []),
        ("- {status: closed, by: x, on: 2026-03-01T00:00:00Z}", ["K77"]),
        ("- {status: false-positive, by: x, on: 2026-03-01T00:00:00Z}", ["K77"]),
        ("- {status: acknowledged, by: x, on: 2026-03-01T00:00:00Z}", []),
        ("- {status: acknowledged, by: x, on: 2026-03-01T00:00:00Z, until: 2026-04-01}", []),
        ("- {status: acknowledged, by: x, on: 2026-03-01T00:00:00Z, until: 2026-02-01}", ["K78"]),
        ("- {status: closed, by: x, on: 2026-03-01T00:00:00Z, why: y, until: 2026-04-01}", ["K78"]),
        (
            "- {status: open, by: x, on: 2026-03-02T00:00:00Z}\n- {status: open, by: x, on: 2026-03-01T00:00:00Z}",
            ["K79"],
        ),
        ("- {status: open, by: x, on: 2027-03-02T00:00:00Z}", ["K86"]),
    ],
)
def test_what_does_not_hold_together_is_named(decisions: str, expected: list[str]) -> None:
    assert codes(record(HEAD + decisions)) == expected


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (HEAD + "- {status: shut, by: x, on: 2026-03-01T00:00:00Z}", "K07", 4),
        (HEAD + "- {status: open, by: x, on: 2026-03-01T00:00:00}", "K81", 4),
        (HEAD + "- {status: open, by: x, on: 2026-03-01}", "K81", 4),
        (HEAD + "- {status: open, on: 2026-03-01T00:00:00Z}", "K80", 4),
        (HEAD.replace("0123456789abcdef", "x", 1) + "- {status: open, by: x, on: 2026-03-01T00:00:00Z}", "K81", 1),
        (HEAD + f"- {{status: open, by: x, on: 2026-03-01T00:00:00Z, why: {CODE}}}", "K08", 4),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: str, code: str, line: int) -> None:
    _, problems = read(text.encode(), "triage/x.yaml", Triage)
    assert [(problem.code, problem.place.line) for problem in problems] == [(code, line)]


# --- retention -------------------------------------------------------------------------------------------------------


def test_what_was_decided_last_before_a_day_expires(tmp_path: Path) -> None:
    old = written(tmp_path, decision("closed", START - 9 * DAY, why="y"), of=finding(2, of=rule("old")))
    new = written(tmp_path, decision("closed", START - 9 * DAY, why="y"), decision("open", START))
    records, _ = load_triage(tmp_path)
    gone = expired(records, START - DAY)
    assert [Path(one.at.file) for one in gone] == [old]
    delete(gone)
    assert list(new.parent.iterdir()) == [new]


def test_the_settings_say_how_long_both_are_kept() -> None:
    plain, _ = read(b"organisation: x\n", "kyber.yaml", Settings)
    own, problems = read(b"organisation: x\nretention: {findings: 6 months}\n", "kyber.yaml", Settings)
    assert plain is not None
    assert own is not None
    assert problems == ()
    assert (plain.retention.findings, plain.retention.triage) == (Duration(months=24), Duration(months=60))
    assert (own.retention.findings, own.retention.triage) == (Duration(months=6), Duration(months=60))
