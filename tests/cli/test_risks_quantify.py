"""`kyber risks quantify` over a small register."""

import json
import re
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest
from typer.testing import Result

from kyber.cli import risks_quantify
from kyber.risks import quantify as simulation
from tests.cli.run import kyber
from tests.risks.county import CONTROL, FILES, KINDS, RISK, SETTINGS, lay_out

QUANT: Final = """\
quant:
  frequency: {p5: 0.1, p50: 0.3, p95: 1}
  loss: {p5: 5000, p95: 400000}
  controls:
    - {control: C-001, frequency: 0.3}
    - {control: C-002, loss: 0.6}
"""
SEK: Final = "quant: {frequency: {p5: 1, p50: 1, p95: 1}, loss: {p5: 70, p95: 70}, currency: SEK}\n"
BAD: Final = "quant: {frequency: {p5: 2, p50: 2, p95: 1}, loss: {p5: 70, p95: 70}}\n"
OFTEN: Final = "quant: {frequency: {p5: 900, p50: 900, p95: 900}, loss: {p5: 70, p95: 70}}\n"
RARE: Final = "quant: {frequency: {p5: 0.0001, p50: 0.0001, p95: 0.0001}, loss: {p5: 70, p95: 700}}\n"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


def quantify(folder: Path, *arguments: object) -> Result:
    return kyber("risks", "quantify", *arguments, "--workspace", folder)


def risk(id_: str, more: str = "", status: str = "treating") -> str:
    text = RISK.replace("R-001", id_).replace("status: treating", f"status: {status}") + more
    return text + ("closed: {on: 2026-11-01, why: Gone}\n" if status == "closed" else "")


def register(folder: Path, language: str = "en", **risks: str) -> Path:
    """The small register with a second control, and more risks: `R_002=...`."""
    files = {
        **FILES,
        "kyber.yaml": SETTINGS.replace("language: en", f"language: {language}"),
        KINDS["risk"]: RISK + QUANT,
        KINDS["control"]: CONTROL + "cost: 12000\n",
        "controls/C-002.yaml": CONTROL.replace("C-001", "C-002").replace("A second factor", "Locked backups"),
        **{f"risks/{id_}.yaml": text for id_, text in ((one.replace("_", "-"), text) for one, text in risks.items())},
    }
    return lay_out(folder, files)


