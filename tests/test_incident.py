"""Statutory clocks as pure times, the checks of incidents, their drafts and archives."""

import hashlib
import io
import tarfile
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.amend import AmendError, apply
from kyber.casefile import MANIFEST, tarred, with_manifest, zipped
from kyber.incident import (
    DUTIES,
    Incident,
    State,
    check_incidents,
    clocks,
    closed,
    dues,
    duty_for,
    next_due,
    noted,
    notified,
    opened,
)
from kyber.notice import Sender, draft
from kyber.people import People
from kyber.register import read, read_all
from kyber.text import LANGUAGES, words_for

HELSINKI = ZoneInfo("Europe/Helsinki")
NOTICED = datetime(2026, 11, 4, 5, 30, tzinfo=UTC)
SENDER = Sender(organisation="O", people=People(), services={"s": "Palvelu"})
FIRST, FOLLOW_UP, FINAL, GDPR = DUTIES
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC))


def incident(**fields: object) -> Incident:
    return Incident.model_validate({"id": "I-001", "title": "Murto", "noticed": NOTICED, **fields})


def sent(duty: str, at: datetime, regime: str = "cybersecurity-act") -> dict[str, object]:
    return {"regime": regime, "stage": duty, "sent": at}


def states(one: Incident, now: datetime) -> list[str]:
    return [clock.state.value for clock in clocks(one, now, HELSINKI)]


def test_clocks_begin_when_an_incident_is_noticed() -> None:
    found = clocks(incident(personal_data=True), NOTICED, HELSINKI)
    assert [clock.left for clock in found] == [24, 72, 72 + 30 * 24, 72]
    assert [f"{clock.due:%d.%m. %H:%M}" for clock in found] == [
        "05.11. 07:30", "07.11. 07:30", "07.12. 07:30", "07.11. 07:30"
    ]  # fmt: skip


def test_what_nobody_has_judged_may_be_significant() -> None:
    assert states(incident(), NOTICED) == ["running", "running", "running", "not-applicable"]
    assert states(incident(significant=False), NOTICED) == ["not-applicable"] * 4


def test_a_clock_is_met_late_running_or_missed() -> None:
    one = incident(
        notifications=[sent("first", NOTICED + timedelta(hours=24)), sent("follow-up", NOTICED + timedelta(hours=73))]
    )
    assert states(one, NOTICED + timedelta(hours=80))[:3] == ["met", "late", "running"]
    assert states(incident(), NOTICED + timedelta(hours=24, seconds=1))[0] == "missed"
    assert states(incident(), NOTICED + timedelta(hours=24))[0] == "running"


def test_the_final_report_is_due_a_month_of_the_calendar_after_the_follow_up() -> None:
    at = datetime(2027, 1, 31, 12, 0, tzinfo=HELSINKI)
    one = incident(noticed=at - timedelta(hours=50), notifications=[sent("follow-up", at)])
    due = clocks(one, at, HELSINKI)[2].due
    assert due is not None
    assert f"{due:%Y-%m-%d %H:%M %z}" == "2027-02-28 12:00 +0200"
    spring = datetime(2027, 3, 15, 12, 0, tzinfo=HELSINKI)
    one = incident(noticed=spring, notifications=[sent("follow-up", spring)])
    due = clocks(one, spring, HELSINKI)[2].due
    assert due is not None
    assert f"{due:%Y-%m-%d %H:%M %z}" == "2027-04-15 12:00 +0300"


@given(noticed=MOMENTS, zone=st.sampled_from(("Europe/Helsinki", "UTC", "America/New_York", "Asia/Kathmandu")))
def test_24_and_72_hours_are_hours_wherever_clocks_are_moved(noticed: datetime, zone: str) -> None:
    first, follow_up, final, _ = clocks(incident(noticed=noticed), noticed, ZoneInfo(zone))
    assert first.due is not None
    assert first.due.astimezone(UTC) - noticed == timedelta(hours=24)
    assert follow_up.due is not None
    assert follow_up.due.astimezone(UTC) - noticed == timedelta(hours=72)
    assert final.due is not None
    assert timedelta(days=27, hours=22) <= final.due.astimezone(UTC) - follow_up.due.astimezone(UTC) <= timedelta(
        days=31, hours=2
    )  # fmt: skip


