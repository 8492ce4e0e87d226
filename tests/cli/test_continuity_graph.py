import csv
import io
from json import loads
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kyber.cli import continuity_graph
from kyber.continuity import restoring
from tests.cli.run import kyber
from tests.risks.county import lay_out

SERVICE = "id: {id}\nname: {name}\n{fields}"
FILES = {
    "kyber.yaml": "organisation: The county\nlanguage: en\n",
    "continuity/services/records.yaml": SERVICE.format(
        id="records",
        name='"Patient records \\e[31m"',
        fields="criticality: 1\nrto: 4 h\nmtpd: 8 h\nrpo: 1 h\nwork_recovery_time: 1 h\ncapability: {rto: 2 h}\n"
        "restore: {p50: 2 h, p90: 5 h, crew: 3}\n"
        "manual_fallback: {how: On paper, max_duration: 12 h}\n"
        "communication: [{who: The duty officer, to: the wards 131052-308T, how: by phone, within: 30 min}]\n"
        "depends_on:\n"
        "  - {id: network, restore_order: 1}\n  - {id: directory, restore_order: 2}\n"
        "  - {id: line-1, either: line}\n  - {id: line-2, either: line}\n",
    ),
    "continuity/services/network.yaml": SERVICE.format(
        id="network", name="Network", fields="criticality: 2\nrto: 4 h\ncapability: {rto: 3 h, basis: measured}\n"
    ),
    "continuity/services/directory.yaml": SERVICE.format(
        id="directory", name="Directory", fields="criticality: 1\nrto: 2 h\ndepends_on: [{id: network}]\n"
    ),
    **{
        f"continuity/services/line-{n}.yaml": SERVICE.format(
            id=f"line-{n}", name=f"Line {n}", fields="capability: {rto: 30 min}\ndepends_on: [{id: operator}]\n"
        )
        for n in (1, 2)
    },
    "continuity/services/operator.yaml": SERVICE.format(id="operator", name="The operator", fields=""),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with six services; the current folder is in it."""
    lay_out(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def test_what_stops_is_told_by_generation_with_how_work_goes_on_and_who_tells_whom(here: Path) -> None:
    text = kyber("continuity", "impact", "operator").stdout
    assert "When operator stops, 3 other services stop." in text
    assert "On paper (at most 12 h)" in text
    assert "The duty officer tells the wards" in text
    assert "131052-308T" not in text
    steps = [line.split()[:2] for line in text.splitlines() if line[:1].isdigit()]
    assert steps == [["0", "operator"], ["1", "line-1"], ["1", "line-2"], ["2", "records"]]


def test_where_something_else_stands_in_nothing_stops(here: Path) -> None:
    assert "Nothing else stops when line-1 stops." in kyber("continuity", "impact", "LINE-1").stdout


def test_what_stops_is_told_to_programs(here: Path) -> None:
    lines = [loads(line) for line in kyber("continuity", "impact", "operator", "--json").stdout.splitlines()]
    assert lines[-1]["path"] == ["operator", "line-1", "records"]
    assert (lines[-1]["rto"], lines[-1]["fallback"]) == (4 * 3600, {"how": "On paper", "max_duration": 12 * 3600})


def test_a_service_that_is_not_there_is_told_with_those_that_are_near(here: Path) -> None:
    run = kyber("continuity", "impact", "netwerk")
    assert run.exit_code == 2
    assert "there is network" in run.output


def test_how_soon_services_are_back_is_a_table_in_every_form(here: Path) -> None:
    text = kyber("continuity", "recovery").stdout
    assert "network → directory → records" in text
    assert "2 of 6 services cannot be back within their RTO." in text
    rows = list(csv.DictReader(io.StringIO(kyber("continuity", "recovery", "--format", "csv").stdout)))
    assert {row["service"].split()[0]: row["late by"] for row in rows}["records"] == "4 h"
    assert kyber("continuity", "recovery", "-o", "recovery.md").exit_code == 0
    assert (here / "recovery.md").read_text(encoding="utf-8").startswith("| service")
    lines = [loads(line) for line in kyber("continuity", "recovery", "--json").stdout.splitlines()]
    assert {line["id"]: line["achievable"] / 3600 for line in lines}["records"] == 8


def test_how_one_service_is_reckoned_is_a_tree(here: Path) -> None:
    text = kyber("continuity", "recovery", "records").stdout
    assert "all that it needs is up        5 h\n" in text
    assert "├─ 1. network Network: from 0 min, takes 3 h (measured), up at 3 h ◄" in text
    assert "└─ 2. directory Directory: from 3 h, takes 2 h (objective, a guess), up at 5 h ◄" in text
    assert "line-2 Line 2: stands by" in text
    assert "so they count as no time: operator." in text
    assert "One service stops it alone and is not named by it: operator." in text
    assert "\x1b" not in text
    assert kyber("continuity", "recovery", "records", "--format", "csv").exit_code == 2


def test_circles_and_needs_that_nobody_knows_are_told_and_end_nothing(here: Path) -> None:
    network = here / "continuity/services/network.yaml"
    network.write_text(network.read_text() + "depends_on: [{id: records}, {id: nobody}]\n")
    run = kyber("continuity", "recovery", "records")
    assert run.exit_code == 0
    assert "A need is left out" in run.stdout
    assert kyber("continuity", "impact", "network").exit_code == 0
    assert kyber("continuity", "simulate", "--runs", "100").exit_code == 0
    assert "url(#circle)" in kyber("continuity", "graph").stdout


def test_restoring_everything_is_simulated(here: Path) -> None:
    text = kyber("continuity", "simulate", "--crew", "3", "--runs", "200").stdout
    assert "With 3 people, all are back after" in text
    assert "5 of 6 have no estimates (restore): their times count for certain." in text
    found = loads(kyber("continuity", "simulate", "directory", "--runs", "100", "--seed", "1", "--json").stdout)
    assert [one["id"] for one in found["order"]] == ["network", "directory"]
    assert (found["p50"], found["seed"], found["crew"]) == (5 * 3600, 1, None)


def test_what_needs_more_people_than_there_are_is_told(here: Path) -> None:
    text = kyber("continuity", "simulate", "--crew", "2", "--runs", "100").stdout
    assert "One service needs more people than there are and is never restored: records." in text


def test_a_simulation_that_is_too_large_says_how_many_runs_fit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "MOST", 1_000)
    run = kyber("continuity", "simulate", "--runs", "200")
    assert run.exit_code == 2
    assert "--runs 166, or fewer" in run.output


def test_the_options_are_what_the_simulation_itself_takes() -> None:
    assert (continuity_graph.RUNS, continuity_graph.SEED) == (restoring.RUNS, restoring.SEED)


def test_the_graph_is_drawn_whole_or_around_one_service(here: Path) -> None:
    assert kyber("continuity", "graph", "-o", "all.svg").exit_code == 0
    whole = ElementTree.parse(here / "all.svg").getroot()
    texts = [element.text for element in whole.iter() if element.text]
    assert "8 h: late by 4 h" in texts
    assert any("2 of 6 services cannot be back" in text for text in texts)
    around = kyber("continuity", "graph", "--service", "directory").stdout
    assert "Patient records" in around
    assert "Line 1" not in around
    assert "not drawn" not in around
    assert kyber("continuity", "graph", "-o", "all.png").exit_code == 2


def test_a_service_of_which_no_time_is_known_has_none_in_the_picture(here: Path) -> None:
    text = kyber("continuity", "graph", "--service", "operator").stdout
    assert "reachable time not known" in text
    assert "≥ 0" not in text


def test_where_no_service_is_late_that_is_said_in_words(here: Path) -> None:
    for name in ("records", "directory"):
        (here / f"continuity/services/{name}.yaml").unlink()
    assert "None of 4 services is back later than its RTO." in kyber("continuity", "recovery").stdout


def test_a_picture_that_has_no_room_for_all_says_how_many_are_missing(here: Path) -> None:
    for n in range(70):
        file = here / f"continuity/services/x{n:02}.yaml"
        file.write_text(SERVICE.format(id=f"x{n:02}", name="X", fields="depends_on: [{id: network}]\n"))
    text = kyber("continuity", "graph").stdout
    assert "16 services are not drawn; `kyber continuity graph --service ID` shows what is around one." in text
    assert "Patient records" in text
    assert text.count("<g><title>") == 60


def test_a_workspace_without_services_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path, {"kyber.yaml": FILES["kyber.yaml"]})
    monkeypatch.chdir(tmp_path)
    for command in ("recovery", "simulate"):
        assert "There are no services to restore." in kyber("continuity", command).stdout
    assert kyber("continuity", "graph").exit_code == 0


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_every_command_speaks_the_language_of_the_workspace(here: Path, language: str) -> None:
    (here / "kyber.yaml").write_text(FILES["kyber.yaml"].replace("en", language))
    for arguments in (["impact", "operator"], ["recovery"], ["recovery", "records"], ["simulate", "--runs", "100"]):
        run = kyber("continuity", *arguments)
        assert run.exit_code == 0
        assert " services" not in run.stdout
