import re
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pypdf import PdfReader

from kyber.continuity.card import Stamp, Who, called, card, outdated
from kyber.continuity.card_words import printed_card
from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister, load_continuity
from kyber.continuity.script import Played, script_of_exercise, script_of_plan, script_of_risk
from kyber.continuity.script_words import printed_script
from kyber.duration import Duration
from kyber.people import People
from kyber.problem import Place
from kyber.render import printout_html, printout_markdown, printout_pdf
from kyber.render.printout import Facts, Grid, Part, Printout
from kyber.text import LANGUAGES, words_for
from kyber.workspace import at
from tests.continuity.county import TODAY, changed, lay_out

STAMP = Stamp(printed_on=TODAY, commit="0123456789abcdef", is_changed=False, sha256="fedcba9876543210" * 4)
FULL = """\
id: P-002
title: Kaikki palaa
type: preparedness
services: [records, network]
owner: chief
version: "3.1-beta"
approved: {by: chief, on: 2026-03-02}
review: {interval: 8 months, last: 2026-04-03, reviewer: keeper}
activation: [Kun palo syttyy, Kun vesi nousee]
steps:
  - no: 7
    when: Heti aamulla
    who: keeper
    does: Sammuta kaikki
    where: Kellarissa
    how: Isosta vivusta
    target_time: 35 min
  - {no: 8, who: Vahtimestari, does: Lukitse ovet}
contacts:
  - {name: Palolaitos, phone: "+358 40 123 4567", email: palo@laitos.example, note: Vain hätätilanteessa}
offline_copy: {where: Sininen kansio aulassa, checked_on: 2026-03-05}
preparedness:
  levels_and_alerting: Kaksi tasoa riittää
  situational_picture: Kartta seinällä
  sufficiency: Väkeä on tarpeeksi
  cooperation: Naapurin kanssa
  training_and_exercises: Joka kevät
  communication: Tiedotustilaisuus illalla
notes: |
  Ensimmäinen rivi
  Toinen rivi
"""


def register_of(folder: Path, today: date = TODAY) -> ContinuityRegister:
    return load_continuity(folder, at(folder).settings, today)[0]


@pytest.fixture
def register(tmp_path: Path) -> ContinuityRegister:
    folder = lay_out(tmp_path)
    (folder / "continuity/plans/P-002-all.yaml").write_text(FULL, encoding="utf-8")
    return register_of(folder)


def packed(text: str) -> str:
    """Without what breaks lines and words on paper, nor what keeps markup from being one."""
    return re.sub(r"<br>|[\s\u00ad\u200b\\-]+", "", text)


def in_every_form(paper: Printout) -> dict[str, str]:
    pdf = PdfReader(BytesIO(printout_pdf.document(paper)))
    return {
        "html": packed(re.sub(r"<style>.*</style>|<[^>]+>", "", printout_html.page(paper), flags=re.DOTALL)),
        "pdf": packed("".join(page.extract_text() for page in pdf.pages)),
        "markdown": packed(printout_markdown.text_of(paper)),
    }


def leaves(value: Any) -> list[Any]:
    """Every text, number, day and length of time within a record."""
    if isinstance(value, BaseModel):
        return [leaf for name in type(value).model_fields for leaf in leaves(getattr(value, name))]
    if isinstance(value, tuple):
        return [leaf for one in value for leaf in leaves(one)]
    return [] if value is None or isinstance(value, Place) else [value]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_a_plan_stands_on_its_card_in_every_form(register: ContinuityRegister, language: str) -> None:
    plan, words = register.plan["P-002"], words_for(language)
    wanted = [
        words(f"continuity.plan-type.{one}")
        if one == plan.type
        else register.people.shown(one)
        if one in ("chief", "keeper")
        else register.service[one].name
        if one in register.service
        else words.duration(one)
        if isinstance(one, Duration)
        else one.isoformat()
        if isinstance(one, date)
        else str(one)
        for one in leaves(plan)
    ]
    assert len(wanted) > 35
    for form, text in in_every_form(printed_card(card(plan, register, STAMP), words)).items():
        for one in (*wanted, "Aino", "Eero", "2026-11-10", "0123456789", "fedcba987654"):
            assert packed(one) in text, (form, one)


