"""Phases and what registers prove in, where each stands out; the picture of it; the file that lays them out."""

import itertools
from calendar import monthrange
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.amend import AmendError, apply
from kyber.introduction import (
    FILE,
    PHASES,
    Introduction,
    Proof,
    State,
    check_introduction,
    done,
    dues,
    is_month,
    laid_out,
    owners,
    stands,
)
from kyber.join import proved, read_workspace
from kyber.people import People
from kyber.register import read_all
from kyber.render.gantt import FILLS, SIGNS, Gantt, Span, svg
from kyber.text import words_for

NOBODY = People()
MONTHS = st.dates(date(1990, 1, 1), date(2080, 1, 1)).map(lambda day: f"{day:%Y-%m}")
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


def laid(root: Path, month: str = "2027-01") -> Introduction:
    apply([laid_out(root, month, {phase.id: "x" for phase in PHASES})])
    (made,), problems = read_all(root, FILE, Introduction)
    assert problems == ()
    return made


def one(begins: date, ends: date, done_on: date | None = None, phase: str = "risk-workshops") -> Introduction:
    entry = {"owner": "x", "begins": begins, "ends": ends, **({"done_on": done_on} if done_on else {})}
    return Introduction.model_validate({"started": "2027-01", "phases": {phase: entry}})


def state(made: Introduction, today: date, proof: Proof | None = None) -> State:
    (stand,) = stands(made, {} if proof is None else dict.fromkeys(made.phases, proof), today)
    return stand.state


def test_the_phases_are_those_of_the_process() -> None:
    by_track = {track: [(one.first, one.last) for one in PHASES if one.track == track] for track in
                ("risks", "continuity", "logs")}  # fmt: skip
    assert by_track == {
        "risks": [(month, month) for month in range(1, 7)],
        "continuity": [(month, month) for month in range(1, 8)],
        "logs": [(3, 3), (4, 6), (7, 7), (8, 9), (10, 11), (12, 12)],
    }


@given(MONTHS)
def test_every_track_begins_in_its_month_and_goes_on_without_a_gap_over_the_turn_of_the_year(month: str) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        made = laid(Path(folder), month)
    for track in ("risks", "continuity", "logs"):
        entries = [entry for phase, entry in made.in_order() if phase.track == track]
        for entry in entries:
            assert entry.begins.day == 1
            assert entry.ends.day == monthrange(entry.ends.year, entry.ends.month)[1]
        for before, after in itertools.pairwise(entries):
            assert after.begins - before.ends == timedelta(days=1)
    assert f"{made.phases['risk-interviews'].begins:%Y-%m}" == month
    assert (made.phases["log-adoption"].begins.year * 12 + made.phases["log-adoption"].begins.month) - (
        int(month[:4]) * 12 + int(month[5:])
    ) == 11


def test_a_phase_is_done_proved_late_under_way_or_to_come() -> None:
    made = one(date(2027, 2, 1), date(2027, 2, 28))
    assert state(made, date(2027, 1, 31)) is State.COMING
    assert state(made, date(2027, 2, 1)) is State.NOW
    assert state(made, date(2027, 2, 28)) is State.NOW
    assert state(made, date(2027, 3, 1)) is State.LATE
    assert state(made, date(2027, 3, 1), Proof(1)) is State.PROVED
    assert state(made, date(2027, 3, 1), Proof(1, 2)) is State.LATE
    assert state(made, date(2027, 3, 1), Proof(0, 0)) is State.LATE
    ended = one(date(2027, 2, 1), date(2027, 2, 28), date(2027, 3, 9))
    assert state(ended, date(2027, 1, 1)) is State.DONE
    assert state(ended, date(2027, 1, 1), Proof(2, 2)) is State.DONE
    assert state(ended, date(2027, 1, 1), Proof(0)) is State.UNCONFIRMED
    assert state(ended, date(2027, 1, 1), Proof(1, 2)) is State.DONE  # registers live on


@given(DAYS, st.integers(0, 99), DAYS, st.booleans(), st.one_of(st.none(), st.integers(0, 3)))
def test_one_state_holds_on_any_day(begins: date, long: int, today: date, is_done: bool, shown: int | None) -> None:
    ends = begins + timedelta(days=long)
    made = one(begins, ends, begins if is_done else None)
    proof = None if shown is None else Proof(shown, 3)
    found = state(made, today, proof)
    if is_done:
        assert found is (State.UNCONFIRMED if shown == 0 else State.DONE)
    elif shown == 3:
        assert found is State.PROVED
    else:
        assert found is (State.COMING if today < begins else State.NOW if today <= ends else State.LATE)