def answer(folder: Path, *arguments: object) -> dict[str, Any]:
    result = quantify(folder, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_a_table_says_what_a_year_costs_and_what_each_control_buys(tmp_path: Path) -> None:
    result = quantify(register(tmp_path, R_002=risk("R-002"), R_003=risk("R-003")))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "What risks cost in a year, in EUR"
    assert cells(lines[1]) == ["Risk", "Expected", "Years with loss", "P90", "P95", "P99"]
    assert cells(lines[2])[:3] == ["R-001 A stolen account opens records", "43,400", "30%"]
    assert lines[3].startswith("With all controls")
    assert cells(lines[6]) == ["Control", "Saves", "Remains", "Costs", "Balance"]
    saved = {cells(line)[0]: cells(line)[3:] for line in lines[7:10]}
    assert saved["C-001 A second factor"] == ["12,000", "18,400"]
    assert saved["C-002 Locked backups"] == ["–", "–"]  # nobody has said what they cost
    assert saved["All at once"] == ["–", "–"]
    assert "2 of 3 risks have no numbers." in lines
    assert "100,000 years were simulated (seed 20260101)." in result.stdout


def test_json_says_the_same_whole(tmp_path: Path) -> None:
    folder = register(tmp_path, R_002=risk("R-002", SEK), R_003=risk("R-003"), R_004=risk("R-004", BAD))
    found = answer(folder, "--years", 5000, "--seed", 3)
    assert (found["years"], found["seed"]) == (5000, 3)
    assert (found["without_numbers"], found["unusable_numbers"]) == (["R-003"], ["R-004"])
    euros, crowns = found["portfolios"]
    assert (euros["currency"], crowns["currency"]) == ("EUR", "SEK")
    assert euros["risks"][0]["id"] == "R-001"
    assert euros["loss"] == euros["risks"][0]["loss"]
    assert set(euros["loss"]) == {"expected", "error", "chance", "p90", "p95", "p99"}
    first, second = euros["controls"]
    assert (first["control"], first["title"], first["status"], first["cost"]) == (
        "C-001", "A second factor", "active", 12000)  # fmt: skip
    assert second["cost"] is None
    assert first["expected"] + first["saved"] == pytest.approx(euros["loss"]["expected"])
    assert euros["with_all_controls"]["loss"]["expected"] < min(first["expected"], second["expected"])
    assert crowns["with_all_controls"] is None
    assert crowns["risks"][0]["loss"]["p90"] == pytest.approx(140)


def test_the_costs_of_controls_are_in_euros_and_taken_from_no_other_currency(tmp_path: Path) -> None:
    text = risk("R-002", SEK.replace("currency: SEK", "currency: SEK, controls: [{control: C-001, loss: 0.5}]"))
    found = answer(register(tmp_path, R_002=text), "--years", 1000)
    assert [one["controls"][0]["cost"] for one in found["portfolios"]] == [12000, None]


def test_the_same_seed_gives_the_same_answer_and_risks_named_give_theirs(tmp_path: Path) -> None:
    folder = register(tmp_path, R_002=risk("R-002", OFTEN.replace("900", "3")))
    both = answer(folder, "--years", 2000)
    assert answer(folder, "--trials", 2000) == both
    assert answer(folder, "--years", 2000, "--seed", 1) != both
    (alone,) = answer(folder, "R-002", "--years", 2000)["portfolios"][0]["risks"]
    assert alone == both["portfolios"][0]["risks"][1]


def test_closed_risks_are_left_out_unless_they_are_named(tmp_path: Path) -> None:
    folder = register(tmp_path, R_002=risk("R-002", SEK, status="closed"))
    assert [one["currency"] for one in answer(folder, "--years", 1000)["portfolios"]] == ["EUR"]
    assert [one["currency"] for one in answer(folder, "R-002", "--years", 1000)["portfolios"]] == ["SEK"]


def test_numbers_that_cannot_be_used_are_told_with_their_place_and_the_rest_goes_on(tmp_path: Path) -> None:
    result = quantify(register(tmp_path, R_002=risk("R-002", BAD)), "--years", 1000)
    assert result.exit_code == 0
    assert "R-001 A stolen account" in result.stdout
    assert "1 risk was left out, because its numbers cannot be used: R-002." in result.stdout
    assert re.search(r"R-002\.yaml:\d+: error K07 The value 1 of the field quant\.frequency\.p95", result.stderr)


def test_an_expected_loss_that_rests_on_few_events_is_said_to_be_rough(tmp_path: Path) -> None:
    result = quantify(register(tmp_path, R_002=risk("R-002", RARE)), "--years", 10_000)
    assert "The expected loss of 1 risk is rough" in result.stdout
    assert "R-002. More years make it finer (--years)." in result.stdout


def test_a_register_without_numbers_is_told_so(tmp_path: Path) -> None:
    result = quantify(lay_out(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "1 of 1 risks has no numbers.\n")


def test_a_register_without_risks_is_told_so(tmp_path: Path) -> None:
    result = quantify(lay_out(tmp_path, {"kyber.yaml": SETTINGS, "people.yaml": FILES["people.yaml"]}))
    assert (result.exit_code, result.stdout) == (0, "There is no open risk.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("R-009",), "there is no risk R-009; there is"),
        (("--years", "999"), "--years"),
        (("--years", "1000001"), "--years"),
        (("--seed", "-1"), "--seed"),
        (("R-002", "--years", "1000000"), "R-002 happens so often that 1,000,000 years are too much: --years 555555"),
        (("-o", "nowhere/curve.svg"), "there is no folder"),
        (("R-003", "-o", "curve.svg"), "no risk has numbers"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = quantify(register(tmp_path, R_002=risk("R-002", OFTEN), R_003=risk("R-003")), *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "curve.svg").exists()


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("en", "Esimerkki: loss exceedance curve"),
        ("fi", "Esimerkki: vuositappion ylittymiskäyrä"),
        ("sv", "Esimerkki: kurva för överskridande av årsförlusten"),
    ],
)
def test_the_curve_is_drawn_in_the_language_of_the_workspace(tmp_path: Path, language: str, title: str) -> None:
    picture = tmp_path / "curve.svg"
    result = quantify(register(tmp_path / "here", language), "-o", picture)
    assert result.exit_code == 0
    root = ElementTree.fromstring(picture.read_bytes())
    assert root[0].text == title
    assert "43" in (root[1].text or "")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_a_file_of_the_register_is_not_drawn_over(tmp_path: Path) -> None:
    folder = register(tmp_path)
    result = quantify(folder, "-o", folder / KINDS["risk"])
    assert result.exit_code == 2
    assert (folder / KINDS["risk"]).read_text() == RISK + QUANT


def test_titles_steer_no_terminal_and_show_no_personal_identity_code(tmp_path: Path) -> None:
    folder = register(tmp_path)
    text = (RISK + QUANT).replace("A stolen account opens records", '"A \\u202e [red]131052-308T[/red] \\e[31m"')
    (folder / KINDS["risk"]).write_text(text)
    shown = quantify(folder, "--years", 1000).stdout
    assert "131052-308T" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]" in shown


def test_the_bounds_of_the_options_are_those_of_the_simulation() -> None:
    for name in ("YEARS", "FEWEST_YEARS", "MOST_YEARS", "SEED"):
        assert getattr(risks_quantify, name) == getattr(simulation, name)