def test_a_card_names_the_services_with_their_times_and_other_ways_to_work(register: ContinuityRegister) -> None:
    made = printed_card(card(register.plan["P-001"], register, STAMP), words_for("en"))
    rows = next(block.rows for section in made.sections for block in section.blocks if isinstance(block, Grid))
    assert rows[0] == ("Patient records", "6 h", "4 h", "12 h", "Paper\nCan be borne for at most 24 h.")
    assert rows[1] == ("Network", "4 h", "–", "24 h", "–")


def test_a_card_says_who_tells_whom_while_the_services_are_away(register: ContinuityRegister) -> None:
    made = printed_card(card(register.plan["P-001"], register, STAMP), words_for("en"))
    section = next(one for one in made.sections if one.heading == "Who tells whom")
    assert section.blocks[0].rows == (("Chief\nAino", "The wards", "By phone", "30 min", "Patient records"),)  # type: ignore[union-attr]


def test_a_service_that_names_a_plan_stands_on_its_card(tmp_path: Path) -> None:
    register = register_of(changed(tmp_path, "records", ("", "plans: [P-001]\n")))
    plan = register.plan["P-001"].model_copy(update={"services": ("network",)})
    assert [one.id for one in card(plan, register, STAMP).services] == ["network", "records"]


def test_a_plan_without_services_holds_for_the_whole_organisation(register: ContinuityRegister) -> None:
    plan = register.plan["P-002"].model_copy(update={"services": ()})
    made = printed_card(card(plan, register, STAMP), words_for("en"))
    assert ("Holds for", "the whole organisation") in made.facts.rows
    assert "Services, and how the work goes on without them" not in [one.heading for one in made.sections]


def test_a_plan_that_nobody_approved_says_so(register: ContinuityRegister) -> None:
    plan = register.plan["P-001"].model_copy(update={"approved": None})
    made = printed_card(card(plan, register, STAMP), words_for("en"))
    assert ("Approved", "Nobody has approved this version.") in made.facts.rows


def test_people_who_have_left_stand_on_no_card(tmp_path: Path) -> None:
    folder = changed(tmp_path, "people", ("holders: [aino]", "holders: [olli, aino], deputies: [olli, eero]"))
    people = register_of(folder).people
    assert called("chief", people, TODAY) == Who("Chief", ("Aino",), ("Eero",))
    assert called("chief", people, date(2026, 6, 1)) == Who("Chief", ("Olli", "Aino"), ("Olli", "Eero"))
    assert called("aino", people, TODAY) == Who("Aino")
    assert called("The night porter", people, TODAY) == Who("The night porter")
    assert called("chief", People(), TODAY) == Who("chief")


def test_everybody_on_a_card_is_named_once(register: ContinuityRegister) -> None:
    titles = [one.title for one in card(register.plan["P-002"], register, STAMP).everybody]
    assert titles == ["Keeper", "Vahtimestari", "Chief"]


@given(
    st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2030, 1, 1))),
    st.one_of(st.none(), st.integers(-900, 900).map(lambda days: timedelta(days))),
)
def test_a_copy_is_outdated_that_nobody_looked_at_since_the_approval(
    approved: date | None, gap: timedelta | None
) -> None:
    checked = None if gap is None else (approved or TODAY) + gap
    plan = Plan.model_validate(
        {
            "id": "P-001",
            "title": "x",
            "type": "recovery",
            "owner": "chief",
            "version": "1",
            "approved": None if approved is None else {"by": "chief", "on": approved},
            "review": {"interval": Duration.parse("12 months")},
            "activation": ("x",),
            "steps": (),
            "offline_copy": {"where": "x", "checked_on": checked},
        }
    )
    assert bool(list(outdated([plan]))) == (approved is not None and (checked is None or checked < approved))
    assert not list(outdated([plan.model_copy(update={"offline_copy": None})]))


def grids(paper: Printout, heading: str) -> list[Grid]:
    return [
        block
        for section in paper.sections
        if section.heading == heading
        for block in section.blocks
        if isinstance(block, Grid)
    ]


def test_a_script_asks_for_each_step_and_says_what_is_expected_of_whom_and_when(register: ContinuityRegister) -> None:
    made = printed_script(script_of_plan(register.plan["P-002"], register, STAMP), words_for("en"))
    (found,) = grids(made, "Steps of plan P-002: Kaikki palaa")
    assert found.rows == (
        (
            "7",
            "Heti aamulla: what is done now, and who does it?",
            "Sammuta kaikki\nWhere: Kellarissa\nHow: Isosta vivusta",
            "Keeper\nEero",
            "35 min",
            "",
        ),
        ("8", "What is done next, and who does it?", "Lukitse ovet", "Vahtimestari", "–", ""),
    )


