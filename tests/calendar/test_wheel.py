"""The wheel, read as XML: what is in it once, where, and that nothing of it overlaps."""

import re
from dataclasses import replace
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.calendar.listing import RINGS, in_year, wheel
from kyber.clock import Due, State
from kyber.people import People
from kyber.problem import Place
from kyber.render.wheel import SHAPES, svg
from kyber.text import LANGUAGES, words_for

YEAR = 2026
TODAY = date(YEAR, 11, 23)
SVG = "{http://www.w3.org/2000/svg}"
DUE = Due(ring="logs", kind="task", id="T-001", title="T", owner="o", due=TODAY, place=Place("calendar/T-001.yaml", 4))

DUES = st.lists(
    st.builds(
        lambda ring, number, day, done, kind: replace(
            DUE,
            ring=ring,
            kind=kind,
            id=f"X-{number:04}",
            due=date(YEAR, 1, 1) + timedelta(days=day),
            done=date(YEAR, 1, 1) + timedelta(days=day) if done and day < 300 else None,
        ),
        st.sampled_from(RINGS),
        st.integers(1, 9999),
        st.integers(0, 364),
        st.booleans(),
        st.sampled_from(("task", "action", "risk-review")),
    ),
    max_size=80,
    unique_by=lambda one: one.id,
)


def drawn(dues: list[Due], today: date = TODAY, language: str = "fi") -> ElementTree.Element:
    made = wheel(dues, People(), words_for(language), YEAR, today, "County")
    return ElementTree.fromstring(svg(made))


def marks(root: ElementTree.Element) -> list[tuple[str, str, float, float]]:
    """State, number and place of each mark in the wheel itself."""
    group = next(found for found in root.findall(f"{SVG}g") if found.get("transform"))
    found = []
    for mark in group.findall(f"{SVG}g"):
        x, y = map(float, re.findall(r"-?[\d.]+", mark.get("transform", "")))
        found.append((mark.get("class", ""), mark.findtext(f"{SVG}text", ""), x, y))
    return found


@given(DUES)
def test_every_occurrence_is_in_the_picture_once_and_no_mark_covers_another(dues: list[Due]) -> None:
    root = drawn(dues)
    described = root.findtext(f"{SVG}desc", "")
    assert sorted(re.findall(r"X-\d{4}", described)) == sorted(one.id for one in dues)
    found = marks(root)
    assert [number for _, number, _, _ in sorted(found, key=lambda mark: int(mark[1]))] == [
        str(number) for number in range(1, len(found) + 1)
    ]
    for at, (_, _, x, y) in enumerate(found):
        assert all((x - u) ** 2 + (y - v) ** 2 > 18**2 for _, _, u, v in found[at + 1 :])


def test_marks_stand_in_their_month_and_ring_and_have_the_shape_of_their_state() -> None:
    found = [
        replace(DUE, ring="management", due=date(YEAR, 1, 15), done=date(YEAR, 1, 10)),
        replace(DUE, ring="management", due=date(YEAR, 4, 15)),
        replace(DUE, ring="training", due=date(YEAR, 7, 15), passed=True),
        replace(DUE, ring="training", due=date(YEAR, 12, 31)),
        replace(DUE, ring="training", due=date(YEAR, 12, 1), id="T-002"),
    ]
    (january, april, july, *december) = sorted(marks(drawn(found)), key=lambda mark: int(mark[1]))
    assert [january[0], april[0], july[0]] == ["done", "late", "missed"]
    assert {mark[0] for mark in december} == {"due", "coming"}
    assert january[2] > 0 > january[3]  # right of the top
    assert april[2] > 0
    assert april[3] > 0
    assert july[2] < 0 < july[3]
    assert abs(january[2]) > abs(july[2])  # further out


