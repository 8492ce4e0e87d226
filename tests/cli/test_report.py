import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from docx import Document as Word

from kyber.render.document_json import loads as document_of
from kyber.text import LANGUAGES
from tests.cli.run import kyber
from tests.risks.county import FILES, KINDS, lay_out

DAY = "2026-11-23"
RISK = KINDS["risk"]
HOSTILE = "<script>alert(1)</script> =1+1 \x1b[31m \u202eabc 131052-308T"


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with the findings of a scan of its own logs."""
    folder = tmp_path_factory.mktemp("report") / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    was = Path.cwd()
    os.chdir(folder)
    try:
        assert kyber("scan").exit_code == 0
    finally:
        os.chdir(was)
    return folder


def report(folder: Path, *arguments: object, day: str = DAY) -> Any:
    """The report as JSON has it."""
    run = kyber("report", "--as-of", day, "--format", "json", "--workspace", folder, "--no-save", *arguments)
    assert run.exit_code == 0, run.output
    return loads(run.stdout)["report"]


def section(found: Any, name: str) -> Any:
    return next(one for one in found["sections"] if one["id"] == name)


def texts(value: Any) -> str:
    """All texts of a part, one after the other."""
    if isinstance(value, dict):
        return " ".join(texts(one) for key, one in value.items() if key != "svg")
    return " ".join(map(texts, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_has_a_report_in_three_languages_with_every_part_in_order(county: Path, language: str) -> None:
    found = report(county, "--language", language)
    places = [one["place"] for one in found["sections"]]
    assert [one["id"] for one in found["sections"] if one["place"] == "first"] == [
        *("direction", "decisions", "top-risks", "matrix", "continuity", "late", "findings", "coverage", "clock"),
    ]
    assert places == sorted(places, key=["first", "annex", "last"].index)
    assert not re.search(r"report\.[a-z]|\{\w+\}", texts(found["sections"]))
    assert all(block.get("described", "x") for one in found["sections"] for block in one["blocks"])


@pytest.mark.parametrize(
    ("language", "acts"),
    [
        ("fi", ("Kyberturvallisuuslaki 124/2025", "THL:n määräys 3/2024", "VNA 308/2023 1 §")),
        ("sv", ("Cybersäkerhetslagen 124/2025", "THL:s föreskrift 3/2024", "SRF 308/2023 1 §")),
        ("en", ("Cybersecurity Act 124/2025", "THL Regulation 3/2024", "Government Decree 308/2023, section 1")),
    ],
)
def test_an_act_is_called_by_its_name_in_the_language_of_the_report(
    county: Path, language: str, acts: tuple[str, ...]
) -> None:
    found = report(county, "--language", language)
    for name in ("year", "method"):
        assert all(act in texts(section(found, name)) for act in acts)
    assert ("Kyberturvallisuuslaki" in texts(found["sections"])) == (language == "fi")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fi", "1 poikkeama, avoinna ei yhtään."),
        ("sv", "av dessa uppgifter är 1 försenad."),
        ("en", "1 of these tasks is late."),
    ],
)
def test_one_and_none_are_said_as_people_say_them(county: Path, language: str, said: str) -> None:
    assert said in texts(report(county, "--language", language)["sections"])


def test_what_is_on_the_first_page_is_short(county: Path) -> None:
    for one in report(county)["sections"]:
        if one["place"] == "first":
            assert all(len(block.get("rows", ())) <= 5 for block in one["blocks"])


def test_risks_findings_services_plans_and_exercises_lead_to_each_other(county: Path) -> None:
    found = report(county)
    rows = {row["anchor"]: row for one in found["sections"] for block in one["blocks"] for row in block.get("rows", ())}
    leads = {anchor: {piece["to"] for cell in row["cells"] for piece in cell} - {""} for anchor, row in rows.items()}
    known = {*rows, *(one["id"] for one in found["sections"])}
    assert set().union(*leads.values()) <= known
    rule = next(to for to in leads["risk-R-002"] if to.startswith("rule-"))
    assert {"risk-R-002", "service-yllapito"} <= leads[rule]
    assert "service-potilastiedot" in leads["risk-R-001"]
    assert {"plan-P-001", "exercise-E-001", "risk-R-001"} <= leads["service-potilastiedot"]
    assert len(rows) - 1 == len([anchor for anchor in rows if anchor])


def test_secret_entries_stay_out_unless_asked_for_and_the_last_page_counts_them(county: Path) -> None:
    secret = [file for file in (county / "risks").glob("*.yaml") if "\nconfidentiality: secret" in file.read_text()]
    ids = [file.name[:5] for file in secret]
    assert ids
    without, whole = report(county), report(county, "--confidential")
    for id_ in ids:
        assert id_ not in str(without)
        assert id_ in str(whole)
    assert "confidential entr" in texts(section(without, "missing"))
    assert "confidential entr" not in texts(section(whole, "missing"))


def test_the_same_commit_findings_and_day_give_the_same_bytes_whatever_the_process(county: Path) -> None:
    code = "import sys; sys.argv[0] = 'kyber'; from kyber.cli import main; main()"
    asked = ("report", "--as-of", DAY, "--format", "json", "--no-save", "--workspace", str(county))
    other = subprocess.run(
        [sys.executable, "-c", code, *asked],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
    )
    assert other.stdout.decode() == kyber(*asked).stdout
    assert len(other.stdout) > 10_000


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "small", dict(FILES))


def changed(folder: Path, old: str, new: str) -> None:
    file = folder / RISK
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_movement_is_told_against_the_last_saved_report_and_the_same_again_on_the_same_day(small: Path) -> None:
    assert kyber("report", "--as-of", "2026-11-01", "--workspace", small).exit_code == 0
    changed(small, "  likelihood: 3\n", "  likelihood: 5\n")
    for _ in range(2):
        assert kyber("report", "--as-of", "2026-11-02", "--workspace", small).exit_code == 0
        found = report(small, day="2026-11-02")
        assert "↑ was " in texts(section(found, "top-risks"))
        assert "1 risk went up: R-001" in texts(section(found, "matrix"))
        assert "worse than in the last report" in texts(section(found, "direction"))
        assert "R-001" in texts(section(found, "changes"))
    assert sorted(file.name for file in (small / "reports").iterdir()) == [
        f"2026-11-0{day}-2026-Q4-en.{form}" for day in (1, 2) for form in ("html", "json")
    ]
    first, second = (small / "reports" / f"2026-11-0{day}-2026-Q4-en.json" for day in (1, 2))
    told = kyber("report", "compare", first, second)
    assert kyber("report", "--compare", first, second).stdout == told.stdout
    assert told.exit_code == 0
    assert "↑ R-001 A stolen account opens records: went up" in told.stdout
    assert "unchanged" in kyber("report", "compare", first, first).stdout


def test_a_report_that_was_given_stays_whatever_is_made_after_it_on_the_same_day(small: Path) -> None:
    asked = ("report", "--as-of", DAY, "--workspace", small)
    assert kyber(*asked).exit_code == 0
    given = {file.name: file.read_bytes() for file in (small / "reports").iterdir()}
    changed(small, "  likelihood: 3\n", "  likelihood: 5\n")
    for _ in range(2):
        assert kyber(*asked).exit_code == 0
    name = f"{DAY}-2026-Q4-en"
    assert {file.name for file in (small / "reports").iterdir()} == {
        f"{name}{again}.{form}" for again in ("", "-2") for form in ("html", "json")
    }
    assert {file: (small / "reports" / file).read_bytes() for file in given} == given


def test_reports_with_and_without_what_is_secret_are_not_compared_and_do_not_look_alike(county: Path) -> None:
    early = ("report", "--as-of", "2026-11-20", "--workspace", county)
    assert kyber(*early, "--confidential").exit_code == 0
    saved = county / "reports" / "2026-11-20-2026-Q4-en-confidential.json"
    assert "first report" in texts(section(report(county), "direction"))
    assert "first report" not in texts(section(report(county, "--confidential"), "direction"))
    refused = kyber("report", "--as-of", DAY, "--workspace", county, "--since", saved)
    assert refused.exit_code == 2
    assert "secret entries" in refused.output
    late = kyber("report", "--as-of", "2026-11-19", "--workspace", county, "--confidential", "--since", saved)
    assert "later than 2026-11-19" in late.output
    assert "marked secret" in loads(saved.read_bytes())["report"]["label"]
    saved.unlink()
    saved.with_suffix(".html").unlink()


def test_the_first_page_says_how_many_secret_risks_are_left_out(county: Path) -> None:
    assert "confidential risk" in texts(report(county)["facts"])
    assert "confidential risk" not in texts(report(county, "--confidential")["facts"])


def test_an_old_report_is_rendered_again_unchanged(small: Path) -> None:
    assert kyber("report", "--as-of", DAY, "--workspace", small).exit_code == 0
    saved = small / "reports" / f"{DAY}-2026-Q4-en.json"
    again = kyber("report", "render", saved, "--format", "json")
    assert again.stdout.encode() == saved.read_bytes()
    page = small / "again.html"
    assert kyber("report", "render", saved, "-o", page).exit_code == 0
    assert page.read_bytes() == saved.with_suffix(".html").read_bytes()


def test_the_report_is_had_for_editing_and_as_text_and_the_same_when_rendered_again(small: Path) -> None:
    made = kyber("report", "--as-of", DAY, "--format", "docx", "--workspace", small)
    assert made.exit_code == 0
    saved, word = (small / "reports" / f"{DAY}-2026-Q4-en.{form}" for form in ("json", "docx"))
    assert word.name in made.stdout
    text = kyber("report", "--as-of", DAY, "--format", "md", "--no-save", "--workspace", small)
    assert text.stdout.startswith("Esimerkki · Confidential")
    assert "\n# Management report 2026-Q4\n" in text.stdout
    assert "A stolen account opens records" in text.stdout
    again = kyber("report", "render", saved, "--format", "md")
    assert again.stdout == text.stdout
    file, beside = small / "again.md", small / "again.docx"
    assert kyber("report", "render", saved, "-o", file).exit_code == 0
    assert file.read_text() == text.stdout
    assert kyber("report", "render", saved, "-o", beside).exit_code == 0
    assert beside.read_bytes() == word.read_bytes()
    word.unlink()
    assert kyber("report", "render", saved, "-f", "docx").exit_code == 0
    assert beside.read_bytes() == word.read_bytes()
    assert "A stolen account opens records" in "".join(Word(str(word)).element.body.itertext())


def test_the_report_is_pdf_where_it_is_asked_for_or_the_name_ends_so(small: Path) -> None:
    run = kyber("report", "--as-of", DAY, "--format", "pdf", "--workspace", small)
    assert run.exit_code == 0
    saved = small / "reports" / f"{DAY}-2026-Q4-en.pdf"
    assert saved.read_bytes().startswith(b"%PDF-1.7")
    again = small / "again.pdf"
    assert kyber("report", "render", saved.with_suffix(".json"), "-o", again).exit_code == 0
    assert again.read_bytes() == saved.read_bytes()
    saved.unlink()
    assert kyber("report", "render", saved.with_suffix(".json"), "--format", "pdf").exit_code == 0
    assert saved.read_bytes() == again.read_bytes()


def test_hostile_titles_and_identity_codes_do_no_harm(small: Path) -> None:
    changed(small, "title: A stolen account opens records", f'title: "{HOSTILE.encode("unicode_escape").decode()}"')
    run = kyber("report", "--as-of", DAY, "--format", "json", "--no-save", "--workspace", small)
    assert run.exit_code == 0
    found = document_of(run.stdout.encode(), "x")
    assert "131052-308T" not in str(found)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", run.stdout)
    pictures = [block.svg for one in found.sections for block in one.blocks if hasattr(block, "svg")]
    assert pictures
    assert not any("<script" in picture for picture in pictures)
    page = kyber("report", "--as-of", DAY, "--no-save", "-o", small / "r.html", "--workspace", small)
    assert page.exit_code == 0
    assert "<script>alert" not in (small / "r.html").read_text()
    assert "\x1b" not in page.output


def test_two_risks_with_one_id_have_one_anchor(small: Path) -> None:
    (small / "risks" / "R-001-again.yaml").write_text((small / RISK).read_text())
    anchors = [
        row["anchor"] for one in report(small)["sections"] for block in one["blocks"] for row in block.get("rows", ())
    ]
    assert anchors.count("risk-R-001") == 1


def test_an_empty_workspace_has_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, {"kyber.yaml": "organisation: Esimerkki\nlanguage: en\n"})
    found = report(folder)
    assert "No risk appetite" in texts(section(found, "method"))
    missing = texts(section(found, "missing"))
    assert "No logs are stored" in missing
    assert "no earlier report" in missing


def test_the_report_and_the_day_on_one_screen_name_the_same_silent_sources(tmp_path: Path) -> None:
    asked = {"heard": "expected_every: 100 months", "lost": "expected_every: 1 d", "never": "expected_every: 1 d"}
    files = {
        f"sources/{name}.yaml": f"id: {name}\nname: {name}\nread: {{paths: [{name}.jsonl]}}\n{asked.get(name, '')}\n"
        for name in ("heard", "lost", "never", "sometimes", "seldom")
    }
    old = dumps({"@timestamp": (datetime.now(UTC) - timedelta(days=9)).isoformat()})
    files |= dict.fromkeys(("heard.jsonl", "lost.jsonl", "seldom.jsonl"), f"{old}\n")
    folder = lay_out(tmp_path, {"kyber.yaml": "organisation: Esimerkki\nlanguage: en\n", **files})
    day = f"{datetime.now(ZoneInfo('Europe/Helsinki')):%Y-%m-%d}"
    assert "nothing can be said about silent sources" in texts(section(report(folder, day=day), "coverage"))
    assert loads(kyber("today", "--json", "--peek", "--workspace", folder).stdout)["silent"] == []
    kyber("logs", "collect", "--workspace", folder)
    assert "2 log sources are silent: lost, never." in texts(section(report(folder, day=day), "coverage"))
    assert loads(kyber("today", "--json", "--peek", "--workspace", folder).stdout)["silent"] == ["lost", "never"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--period", "2026-Q9"], "2026-Q4"),
        (["--since", "last"], "no such report from before"),
        (["--since", "nothing.json"], "cannot be read"),
        (["--as-of", "tomorrow"], "--as-of tomorrow: write a day as 2026-03-31"),
        (["--as-of", "0001-01-01"], "--as-of 0001-01-01: a year from 1900"),
        (["--period", "0001-Q1"], "--period 0001-Q1: a year from 1900"),
        (["--period", "2199"], "yet to come"),
        (["--output", "x.odt"], ".docx"),
        (["--no-save"], "name a file with -o"),
    ],
)
def test_what_cannot_be_meant_is_told(small: Path, arguments: list[str], said: str) -> None:
    run = kyber("report", *arguments, "--workspace", small)
    assert run.exit_code == 2
    assert said in run.output


def test_what_is_no_report_is_not_rendered(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    assert kyber("report", "render", file).exit_code == 2


def test_a_secret_service_that_others_wait_for_makes_no_recovery_look_shorter(example: Path) -> None:
    def times() -> dict[str, str]:
        found = section(report(example), "services-all")
        return {row["anchor"]: texts(row["cells"][2:5]) for row in found["blocks"][0]["rows"]}

    before = times()
    file = example / "continuity/services/konesali.yaml"
    file.write_text(f"{file.read_text()}confidentiality: secret\n")
    after = times()
    assert after == {anchor: text for anchor, text in before.items() if anchor != "service-konesali"}
    assert len(after) == len(before) - 1
    assert "onesali" not in str(section(report(example), "services-all"))


def test_what_became_secret_since_the_last_report_is_not_named_among_what_changed(small: Path) -> None:
    assert kyber("report", "--as-of", "2026-11-01", "--workspace", small).exit_code == 0
    title = dict(document_of((small / "reports/2026-11-01-2026-Q4-en.json").read_bytes(), "").values)["title.R-001"]
    (small / RISK).write_text(f"{(small / RISK).read_text()}confidentiality: secret\n")
    found = report(small, day="2026-11-02")
    assert "1 Nov 2026" in texts(section(found, "changes"))
    assert "R-001" not in str(found)
    assert title not in str(found)
    assert kyber("publish", small.parent / "site", "--workspace", small).exit_code == 0
    page = (small.parent / "site/report.html").read_text()
    assert "R-001" not in page
    assert title not in page


def test_where_all_is_secret_nothing_is_said_to_be_missing(example: Path) -> None:
    for file in (*(example / "risks").glob("*.yaml"), *(example / "continuity/services").glob("*.yaml")):
        text = file.read_text()
        file.write_text(text if "\nconfidentiality:" in text else f"{text}confidentiality: secret\n")
    found = report(example)
    for part in ("continuity", "services-all"):
        assert "marked secret" in texts(section(found, part))
    assert section(found, "top-risks")["blocks"][0]["empty"] == "No risk that is not marked secret has been assessed."
    assert "described yet" not in texts(found)


def test_what_is_no_file_of_its_own_is_not_read_as_a_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    for place in ("/dev/zero", tmp_path / "fifo.json", tmp_path):
        run = kyber("report", "render", place, "-o", tmp_path / "x.html")
        assert run.exit_code == 2
        assert f"{place} cannot be read" in run.output


def test_a_text_longer_than_any_report_has_is_cut_and_the_report_can_be_read_again(small: Path) -> None:
    found = report(small, "--label", "x" * 30_000)
    assert found["label"] == "x" * 19_999 + "…"
    (small / "long.json").write_text(dumps({"format": "kyber-report", "version": 1, "report": found}))
    assert kyber("report", "render", small / "long.json", "-o", small / "long.html").exit_code == 0
