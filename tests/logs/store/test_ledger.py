"""The ledger of a destination adds up, whatever is stored, merged, deleted, sent, refused and sent again in between."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.store import index as index_module
from kyber.logs.store import parquet
from kyber.logs.store.index import UNDATED, Index, StoreError
from kyber.logs.store.ledger import Delivery, Ledger, Refused, Shipment
from kyber.logs.store.parquet import DAY, ParquetStore, WritableStore, writing
from tests.logs.store.test_parquet import NOW, batch_of, micros, put

ADDRESS: Final = "https://logs.example:9200"
DAYS: Final = ("2026-03-03", "2026-03-04", None)
"""The days of the events of a batch; None: they have no time."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WritableStore]:
    with writing(tmp_path / ".kyber", "the test") as opened:
        yield opened


def ledger_of(store: ParquetStore, name: str = "one/test") -> Ledger:
    made = Ledger(store.index, name)
    made.open(1, ADDRESS)
    return made


def refusal(identity: str, source: str = "app", day: str = "2026-03-04", **more: Any) -> Refused:
    plain: dict[str, Any] = {"at": 7, "status": 400, "reason": "no", "held": 1, "action": b"{}", "body": b"{}"}
    return Refused(**{**plain, "id": identity, "source": source, "day": day, **more})


def send(ledger: Ledger, segment: int, rows: int, *refused: Refused, known: int = 0, source: str = "app") -> None:
    """Settle the next rows of a segment: some are refused, some were there before, the rest is created."""
    before = ledger.begin(segment)
    assert before is not None
    created = rows - known - len(refused)
    shipment = Shipment(
        source=source, at=9, events=rows, records=rows, created=created, known=known, refused=len(refused), size=10
    )
    ledger.settle(segment, before + rows, shipment, refused)


def of(ledger: Ledger, source: str = "app") -> Delivery:
    return ledger.totals().get(source, Delivery(source=source))


# --- sending ----------------------------------------------------------------------------------------------------------