def test_the_list_runs_by_day_and_then_by_ring_whatever_ring_comes_first() -> None:
    found = [
        replace(DUE, ring="management", due=date(YEAR, 4, 20), id="T-003"),
        replace(DUE, ring="training", due=date(YEAR, 4, 2), id="T-001"),
        replace(DUE, ring="risks", due=date(YEAR, 4, 20), id="T-004"),
        replace(DUE, ring="logs", due=date(YEAR, 3, 31), id="T-005"),
    ]
    made = wheel(found, People(), words_for("fi"), YEAR, TODAY, "County")
    days = [spot.text.split(" ")[0] for spot in made.spots]
    assert days == ["31.", "2.", "20.", "20."]
    assert [RINGS[spot.ring] for spot in made.spots] == ["logs", "training", "management", "risks"]


def test_the_hand_shows_the_day_and_only_in_its_own_year() -> None:
    hand = [one for one in drawn([DUE]).iter(f"{SVG}line") if one.get("class") == "hand"]
    assert len(hand) == 1
    assert float(hand[0].get("x2", "0")) < 480  # November is left of the top
    assert not [one for one in drawn([DUE], date(2027, 1, 1)).iter(f"{SVG}line") if one.get("class") == "hand"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_states_are_told_by_shape_and_word_in_each_language(language: str) -> None:
    text = " ".join(drawn([DUE], language=language).itertext())
    words = words_for(language)
    assert all(words(f"clock.state.{state}") in text for state in State)
    assert len({shape for shape, _, _ in SHAPES.values()}) == len(SHAPES)


def test_what_many_have_alike_shares_a_mark_and_hundreds_still_fit() -> None:
    alike = [replace(DUE, kind="risk-review", id=f"R-{number:03}") for number in range(300)]
    (mark,) = marks(drawn(alike))
    assert mark[1] == "1"
    many = [replace(DUE, id=f"T-{number:03}") for number in range(300)]
    assert len(marks(drawn(many))) == 1


def test_what_is_late_from_the_year_before_is_in_this_year_too() -> None:
    late = replace(DUE, due=date(2025, 12, 31), id="T-002")
    done = replace(late, done=date(2025, 12, 30))
    assert in_year([late, done, DUE], YEAR, TODAY) == (late, DUE)
    assert in_year([late, done, DUE], 2025, TODAY) == (late, done)
    assert "31.12.2025" in "".join(drawn([late]).itertext())


def test_a_long_title_is_cut_in_the_picture_and_whole_in_its_description() -> None:
    title = "far " * 2_000
    root = drawn([replace(DUE, title=title.strip())])
    assert root.findtext(f"{SVG}desc", "").count("far") == 2_000
    assert len(list(root.iter(f"{SVG}text"))) < 60


def test_nothing_in_a_title_is_markup_or_loads_anything() -> None:
    title = '</text><script>alert(1)</script>\x1b[2J" onload="x" 131052-308T \u202e'
    text = svg(wheel([replace(DUE, title=title)], People(), words_for("fi"), YEAR, TODAY, title))
    root = ElementTree.fromstring(text)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "title", "desc", "rect", "text", "tspan", "circle", "line", "g", "path",
    }  # fmt: skip
    assert not any(name.startswith("on") or "href" in name for one in root.iter() for name in one.attrib)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "131052-308T" not in "".join(drawn([replace(DUE, title=title)]).itertext())


def test_without_its_list_the_wheel_is_the_same_and_ends_below_the_legend() -> None:
    dues = [replace(DUE, id=f"T-{number}", title=f"Task {number}") for number in range(3)]
    made = wheel(dues, People(), words_for("en"), YEAR, TODAY, "County")
    whole, bare = (ElementTree.fromstring(svg(made, listed=listed)) for listed in (True, False))
    assert marks(bare) == marks(whole)
    texts = {one.text for one in bare.iter(f"{SVG}text")}
    assert not any("Task" in (text or "") for text in texts)
    assert any("Task" in (one.text or "") for one in whole.iter(f"{SVG}text"))
    lowest = max(float(one.get("y", 0)) for one in bare.iter(f"{SVG}text") if one.get("y"))
    assert lowest < float(bare.get("viewBox", "").split()[3]) < lowest + 40
