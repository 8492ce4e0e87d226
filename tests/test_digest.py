from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kyber.digest import Digest, Silence, Unread, compose
from kyber.finding import Finding, Judgement, Status
from kyber.kept import KeptFinding
from kyber.level import Level
from kyber.problem import Place, Problem
from kyber.told import Sent, Told, line, shared, told
from tests.render.results import finding

NOW = datetime(2026, 11, 4, 2, 41, tzinfo=UTC)
SILENCE = Silence("backup", "Backup", NOW - timedelta(days=3), "2 d")
UNREAD = Unread("backup", Problem(Place("logs/backup.log"), "F01"))


def kept(one: Finding, first_seen: datetime = NOW) -> KeptFinding:
    return KeptFinding(finding=one, first_seen=first_seen, last_seen=NOW)


def digest(
    *findings: KeptFinding,
    judged: Mapping[str, Judgement] | None = None,
    silent: Sequence[Silence] = (),
    unread: Sequence[Unread] = (),
    before: Told | None = None,
    since: datetime | None = None,
) -> Digest:
    return compose(
        findings,
        judged or {},
        silent,
        unread,
        before or Told(),
        reader="aino",
        organisation="Esimerkki",
        owners=("Chief",),
        now=NOW,
        since=since,
    )


def after(one: Digest) -> Told:
    """What is known once a digest was mailed."""
    sent = Sent(
        digest=one.id,
        time=one.time,
        person="aino",
        address="aino@x.example",
        findings=one.keys,
        silent=tuple(each.key for each in one.silent),
        unread=tuple(each.key for each in one.unread),
    )
    return told(line(sent))[0]["aino"]


def numbers(findings: Sequence[Finding]) -> list[int]:
    return [int(one.id, 16) for one in findings]


def test_what_was_not_told_is_new_the_most_serious_first_and_then_by_when_it_began() -> None:
    made = digest(
        kept(finding(1, level=Level.LOW)),
        kept(finding(2, first=NOW)),
        kept(finding(3, level=Level.CRITICAL)),
        kept(finding(4, first=None)),
        kept(finding(5, first=NOW - timedelta(days=400))),
    )
    assert numbers(made.new) == [3, 5, 2, 4, 1]
    assert made.open == ()
    assert made.news


def test_what_was_told_is_not_new_and_stands_in_every_digest_only_while_it_is_serious_and_open() -> None:
    every = [kept(finding(number, level=level)) for number, level in enumerate(Level, 1)]
    before = after(digest(*every))
    again = digest(*every, before=before)
    assert again.new == ()
    assert numbers(again.open) == [5, 4]
    assert not again.news
    done = {f"{4:032x}": Judgement(status=Status.CLOSED), f"{5:032x}": Judgement(status=Status.ACKNOWLEDGED)}
    assert numbers(digest(*every, judged=done, before=before).open) == [5]


def test_what_was_closed_before_anybody_was_told_is_left_out() -> None:
    closed = {f"{1:032x}": Judgement(status=Status.CLOSED), f"{2:032x}": Judgement(status=Status.FALSE_POSITIVE)}
    assert numbers(digest(*(kept(finding(number)) for number in (1, 2, 3)), judged=closed).new) == [3]


def test_what_was_reopened_is_new_once_for_each_time_it_was_closed() -> None:
    one = kept(finding(1))
    before = after(digest(one))
    reopened = {f"{1:032x}": Judgement(status=Status.REOPENED, on=NOW)}
    first = digest(one, judged=reopened, before=before)
    assert numbers(first.new) == [1]
    before = Told(findings=before.findings | after(first).findings)
    assert digest(one, judged=reopened, before=before).new == ()
    later = {f"{1:032x}": Judgement(status=Status.REOPENED, on=NOW + timedelta(days=1))}
    assert numbers(digest(one, judged=later, before=before).new) == [1]


def test_a_silence_is_news_once_and_again_when_the_source_has_spoken_and_fallen_silent() -> None:
    first = digest(silent=[SILENCE])
    assert first.news
    before = after(first)
    again = digest(silent=[SILENCE], before=before)
    assert not again.news
    assert again.silent == (SILENCE,)
    another = Silence("backup", "Backup", NOW - timedelta(days=2.5), "2 d")
    assert digest(silent=[another], before=before).news


def test_what_could_not_be_read_is_news_once() -> None:
    first = digest(unread=[UNREAD])
    assert first.news
    assert not digest(unread=[UNREAD], before=after(first)).news
    other = Unread("backup", Problem(Place("logs/backup.log"), "F02", {"why": "Permission denied"}))
    assert digest(unread=[UNREAD, other], before=after(first)).news


def test_nothing_is_no_news() -> None:
    made = digest()
    assert not made.news
    assert (made.new, made.open, made.silent, made.unread) == ((), (), (), ())


def test_since_a_day_new_is_what_was_first_found_then_told_or_not() -> None:
    every = [kept(finding(number), NOW - timedelta(days=number)) for number in (1, 2, 3)]
    made = digest(*every, before=after(digest(*every)), since=NOW - timedelta(days=2))
    assert sorted(numbers(made.new)) == [1, 2]
    assert numbers(made.open) == [3]
    assert made.since == NOW - timedelta(days=2)


def test_the_same_news_after_the_same_digest_has_the_same_id_and_other_news_has_another() -> None:
    one = digest(kept(finding(1)))
    assert one.id == digest(kept(finding(1))).id
    ids = {
        one.id,
        digest(kept(finding(2))).id,
        digest(kept(finding(1)), silent=[SILENCE]).id,
        digest(kept(finding(1)), unread=[UNREAD]).id,
        digest(kept(finding(1)), before=Told(last="another")).id,
    }
    assert len(ids) == 5


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8), st.data())
def test_each_finding_is_told_exactly_once_whatever_mails_fail(nights: list[list[int]], data: st.DataObject) -> None:
    seen: set[int] = set()
    memory = b""
    mailed: list[int] = []
    for night in nights:
        seen.update(night)
        before = told(memory)[0].get("aino", Told())
        made = digest(*(kept(finding(number)) for number in sorted(seen)), before=before)
        if made.news and data.draw(st.booleans(), label="the server accepts it"):
            mailed += numbers(made.new)
            memory += (
                line(
                    Sent(
                        digest=made.id,
                        time=NOW,
                        person="aino",
                        address="a@x.example",
                        findings=made.keys,
                        silent=(),
                        unread=(),
                    )
                )
                + b"\n"
            )
    left = digest(*(kept(finding(number)) for number in sorted(seen)), before=told(memory)[0].get("aino", Told()))
    assert sorted(mailed + numbers(left.new)) == sorted(seen)


def test_what_several_were_told_is_what_all_of_them_were_told() -> None:
    one = Told(findings=frozenset("ab"), silent=frozenset("x"), at=NOW)
    other = Told(findings=frozenset("bc"), silent=frozenset("x"), at=NOW - timedelta(days=1))
    assert shared([one, other]) == Told(findings=frozenset("b"), silent=frozenset("x"), at=NOW - timedelta(days=1))
    assert shared([one, Told()]).at is None
    assert shared([]) == Told()