@given(noticed=MOMENTS, later=st.integers(0, 2000), done=st.one_of(st.none(), st.integers(0, 200)))
def test_a_notification_once_sent_never_runs_or_is_missed(noticed: datetime, later: int, done: int | None) -> None:
    entries = [] if done is None else [sent("first", noticed + timedelta(hours=done))]
    clock = clocks(incident(noticed=noticed, notifications=entries), noticed + timedelta(hours=later), HELSINKI)[0]
    if done is None:
        assert clock.state is (State.RUNNING if later <= 24 else State.MISSED)
        assert clock.left == 24 - later
    else:
        assert clock.state is (State.MET if done <= 24 else State.LATE)
        assert clock.left is None


def test_the_soonest_clock_is_looked_at_first() -> None:
    one = incident(personal_data=True, notifications=[sent("first", NOTICED)])
    clock = next_due(one, NOTICED, HELSINKI)
    assert clock is not None
    assert clock.left == 72
    assert next_due(incident(significant=False), NOTICED, HELSINKI) is None


def test_a_notification_falls_due_in_the_clock_of_the_year() -> None:
    one = incident(personal_data=True, owner="x", notifications=[sent("first", NOTICED)])
    found = list(dues([one], NOTICED, HELSINKI))
    assert [(each.ring, each.kind, each.due, each.done) for each in found] == [
        ("management", "incident-cybersecurity-act-first", date(2026, 11, 5), date(2026, 11, 4)),
        ("management", "incident-cybersecurity-act-follow-up", date(2026, 11, 7), None),
        ("management", "incident-cybersecurity-act-final", date(2026, 12, 7), None),
        ("privacy", "incident-gdpr-first", date(2026, 11, 7), None),
    ]


# --- checks ----------------------------------------------------------------------------------------------------------


def checked(one: Incident, day: date) -> list[tuple[str, object]]:
    return [(each.code, each.facts.get("what", each.facts.get("field"))) for each in
            check_incidents([one], day, HELSINKI)]  # fmt: skip


def test_a_stage_that_was_missed_and_not_sent_is_a_problem_from_the_next_day_on() -> None:
    assert checked(incident(), date(2026, 11, 5)) == []
    assert [code for code, _ in checked(incident(), date(2026, 11, 6))] == ["K64"]
    assert [code for code, _ in checked(incident(), date(2026, 12, 24))] == ["K64"] * 3
    done = [sent(stage, NOTICED + timedelta(days=9)) for stage in ("first", "follow-up", "final")]
    assert checked(incident(notifications=done), date(2027, 12, 24)) == []
    assert checked(incident(significant=False), date(2027, 12, 24)) == []


def test_times_that_cannot_be_are_problems() -> None:
    one = incident(
        occurred=NOTICED + timedelta(hours=1),
        timeline=[{"at": NOTICED + timedelta(days=400), "what": "x"}],
        notifications=[sent("first", NOTICED - timedelta(hours=1))],
        significant=False,
        closed={"on": NOTICED + timedelta(days=400), "why": "x"},
    )
    fields = [field for code, field in checked(one, date(2026, 11, 4)) if code == "K06"]
    assert fields == ["noticed", "timeline.0.at", "notifications.0.sent", "closed.on"]


# --- what people do --------------------------------------------------------------------------------------------------


def test_an_incident_is_opened_told_of_notified_and_closed(tmp_path: Path) -> None:
    _, edit = opened(tmp_path, ["I-001", "R-009"], {"title": "Murto", "noticed": "2026-11-04T07:30+02:00"})
    apply([edit])

    def now() -> Incident:
        records, problems = read_all(tmp_path, "incidents/*.yaml", Incident)
        assert problems == ()
        return records[0]

    assert now().id == "I-002"
    for step in (
        lambda: noted(now(), NOTICED, "Verkko suljettiin", "x"),
        lambda: noted(now(), NOTICED, "Verkko avattiin", "x"),
        lambda: notified(now(), FIRST, NOTICED, "1/2026"),
        lambda: closed(now(), NOTICED, "ohi"),
    ):
        apply([step()])
    assert [each.what for each in now().timeline] == ["Verkko suljettiin", "Verkko avattiin"]
    assert not now().is_open
    with pytest.raises(AmendError, match="already"):
        notified(now(), FIRST, NOTICED, "")
    with pytest.raises(AmendError, match="does not ask"):
        notified(now(), GDPR, NOTICED, "")
    with pytest.raises(AmendError, match="already"):
        closed(now(), NOTICED, "taas")
    with pytest.raises(AmendError, match="no notification"):
        duty_for("gdpr", "final")


