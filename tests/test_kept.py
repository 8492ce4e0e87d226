"""The kept findings: what is saved comes back as it was, and is told apart by whether it is new or has grown."""

import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber import kept
from kyber.finding import Evidence, Family, Finding, RuleRef, Sample
from kyber.kept import Kept, KeptError, from_json, to_json
from kyber.level import Level
from kyber.logs.sigma.absence import LEARNT_DAYS
from tests.render.results import finding, rule

NOW = datetime(2026, 3, 5, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)

texts = st.text(st.characters(codec=None), max_size=12)
times = st.none() | st.datetimes(timezones=st.just(UTC))
fields = st.dictionaries(texts, texts, max_size=3)
findings = st.builds(
    Finding,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    rule=st.builds(RuleRef, id=texts, name=texts, title=texts, hash=texts, path=texts, titles=fields),
    family=st.sampled_from(Family),
    level=st.sampled_from(Level),
    tags=st.lists(texts, max_size=2).map(tuple),
    count=st.integers(1, 2**40),
    first=times,
    last=times,
    group=fields,
    evidence=st.lists(st.builds(Evidence, texts, texts, texts, texts, texts), max_size=2).map(tuple),
    sample=st.builds(
        Sample, event_id=texts, file=texts, record=st.integers(0, 2**40), time=times, fields=fields
    ),
    description=texts,
    false_positives=st.lists(texts, max_size=2).map(tuple),
    references=st.lists(texts, max_size=2).map(tuple),
    next=fields,
    sources=st.lists(texts, max_size=2).map(tuple),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Kept]:
    with kept.open(tmp_path) as opened:
        yield opened


def ids(store: Kept, **asked: object) -> list[int]:
    return [int(one.finding.id, 16) for one in store.all(**asked)]  # type: ignore[arg-type]


@given(findings)
def test_what_is_written_reads_back_the_same(one: Finding) -> None:
    assert from_json(to_json(one)) == one


def test_a_finding_that_an_earlier_version_wrote_without_sources_can_be_read() -> None:
    text = to_json(replace(finding(1), sources=("a",))).replace(b',"sources":["a"]', b"")
    assert from_json(text) == finding(1)


def test_saved_findings_come_back_whole_and_say_when_scans_saw_them(tmp_path: Path) -> None:
    one = replace(finding(1), sources=("ad",))
    with kept.open(tmp_path) as store:
        assert store.save([one], NOW).new == (one.id,)
    with kept.open(tmp_path) as store:
        (found,) = store.all()
    assert found == kept.KeptFinding(finding=one, first_seen=NOW, last_seen=NOW, grown=None)


def test_saving_twice_changes_nothing_but_when_they_were_last_seen(store: Kept) -> None:
    store.save([finding(1), finding(2)], NOW)
    saved = store.save([finding(1), finding(2)], NOW + DAY)
    assert saved == kept.Saved(unchanged=(finding(1).id, finding(2).id))
    assert [(one.first_seen, one.last_seen, one.grown) for one in store.all()] == [(NOW, NOW + DAY, None)] * 2


def test_a_finding_with_more_events_takes_the_place_of_the_old_one_and_has_grown(store: Kept) -> None:
    store.save([finding(1, count=3, value="old")], NOW)
    more = finding(1, count=5, value="new")
    assert store.save([more], NOW + DAY) == kept.Saved(grown=(more.id,))
    store.save([more], NOW + 2 * DAY)
    (found,) = store.all()
    assert found == kept.KeptFinding(finding=more, first_seen=NOW, last_seen=NOW + 2 * DAY, grown=NOW + DAY)


def test_a_finding_with_fewer_events_is_replaced_and_has_not_grown(store: Kept) -> None:
    store.save([finding(1, count=3)], NOW)
    assert store.save([finding(1, count=2)], NOW + DAY) == kept.Saved(unchanged=(finding(1).id,))
    (found,) = store.all()
    assert (found.finding.count, found.grown) == (2, None)