def test_the_injects_of_an_exercise_come_as_time_goes_on(tmp_path: Path) -> None:
    injects = (
        "injects: [{tells: At last}, {after: 1 h, tells: Later, expects: A call}, {after: 10 min, tells: First}]\n"
    )
    register = register_of(changed(tmp_path, "exercise", ("", injects)))
    made = printed_script(script_of_exercise(register.exercises[0], register, (), STAMP), words_for("en"))
    (found,) = grids(made, "Injects")
    assert found.rows == (("10 min", "First", "–", ""), ("1 h", "Later", "A call", ""), ("–", "At last", "–", ""))


def test_a_script_has_room_for_every_time_that_is_recorded_and_the_objectives_beside_it(
    register: ContinuityRegister,
) -> None:
    made = printed_script(script_of_exercise(register.exercises[0], register, (), STAMP), words_for("en"))
    times, measured, seen = grids(made, "What was seen and measured")
    assert [row[1] for row in times.rows] == [
        "measured.started",
        "measured.detected",
        "measured.service_up",
        "measured.data_point",
    ]
    assert measured.rows == (("Patient records", "6 h", "", "4 h", ""),)
    assert all(row == ("", "", "") for row in seen.rows)


def test_a_script_plays_the_risks_of_its_exercise_in_their_own_words(register: ContinuityRegister) -> None:
    played = Played(id="R-001", title="Fire", told=("Old wires", "A fire", "Smoke"), services=("records",))
    for script in (
        script_of_exercise(register.exercises[0], register, (played,), STAMP),
        script_of_risk(played, register, STAMP),
    ):
        made = printed_script(script, words_for("en"))
        section = next(one for one in made.sections if one.heading == "Scenario")
        assert section.blocks[-1] == Part(heading="Risk R-001: Fire", text="Old wires\nA fire\nSmoke")
        assert {one.id for one in script.plans} >= {"P-001"}


def test_a_script_without_a_scenario_begins_with_what_its_plan_is_used_for(register: ContinuityRegister) -> None:
    made = printed_script(script_of_plan(register.plan["P-002"], register, STAMP), words_for("en"))
    section = next(one for one in made.sections if one.heading == "Scenario")
    assert section.blocks[0].paragraphs == (  # type: ignore[union-attr]
        "These do not work: Patient records, Network. The following has happened:",
    )
    assert section.blocks[1].items == ("Kun palo syttyy", "Kun vesi nousee")  # type: ignore[union-attr]


def test_an_exercise_of_services_plays_the_plans_that_hold_for_them(tmp_path: Path) -> None:
    register = register_of(changed(tmp_path, "exercise", ("plans: [P-001]\n", "")))
    assert [one.id for one in script_of_exercise(register.exercises[0], register, (), STAMP).plans] == ["P-001"]


def test_only_what_is_done_for_real_asks_for_a_way_back(register: ContinuityRegister) -> None:
    done = printed_script(script_of_exercise(register.exercises[0], register, (), STAMP), words_for("en"))
    talked = printed_script(script_of_plan(register.plan["P-001"], register, STAMP), words_for("en"))
    rules = [
        next(one for one in made.sections if one.heading == "Rules of the exercise").blocks[0].items[0]  # type: ignore[union-attr]
        for made in (done, talked)
    ]
    assert [rule.startswith(("What is really done", "Things are talked")) for rule in rules] == [True, True]
    assert rules[0] != rules[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_script_speaks_one_language_in_every_form(register: ContinuityRegister, language: str) -> None:
    words = words_for(language)
    made = printed_script(script_of_exercise(register.exercises[0], register, (), STAMP), words)
    assert "[" not in made.over
    for text in in_every_form(made).values():
        for key in ("card.objectives", "card.rules", "card.agenda.debrief.content", "card.debrief.next"):
            assert packed(words(key)) in text


def test_a_paper_says_that_it_differs_from_the_commit(register: ContinuityRegister) -> None:
    stamp = Stamp(printed_on=TODAY, commit="a" * 40, is_changed=True, sha256="b" * 64)
    made = printed_card(card(register.plan["P-001"], register, stamp), words_for("en"))
    facts = next(block for block in made.sections[-1].blocks if isinstance(block, Facts))
    assert ("Commit of the workspace", "aaaaaaaaaa, changed since") in facts.rows