def test_no_personal_identity_code_gets_into_the_course(tmp_path: Path) -> None:
    _, edit = opened(tmp_path, [], {"title": "Murto", "noticed": "2026-11-04T07:30+02:00"})
    apply([edit])
    (one,), _ = read_all(tmp_path, "incidents/*.yaml", Incident)
    with pytest.raises(AmendError, match="identity code"):
        noted(one, NOTICED, "tunnus 131052-308T", "x")


@pytest.mark.parametrize("noticed", [datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Honolulu"])
def test_the_ends_of_the_calendar_are_no_end_of_the_reckoning(noticed: datetime, zone: str) -> None:
    one = incident(personal_data=True).model_copy(update={"noticed": noticed})
    at = ZoneInfo(zone)
    assert all(clock.due is not None for clock in clocks(one, NOTICED, at))
    both = one.model_copy(update={"notifications": incident(notifications=[sent("follow-up", NOTICED)]).notifications})
    late = both.notifications[0].model_copy(update={"sent": noticed})
    assert len(list(dues([both.model_copy(update={"notifications": (late,)})], NOTICED, at))) == len(DUTIES)


def test_what_cannot_have_been_sent_yet_is_refused_and_what_comes_first_is_named(tmp_path: Path) -> None:
    one = incident()
    with pytest.raises(AmendError, match="noticed 2026-11-04T05:30"):
        notified(one, FIRST, NOTICED - timedelta(minutes=1), "")
    with pytest.raises(AmendError, match="notify I-001 --stage first --done"):
        notified(one, FINAL, NOTICED, "")
    with pytest.raises(AmendError, match="notify I-001 --stage follow-up --done"):
        notified(incident(notifications=[sent("first", NOTICED)]), FINAL, NOTICED, "")


def test_a_regime_with_one_notification_needs_no_stage() -> None:
    assert duty_for("gdpr", None) is GDPR
    with pytest.raises(AmendError, match="first, follow-up, final"):
        duty_for("cybersecurity-act", None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_draft_of_what_was_sent_says_when_and_not_that_it_was_not(language: str) -> None:
    words = words_for(language)
    text = draft(incident(notifications=[sent("first", NOTICED)]), FIRST, SENDER, words, HELSINKI)
    assert words("notice.is-draft") not in text
    assert "2026-11-04 07:30 (UTC+02:00)" in text.split("|")[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("duty", DUTIES, ids=lambda duty: f"{duty.regime}-{duty.stage}")
def test_a_draft_says_that_it_is_one_names_its_ground_and_escapes_what_it_tells(language: str, duty: object) -> None:
    one = incident(
        title="[x](http://y) <b> 131052-308T \x1b[31m",
        personal_data=True,
        timeline=[{"at": NOTICED, "what": "# otsikko | solu"}],
        lessons=["*opittu*"],
        findings=["a" * 32],
        services=["s", "t"],
    )
    words = words_for(language)
    text = draft(one, duty, SENDER, words, HELSINKI)  # type: ignore[arg-type]
    assert text.startswith(f"# {words('notice.title', stage='').rstrip()}")
    assert words("notice.is-draft") in text
    assert {"fi": "tarkistettava", "sv": "ska kontrolleras", "en": "to be checked"}[language] in text
    assert r"\[x\](http://y) \<b\>" in text
    assert "| Palvelu, t |" in text
    assert "131052-308T" not in text
    assert "\x1b" not in text
    assert words("notice.missing") in text


# --- archives --------------------------------------------------------------------------------------------------------

CONTENTS = st.dictionaries(st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}\.txt", fullmatch=True), st.binary(max_size=99))


@given(CONTENTS)
def test_an_archive_has_the_same_bytes_in_any_order_and_its_manifest_holds(contents: dict[str, bytes]) -> None:
    whole = with_manifest(contents)
    other = with_manifest(dict(reversed(contents.items())))
    assert zipped(whole) == zipped(other)
    assert tarred(whole) == tarred(other)
    with zipfile.ZipFile(io.BytesIO(zipped(whole))) as archive:
        unpacked = {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(tarred(whole))) as tar:
        assert {one.name: tar.extractfile(one).read() for one in tar} == unpacked  # type: ignore[union-attr]
    for line in unpacked.pop(MANIFEST).decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(unpacked.pop(name)).hexdigest() == digest
    assert unpacked == {}


def test_a_moment_without_an_offset_is_refused() -> None:
    text = b"id: I-001\ntitle: x\nnoticed: 2026-11-04T07:30\n"
    made, problems = read(text, "x.yaml", Incident)
    assert made is None
    assert [each.code for each in problems] == ["K81"]