def test_open_phases_fall_due_and_those_that_the_registers_prove_do_not(tmp_path: Path) -> None:
    laid(tmp_path)
    (made,), _ = read_all(tmp_path, FILE, Introduction)
    apply([done(made, "risk-interviews", date(2027, 1, 20), ["Muistio"])])
    (made,), _ = read_all(tmp_path, FILE, Introduction)
    found = {each.id: each for each in dues(made, {"log-survey": Proof(3), "log-policy": Proof(1, 3)}, words_for("fi"))}
    assert found.keys() == {phase.id for phase in PHASES} - {"log-survey"}
    assert found["risk-interviews"].done == date(2027, 1, 20)
    assert found["log-policy"].due == date(2027, 7, 31)
    assert found["log-policy"].title == "lokienhallintapolitiikan muutokset"
    assert found["preparedness"].ring == "continuity"


def test_done_is_written_with_its_evidence_and_nothing_else_changes(tmp_path: Path) -> None:
    made = laid(tmp_path)
    edit = done(made, "log-survey", date(2027, 3, 9), ["Raportti"])
    before = set((tmp_path / FILE).read_text(encoding="utf-8").splitlines())
    assert set(edit.text.splitlines()) - before == {
        "    done_on: 2027-03-09",
        "    evidence:",
        "      - Raportti",
    }
    with pytest.raises(AmendError, match="no phase"):
        done(made, "nothing", date(2027, 3, 9), [])
    with pytest.raises(AmendError, match="there already"):
        laid_out(tmp_path, "2027-01", {phase.id: "x" for phase in PHASES})


def test_owners_are_the_roles_that_fit_and_the_one_who_was_named_otherwise() -> None:
    people = People.model_validate(
        {"roles": [{"id": "tt", "title": "Tietoturvapäällikkö"}, {"id": "preparedness-manager", "title": "V"}]}
    )
    found = owners(people)
    assert found["risk-interviews"] == "tt"
    assert found["preparedness"] == "preparedness-manager"
    assert set(owners(NOBODY).values()) == {None}
    assert set(owners(NOBODY, "cio").values()) == {"cio"}


def test_what_does_not_hold_together_is_a_problem() -> None:
    today = date(2027, 1, 1)
    assert list(check_introduction(one(today, today, today), today)) == []
    bad = one(date(2027, 2, 1), date(2027, 1, 1), date(2027, 2, 1), "nothing")
    assert [each.code for each in check_introduction(bad, today)] == ["K02", "K06", "K06"]


@pytest.mark.parametrize(
    ("text", "expected"), [("2027-01", True), ("2027-13", False), ("2027-1", False), ("x", False), (202701, False)]
)
def test_a_month_is_a_year_and_a_month(text: object, expected: bool) -> None:
    assert is_month(text) is expected


def test_every_phase_has_words_and_every_proof_is_of_a_phase(tmp_path: Path) -> None:
    (tmp_path / "kyber.yaml").write_text("organisation: X\n", encoding="utf-8")
    snapshot, _ = read_workspace(tmp_path, date(2027, 1, 1))
    found = proved(snapshot)
    assert found.keys() <= {phase.id for phase in PHASES}
    assert not any(proof.is_whole for proof in found.values())
    for language in ("fi", "sv", "en"):
        words = words_for(language)
        for id_, proof in found.items():
            assert str(proof.number) in words.many(f"introduction.proof.{id_}", proof.number, of=proof.of)
        for phase in PHASES:
            assert words(f"introduction.phase.{phase.id}")


NAMES = st.text(max_size=20)


@given(st.lists(st.tuples(NAMES, DAYS, st.integers(0, 400), st.sampled_from(sorted(FILLS))), max_size=6), DAYS)
def test_the_picture_is_a_document_whatever_is_in_it(
    given_spans: list[tuple[str, date, int, str]], today: date
) -> None:
    spans = tuple(
        Span(group=name, name=name, first=day, last=day + timedelta(days=long), state=state_, said=name)
        for name, day, long, state_ in given_spans
    )
    text = svg(Gantt(title="t", described="d", spans=spans, today=today, now="n"))
    root = ElementTree.fromstring(text)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "title", "desc", "defs", "pattern", "rect", "text", "line"
    }  # fmt: skip
    assert text.count("<text") >= len(spans)


def test_states_differ_without_colours() -> None:
    assert set(FILLS) == set(SIGNS) == {state.value for state in State}
    assert len(set(FILLS.values())) == len(set(SIGNS.values())) == len(State)