def test_all_are_saved_or_none(store: Kept) -> None:
    def broken() -> Iterator[Finding]:
        yield finding(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.save(broken(), NOW)
    assert store.all() == ()
    store.save([finding(1)], NOW)


def test_the_most_serious_come_first_then_those_that_began_first(store: Kept) -> None:
    store.save(
        [
            finding(1, level=Level.LOW),
            finding(2, first=None),
            finding(3, first=NOW),
            finding(4, first=NOW - DAY),
            finding(5, level=Level.CRITICAL, first=NOW + DAY),
        ],
        NOW,
    )
    assert ids(store) == [5, 4, 3, 2, 1]


def test_findings_are_chosen_by_level_family_rule_group_source_and_time(store: Kept) -> None:
    other = replace(rule("stopped", "Service stopped"), titles={"fi": "Palvelu pysähtyi"})
    store.save(
        [
            replace(finding(1, level=Level.CRITICAL, first=NOW), sources=("ad",)),
            finding(2, of=other, family=Family.TECHNICAL, group={"host.name": "SRV-9"}, first=NOW - 3 * DAY),
            finding(3, level=Level.LOW, group={"user.name": "bertta"}, first=None),
        ],
        NOW,
    )
    assert ids(store, level=Level.HIGH) == [1, 2]
    assert ids(store, families=[Family.TECHNICAL]) == [2]
    assert ids(store, rule="service *") == ids(store, rule="id-stopped") == ids(store, rule="palvelu*") == [2]
    assert ids(store, host="srv-?") == [2]
    assert ids(store, user="ANNA") == [1]
    assert ids(store, user="*") == [1, 2, 3]
    assert ids(store, source="a*") == [1]
    assert ids(store, since=NOW) == [1, 3]  # what has no time is as old as the scan that saw it


def test_a_finding_is_named_by_the_beginning_of_its_id(store: Kept) -> None:
    one, other = (replace(finding(), id=f"{start:<032}") for start in ("abcd1", "abcd2"))
    store.save([one, other], NOW)
    assert store.get("ABCD1").finding == one
    assert store.get(other.id).finding == other
    with pytest.raises(KeptError, match="too short"):
        store.get("abc")
    with pytest.raises(KeptError, match="begins with abce"):
        store.get("abce")
    with pytest.raises(KeptError) as error:
        store.get("abcd")
    assert one.id in str(error.value)
    assert other.id in str(error.value)


@pytest.mark.parametrize("prefix", ["%%%%", "____", "' OR 1=1 --", "\x00\x00\x00\x00"])
def test_what_is_no_id_names_no_finding(store: Kept, prefix: str) -> None:
    store.save([finding(1)], NOW)
    with pytest.raises(KeptError):
        store.get(prefix)


def test_what_has_expired_is_named_first_and_then_deleted_for_good(store: Kept, tmp_path: Path) -> None:
    old = finding(1, first=NOW - 10 * DAY, value="a value that must not stay behind")
    store.save([old, finding(2, first=NOW)], NOW)
    store.save([finding(3, first=None)], NOW - 9 * DAY)
    before = NOW - 5 * DAY
    assert [one.finding.id for one in store.expired(before)] == [finding(1).id, finding(3).id]
    assert store.delete_before(before, dry_run=True) == (finding(1).id, finding(3).id)
    assert len(store.all()) == 3
    assert store.delete_before(before) == (finding(1).id, finding(3).id)
    assert ids(store) == [2]
    assert not any(b"must not stay behind" in file.read_bytes() for file in tmp_path.iterdir())


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    with kept.open(tmp_path / ".kyber") as store:
        store.save([finding(1)], NOW)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / ".kyber").iterdir()}
    assert modes == {0o600}


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / kept.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeptError, match="is a symbolic link"):
        kept.open(tmp_path)
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_damaged_file_is_left_alone_and_said(tmp_path: Path) -> None:
    (tmp_path / kept.FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(KeptError, match="move it away"):
        kept.open(tmp_path)
    assert (tmp_path / kept.FILE).read_bytes().startswith(b"not a database")


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    kept.open(tmp_path).close()
    database = sqlite3.connect(tmp_path / kept.FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(KeptError, match="another version"):
        kept.open(tmp_path)


def test_two_that_save_at_once_both_succeed(tmp_path: Path) -> None:
    with kept.open(tmp_path) as one, kept.open(tmp_path) as other:
        one.save([finding(1)], NOW)
        assert other.save([finding(1, count=9), finding(2)], NOW).grown == (finding(1).id,)
        assert ids(one) == [1, 2]


# --- silences --------------------------------------------------------------------------------------------------------


def silence(number: int, begin: datetime | None, last: datetime, source: str = "a") -> Finding:
    return replace(
        finding(number, count=0),
        first=begin or last,
        last=last,
        group={"kyber.source": source},
        evidence=(Evidence("1d", "event_count", "", "0", "lt 1"), Evidence("silence", "last event", "", "", "")),
        sample=Sample("", "", 0, begin, {}),
    )


BEGIN = NOW - 3 * DAY


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (silence(2, BEGIN, NOW + DAY), True),  # as before
        (silence(2, BEGIN + DAY, NOW + DAY), True),  # an event came late
        (silence(2, NOW + DAY, NOW + 3 * DAY), False),  # it was heard in between
        (silence(2, None, NOW + 27 * DAY), True),  # its beginning is out of sight
        (silence(2, None, NOW + 40 * DAY), False),  # nobody looked for too long to tell
        (silence(2, BEGIN, NOW + DAY, source="b"), False),
        (replace(finding(2), group={"kyber.source": "a"}), False),
    ],
)
def test_a_silence_that_goes_on_is_the_finding_that_it_was(store: Kept, found: Finding, same: bool) -> None:
    store.save([silence(1, BEGIN, NOW), finding(9)], NOW)
    (one,) = kept.continued([found], store.silences())
    assert one.id == (silence(1, BEGIN, NOW).id if same else found.id)
    assert replace(one, id=found.id, first=found.first) == found


def test_a_silence_whose_beginning_is_out_of_sight_keeps_the_one_that_was_known(store: Kept) -> None:
    store.save([silence(1, BEGIN, NOW)], NOW)
    (one,) = kept.continued([silence(2, None, NOW + DAY)], store.silences())
    assert (one.first, one.last) == (BEGIN, NOW + DAY)


def test_what_is_kept_of_silences_reaches_back_as_far_as_a_scan_looks() -> None:
    assert timedelta(days=LEARNT_DAYS) == kept.LOOKED_BACK