def test_what_is_stored_is_pending_for_a_destination_until_it_is_settled(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    put(store, batch_of(["2026-03-03"] * 3, file="b"), now=NOW + timedelta(hours=1))
    ledger = ledger_of(store)
    (first, begun), (second, _) = ledger.pending()
    assert (first.rows, second.rows, begun) == (5, 3, False)
    found = of(ledger)
    assert (found.pending, found.delivered, found.oldest, found.last) == (8, 0, micros(NOW), None)
    assert found.pending_bytes == first.size + second.size == ledger.pending_bytes()
    assert ledger.begin(first.id) == 0
    assert [one[1] for one in ledger.pending()] == [True, False]
    send(ledger, first.id, 2, refusal("a"))
    assert ledger.begin(first.id) == 2
    send(ledger, first.id, 3, known=2)
    assert [one[0].id for one in ledger.pending()] == [second.id]
    found = of(ledger)
    assert (found.pending, found.delivered, found.known, found.refused) == (3, 4, 2, 1)
    assert (found.oldest, found.last) == (micros(NOW + timedelta(hours=1)), 9)
    send(ledger, second.id, 3)
    assert ledger.pending() == []
    assert of(ledger).oldest is None


@pytest.mark.parametrize("settled", [6, -1, "x", 2.5])
def test_a_ledger_that_cannot_be_right_is_an_error_and_not_taken_for_sent(
    store: WritableStore, settled: object
) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    send(ledger, info.id, 2)
    store.index.run("update sent set settled = ?", (settled,))
    with pytest.raises(StoreError, match="other events were sent than it has"):
        ledger.pending()


def test_each_destination_has_a_ledger_of_its_own(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    one, other = ledger_of(store), ledger_of(store, "other/test")
    ((info, _),) = one.pending()
    send(one, info.id, 5, refusal("a"))
    assert (of(one).pending, of(other).pending) == (0, 5)
    assert ([one.id for one in one.refused()], other.refused()) == (["a"], [])
    Ledger(store.index, "one/test").open(2, "https://moved.example:9200")
    assert Ledger.destinations(store.index) == [("one/test", "https://moved.example:9200"), ("other/test", ADDRESS)]


def test_a_destination_that_nobody_opened_has_everything_before_it(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    assert of(Ledger(store.index, "never/seen")).pending == 5
    assert Ledger.destinations(store.index) == []


def test_a_segment_that_is_gone_is_not_begun(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    store.delete({"app": date(2026, 3, 5)}, micros(NOW))
    assert ledger.begin(info.id) is None
    assert of(ledger) == Delivery(source="app")


def test_a_segment_that_is_deleted_while_it_is_sent_is_counted_as_sent_and_gone(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    send(ledger, info.id, 2)
    store.delete({"app": date(2026, 3, 5)}, micros(NOW))
    ledger.settle(info.id, 5, Shipment(source="app", at=9, events=3, records=3, created=3), [])
    found = of(ledger)
    assert (found.delivered, found.pending, found.gone) == (5, 0, 5)


def test_a_batch_that_is_settled_twice_over_or_not_at_all_is_never_half_in_the_ledger(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    ledger.begin(info.id)
    before = ledger.totals()

    def full(*_: object) -> None:
        raise StoreError("disk full")

    for name in ("_note", "_refuse"):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, name, full)
            with pytest.raises(StoreError):
                send(ledger, info.id, 5, refusal("a"))
        assert (ledger.totals(), ledger.refused()) == (before, [])


# --- what was refused -------------------------------------------------------------------------------------------------


def test_refused_documents_are_given_back_whole_some_at_a_time_by_id(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 9))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    given_back = [refusal(f"{number}", body=b"\xff\0" * number, reason=f"why {number}") for number in range(7)]
    send(ledger, info.id, 9, *given_back[::-1])
    found: list[Refused] = []
    while some := ledger.refused(after=found[-1].id if found else "", limit=3):
        assert len(some) <= 3
        found += some
    assert found == given_back


def test_what_is_refused_again_keeps_its_time_and_has_the_new_reason(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    send(ledger, info.id, 5, refusal("a"), refusal("b"))
    again = refusal("b", at=99, status=413, reason="too large")
    ledger.resolve(Shipment(source="app", at=99, created=1, refused=-1), ["a"], [again])
    assert ledger.refused() == [refusal("b", status=413, reason="too large")]
    found = of(ledger)
    assert (found.delivered, found.refused, found.forgotten, found.gone) == (4, 1, 0, 0)


def test_refused_documents_of_days_that_are_over_are_forgotten_the_undated_ones_by_when_they_were_refused(
    store: WritableStore,
) -> None:
    put(store, batch_of(["2026-03-04"] * 9))
    ledger = ledger_of(store)
    ((info, _),) = ledger.pending()
    midnight = micros(NOW) // DAY * DAY
    refused = (
        refusal("old", day="2026-03-04"),
        refusal("new", day="2026-03-05"),
        refusal("undated, old", day=UNDATED, at=midnight - 1),
        refusal("undated, new", day=UNDATED, at=midnight),
        refusal("of another source", source="other", day="2020-01-01"),
    )
    send(ledger, info.id, 9, *refused)
    before = {"app": date(2026, 3, 5)}
    assert ledger.forget(before, dry_run=True) == 2
    assert len(ledger.refused()) == 5
    assert ledger.forget(before) == 2
    assert [one.id for one in ledger.refused()] == ["new", "of another source", "undated, new"]
    assert (of(ledger).forgotten, ledger.forget(before)) == (3, 0)  # that of another source stands under it, too


# --- merging ----------------------------------------------------------------------------------------------------------


def sending(store: ParquetStore) -> list[tuple[int, list[tuple[int, int]]]]:
    """The rows of each segment, and how many of them each destination has."""
    found = []
    for info in store.chosen():
        query = "select destination, settled from sent where segment = ? order by destination"
        found.append((info.rows, [tuple(one) for one in store.index.run(query, (info.id,))]))
    return sorted(found)


def small(store: WritableStore, count: int, file: str) -> None:
    """So many segments of two events each."""
    for number in range(count):
        put(store, batch_of(["2026-03-04"] * 2, first=1 + 2 * number, file=file))


def test_only_segments_that_the_same_destinations_have_are_merged_and_none_that_was_begun(store: WritableStore) -> None:
    one, other = ledger_of(store), ledger_of(store, "other/test")
    small(store, 4, "neither")
    neither = {info.id for info, _ in one.pending()}
    small(store, 4, "one")
    for info, _ in one.pending():
        if info.id not in neither:
            send(one, info.id, 2)
    only_one = {info.id for info, _ in other.pending()} - neither
    small(store, 4, "both")
    for info, _ in other.pending():
        if info.id not in neither | only_one:
            send(one, info.id, 2)
            send(other, info.id, 2)
    small(store, 2, "begun")
    begun, half = sorted({info.id for info, _ in one.pending()} - neither)
    one.begin(begun)
    send(other, half, 1)
    before = (one.totals(), other.totals())
    assert store.compact() == 9
    both = [(1, 8), (2, 8)]
    assert sending(store) == [(2, [(1, 0)]), (2, [(2, 1)]), (8, []), (8, both[:1]), (8, both)]
    after = (one.totals(), other.totals())
    for mine, theirs in zip(before, after, strict=True):
        assert counts(mine["app"]) == counts(theirs["app"])
    assert {info.rows for info, _ in one.pending()} == {2, 8}


def counts(one: Delivery) -> tuple[int, ...]:
    return one.delivered, one.known, one.refused, one.pending, one.forgotten, one.gone


def test_segments_that_are_begun_while_they_are_merged_stay_as_they_are(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(store, 4, "a")
    ledger = ledger_of(store)
    chosen = [info.id for info, _ in ledger.pending()]
    placed = WritableStore._placed

    def begun_meanwhile(self: WritableStore, *given: Any) -> Any:
        with closing(Index(store.folder / "index.sqlite")) as elsewhere:
            send(Ledger(elsewhere, "one/test"), chosen[2], 1)
        return placed(self, *given)

    monkeypatch.setattr(WritableStore, "_placed", begun_meanwhile)
    assert store.compact() == 0
    monkeypatch.undo()
    assert [info.id for info, _ in ledger.pending()] == chosen
    assert (of(ledger).delivered, of(ledger).pending) == (1, 7)
    store.sweep()
    assert {
        str(one.relative_to(store.folder)) for one in store.folder.glob("events/**/*.parquet")
    } == store.index.paths()
    assert sorted(store.batch(info).rows for info in store.chosen()) == [2, 2, 2, 2]


# --- all of it, against a slow model ----------------------------------------------------------------------------------


@dataclass
class Event:
    """What the model knows of one event: its day, and what became of it at each destination."""

    source: str
    day: str
    collected: int
    state: dict[str, str] = field(default_factory=dict)
    stored: bool = True


@dataclass
class Model:
    """Every event that was ever stored, by id, and every refused document there is."""

    events: dict[str, Event] = field(default_factory=dict)
    refused: dict[str, dict[str, Refused]] = field(default_factory=lambda: {"one": {}, "two": {}})
    forgotten: dict[str, dict[str, int]] = field(default_factory=lambda: {"one": {}, "two": {}})

    def totals(self, name: str) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for one in self.events.values():
            mine, state = found.setdefault(one.source, [0] * 6), one.state.get(name)
            mine[0] += state in ("created", "known")
            mine[1] += state == "known"
            mine[3] += state is None and one.stored
            mine[5] += state is not None and not one.stored
        for document in self.refused[name].values():
            found[document.source][2] += 1
        for source, number in self.forgotten[name].items():
            found[source][4] += number
        return {source: tuple(mine) for source, mine in found.items() if any(mine)}


@settings(max_examples=40)
@given(st.data())
def test_the_ledgers_add_up_in_whatever_order_things_happen(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "FEW", 2)
        with writing(Path(folder) / ".kyber", "the test") as store:
            model, ledgers = Model(), {name: ledger_of(store, name) for name in ("one", "two")}
            steps = data.draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=14), label="steps")
            for number, step in enumerate(steps):
                step(data, store, model, ledgers, number)
                check(store, model, ledgers)


def check(store: WritableStore, model: Model, ledgers: dict[str, Ledger]) -> None:
    kept = {source: one.kept for source, one in store.totals().items()}
    for name, ledger in ledgers.items():
        found = ledger.totals()
        assert {source: counts(one) for source, one in found.items() if any(counts(one))} == model.totals(name)
        for source, one in found.items():
            assert kept.get(source, 0) == one.delivered + one.refused + one.pending + one.forgotten - one.gone
        assert {one.id: one for one in ledger.refused()} == model.refused[name]
        assert ledger.pending_bytes() >= 0


def append(data: st.DataObject, store: WritableStore, model: Model, _: Any, number: int) -> None:
    source, day = data.draw(st.sampled_from(["app", "web"])), data.draw(st.sampled_from(DAYS))
    made = batch_of([day] * data.draw(st.integers(1, 4)), source=source, file=f"{number}")
    now = NOW - timedelta(days=data.draw(st.integers(0, 2)))
    put(store, made, now=now)
    for row in range(made.rows):
        model.events[made.event_id(row)] = Event(source, day or UNDATED, micros(now))


def ship(data: st.DataObject, store: WritableStore, model: Model, ledgers: dict[str, Ledger], number: int) -> None:
    """Begin a segment, and settle some of its rows."""
    name = data.draw(st.sampled_from(sorted(ledgers)))
    pending = ledgers[name].pending()
    if not pending:
        return
    info, _ = data.draw(st.sampled_from(pending))
    before = ledgers[name].begin(info.id)
    assert before is not None
    upto = data.draw(st.integers(before, info.rows))
    batch, became = store.batch(info), []
    for row in range(before, upto):
        identity = batch.event_id(row)
        state = model.events[identity].state[name] = data.draw(st.sampled_from(["created", "known", "refused"]))
        became.append(state)
        if state == "refused":
            document = refusal(identity, info.source, info.day, at=micros(NOW) - number * DAY // 4)
            model.refused[name][identity] = document
    if upto > before:
        refused = [
            model.refused[name][one]
            for row in range(before, upto)
            if (one := batch.event_id(row)) in model.refused[name]
        ]
        shipment = Shipment(
            source=info.source,
            at=number,
            events=len(became),
            records=len(became),
            created=became.count("created"),
            known=became.count("known"),
            refused=became.count("refused"),
        )
        ledgers[name].settle(info.id, upto, shipment, refused)


def retry(data: st.DataObject, _: Any, model: Model, ledgers: dict[str, Ledger], number: int) -> None:
    name = data.draw(st.sampled_from(sorted(ledgers)))
    for source in ("app", "web"):
        mine = [one for one in ledgers[name].refused() if one.source == source]
        became = {one.id: data.draw(st.sampled_from(["created", "known", "refused"])) for one in mine}
        taken = [identity for identity, state in became.items() if state != "refused"]
        still = [refusal(one, source, status=413, reason=f"{number}") for one in became.keys() - set(taken)]
        states = list(became.values())
        shipment = Shipment(
            source=source,
            at=number,
            created=states.count("created"),
            known=states.count("known"),
            refused=-len(taken),
        )
        ledgers[name].resolve(shipment, taken, still)
        for identity in taken:
            model.events[identity].state[name] = became[identity]
            del model.refused[name][identity]
        for one in still:
            before = model.refused[name][one.id]
            model.refused[name][one.id] = refusal(
                one.id, source, before.day, at=before.at, status=413, reason=one.reason
            )


def compact(_: Any, store: WritableStore, *__: Any) -> None:
    store.compact()


def retain(data: st.DataObject, store: WritableStore, model: Model, ledgers: dict[str, Ledger], _: int) -> None:
    """Retention of one source: what is stored, and what was refused."""
    source, day = data.draw(st.sampled_from(["app", "web"])), date(2026, 3, data.draw(st.integers(3, 6)))
    store.delete({source: day}, micros(NOW))
    midnight = (day - date(1970, 1, 1)).days * DAY
    left = {batch.event_id(row) for batch in store.events() for row in range(batch.rows)}
    for identity, one in model.events.items():
        if one.source == source and one.day != UNDATED:
            assert (identity in left) == (one.stored and one.day >= day.isoformat())
        one.stored = identity in left
    for name, ledger in ledgers.items():
        old = [
            one
            for one in model.refused[name].values()
            if one.source == source and (one.at < midnight if one.day == UNDATED else one.day < day.isoformat())
        ]
        assert ledger.forget({source: day}) == len(old)
        for document in old:
            del model.refused[name][document.id]
            model.forgotten[name][source] = model.forgotten[name].get(source, 0) + 1


STEPS: Final[list[Any]] = [append, append, append, ship, ship, ship, retry, compact, retain]


# --- an index of an earlier version -----------------------------------------------------------------------------------


def make_old(file: Path) -> None:
    """Take away what the second version of the index added, as if it had never been there."""
    with closing(sqlite3.connect(file)) as database:
        for table in ("refused", "shipments", "sent", "destinations"):
            database.execute(f"drop table {table}")
        database.execute("pragma user_version = 1")
        database.commit()


def schema(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as database:
        return sorted(database.execute("select type, name, sql from sqlite_master where name not like 'sqlite_%'"))


def test_an_index_of_the_first_version_is_carried_over_with_all_that_it_knows(tmp_path: Path) -> None:
    folder = tmp_path / ".kyber"
    with writing(folder, "the test") as store:
        put(store, batch_of(["2026-03-04"] * 5))
        before = (store.totals(), store.chosen(), store.index.cursors("app"), store.index.state("commit"))
    new = schema(folder / "index.sqlite")
    make_old(folder / "index.sqlite")
    with closing(ParquetStore(folder)) as read:  # a reader carries it over as well
        assert (read.totals(), read.chosen(), read.index.cursors("app"), read.index.state("commit")) == before
        assert of(Ledger(read.index, "one/test")).pending == 5
    assert schema(folder / "index.sqlite") == new
    with writing(folder, "the test") as store:
        ledger = ledger_of(store)
        ((info, _),) = ledger.pending()
        send(ledger, info.id, 5)
        assert of(ledger).delivered == 5


def test_an_index_that_the_first_version_made_empty_becomes_one_of_now(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(f"{index_module._SCHEMAS[0]}; pragma user_version = 1;")
    with closing(Index(file)):
        pass
    again = tmp_path / "new.sqlite"
    with closing(Index(again)):
        pass
    assert schema(file) == schema(again)


def test_an_index_is_carried_over_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index.sqlite"
    with closing(Index(file)):
        pass
    make_old(file)
    old = schema(file)
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "_SCHEMAS", (index_module._SCHEMAS[0], f"{index_module._SENDING} nonsense;"))
        with pytest.raises(StoreError, match="cannot be used"):
            Index(file)
    assert schema(file) == old
    with closing(Index(file)) as index:
        assert index.run("pragma user_version") == [(2,)]
