"""Events become documents and the same events again, whatever is in them; and what is no document does no harm."""

import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BufferedReader
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.schema import table, tables
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, read_rule
from kyber.logs.store.document import (
    LONGEST_NAME,
    LONGEST_TERM,
    Document,
    Sending,
    decode,
    documents,
    partial,
    terms_of,
)
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import ParquetStore, writing
from kyber.logs.store.templates import KEYWORD, TYPES, stream
from kyber.logs.values import NO_TIME, fold, parts, text
from tests.data import outside
from tests.logs.sigma.strategies import PLACEHOLDERS
from tests.logs.store.slow_document import slow_document
from tests.logs.store.test_segment import KEYS, MIXED, SCALARS, names_of, said

NOW: Final = 1_772_712_000_000_000
MADE, WINDOWS = LogSource("made", None, "thing"), LogSource("windows")
TABLES: Final = ["json", "windows", "linux"]
NATIVE: Final = sorted({drawn.column for one in tables() for some in one.columns.values() for drawn in some})
ODD_NAMES: Final = [
    "a=b",
    "=",
    ".",
    "a.",
    ".a",
    "a..b",
    " ",
    "\0",
    "a\0b",
    "x" * 513,
    "y" * 40_000,
    "\ud800",
    "ä\udfff",
]
ODD_VALUES: Final = [
    "x" * 1_020,
    "x" * 1_100,
    "ß" * 9_000,
    "\U0001f600" * 9_000,
    "\0" * 700,
    "\ud800",
    "\u0130\u03a3\u212a",
    2**64 - 1,
    2**64,
    5e-324,
    1e16,
    "1.2.3.4",
    "::ffff:1.2.3.4",
    "fe80::1%eth0",
    "65536",
    "0x1f",
    "1e3",
    "-0",
    4688,
]
VALUE: Final[st.SearchStrategy[Any]] = st.one_of(
    SCALARS, st.sampled_from(ODD_VALUES), st.text(st.characters(), max_size=5)
)
NAME: Final = st.one_of(KEYS, st.sampled_from(ODD_NAMES), st.sampled_from(NATIVE), st.text(st.characters(), max_size=4))
EVENT: Final = st.dictionaries(NAME, VALUE | st.lists(VALUE, max_size=4), max_size=6)
TIME: Final = st.one_of(
    st.just(NO_TIME),
    st.integers(NOW - 10**12, NOW),
    st.sampled_from([0, -1, -(10**17), 10**17, 253_402_300_800_000_000, 2**63 - 1, -(2**63) + 1]),
)
RAW: Final = st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"\xff\x00", "å\n\u2028".encode(), b"{}" * 9_000]))


def batch_of(
    events: Sequence[Mapping[str, Any]],
    *,
    raw: Sequence[bytes] = (),
    times: Sequence[int] = (),
    held: Sequence[int] = (),
    origin: Origin | None = None,
    logsource: LogSource = MADE,
    of: str = "json",
    verbatim: bool = False,
) -> EventBatch:
    """Events of one input, as they would be parsed; nothing of them need be text."""
    count = len(events)
    parsed = Parsed(
        events=[dict(one) for one in events],
        raw=list(raw) or [f"record {number}".encode() for number in range(count)],
        numbers=list(range(1, count + 1)),
        offsets=[100 * number for number in range(count)],
        held=list(held),
    )
    read = origin or Origin("app", "logs/app.log", b"\x01" * 32, ZoneInfo("Europe/Helsinki"))
    batch = EventBatch(parsed, read, logsource, table(of), json=verbatim)
    if times:
        batch.times = np.array(times, dtype=np.int64)
    return batch


@st.composite
def some_batches(draw: st.DrawFn) -> EventBatch:
    events = draw(st.lists(EVENT, min_size=1, max_size=6))
    each: dict[str, Any] = {"min_size": len(events), "max_size": len(events)}
    return batch_of(
        events,
        raw=draw(st.lists(RAW, **each)),
        times=draw(st.just([]) | st.lists(TIME, **each)),
        held=draw(st.just([]) | st.lists(st.integers(1, 2**31 - 1), **each)),
        origin=Origin(
            draw(st.sampled_from(["app", "App-1", "ä"])),
            draw(st.sampled_from(["", "a b/ä\0.log", "\udce4.log", "x" * 9_000])),
            draw(st.binary(max_size=32)),
            draw(st.sampled_from([UTC, ZoneInfo("Europe/Helsinki")])),
        ),
        logsource=draw(st.sampled_from([LogSource(), LogSource("windows"), LogSource("a", "b", "c")])),
        of=draw(st.sampled_from(TABLES)),
        verbatim=draw(st.booleans()),
    )


def sent(store: ParquetStore) -> list[tuple[EventBatch, list[Document]]]:
    """Every segment of a store, and its documents."""
    found = []
    for info in store.chosen():
        batch = store.batch(info)
        sending = Sending(day=info.day, collected=info.collected, ingested=NOW + 1, namespace="test")
        found.append((batch, documents(batch, np.arange(batch.rows), sending)))
    return found


def stored(batch: EventBatch, folder: str | Path) -> list[tuple[EventBatch, list[Document]]]:
    """A batch in a store of its own, which gives it back segment by segment with the documents."""
    origin = batch.origin(0)
    with writing(Path(folder) / ".kyber", "the test") as store:
        cursor, read = Cursor(source=origin.source, path="x"), Read(source=origin.source, file="x")
        store.append(batch, [], origin, cursor, read, NOW)
        return sent(store)


def bodies(batch: EventBatch) -> list[dict[str, Any]]:
    """The documents of a batch that is not stored."""
    sending = Sending(day="2026-03-05", collected=NOW, ingested=NOW + 1, namespace="test")
    return [orjson.loads(one.body) for one in documents(batch, np.arange(batch.rows), sending)]


# --- there and back ---------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(some_batches())
@example(batch_of([*MIXED, {}], times=[NOW] * (len(MIXED) + 1)))
@example(batch_of([{}], raw=[b""]))
@example(batch_of([{name: value} for name in ODD_NAMES for value in ("x", "x" * 1_020, 2**64)]))
@example(batch_of([{"a": value, "b": [value, None]} for value in ODD_VALUES]))
@example(batch_of([{"a": math.nan}, {"a": [math.inf, "x"]}, {"a": ()}, {"a": [None]}], raw=[b"\xff", b"", b"\0", b"x"]))
def test_what_is_made_of_a_document_is_the_event_that_was_stored(batch: EventBatch) -> None:
    with TemporaryDirectory() as folder:
        found = stored(batch, folder)
        assert sum(len(made) for _, made in found) == len({batch.event_id(row) for row in range(batch.rows)})
        for segment, made in found:
            names = names_of([segment, batch])
            assert [one.held for one in made] == list(segment.read.held)
            for loads in (orjson.loads, json.loads):
                again = decode([loads(one.body) for one in made])
                assert again.strangers == 0
                (read,) = again.batches
                assert set(read.names) == set(segment.names)
                assert read.times.tolist() == segment.times.tolist()
                for row in range(segment.rows):
                    assert said(read, row, names) == said(segment, row, names)
            for one in made:
                assert_sound(one, batch.source)


def assert_sound(one: Document, source: str) -> None:
    """What holds for every document, so that a server takes it."""
    assert b"\n" not in one.action + one.body
    assert one.size == len(one.action + b"\n" + one.body + b"\n")
    action, body = json.loads(one.action), json.loads(one.body)
    own = body["kyber"]
    assert action == {"create": {"_index": stream(source, "test"), "_id": one.id}}
    assert own["id"] == one.id
    assert datetime.fromisoformat(body["@timestamp"]).tzinfo is not None
    assert f"logs-{body['data_stream']['dataset']}-{body['data_stream']['namespace']}" == stream(source, "test")
    assert all(len(term.encode()) <= LONGEST_TERM for term in [*own["terms"], *own.get("partial", ())])
    assert all(name.strip() and "\0" not in name and len(name.encode()) <= LONGEST_NAME for name in own["fields"])
    for name, kind in TYPES.items():
        for value in parts(tuple(body[name]) if isinstance(body.get(name), list) else body.get(name)):
            assert value is None or type(value) is (int if kind == "long" else str)


def test_a_time_that_no_date_can_write_and_none_at_all_stand_as_the_time_of_collecting(tmp_path: Path) -> None:
    times = [0, -1, NO_TIME, 253_402_300_799_999_999, 253_402_300_800_000_000, -62_135_596_800_000_001]
    stamps = [one["@timestamp"] for one in bodies(batch_of([{}] * 6, times=times))]
    collected = "2026-03-05T12:00:00.000000Z"
    assert stamps == [
        "1970-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        collected,
        "9999-12-31T23:59:59.999999Z",
        collected,
        collected,
    ]
    assert [one["kyber"].get("time") for one in bodies(batch_of([{}] * 6, times=times))] == [
        None if time == NO_TIME else time for time in times
    ]


def test_a_document_holds_ecs_as_far_as_it_fits_and_the_record_whole(tmp_path: Path) -> None:
    data = {"SourceIp": ["10.0.0.1", "nobody", "fe80::1%eth0"], "SourcePort": "70000", "ProcessId": "0x1f"}
    event = {"winlog": {"event_data": data | {"CommandLine": True}}}
    ((_, (made,)),) = stored(batch_of([event], raw=[b"caf\xe9"], times=[NOW], of="windows"), tmp_path)
    body = json.loads(made.body)
    own = body.pop("kyber")
    assert body == {
        "@timestamp": "2026-03-05T12:00:00.000000Z",
        "data_stream": {"type": "logs", "dataset": "kyber.app", "namespace": "test"},
        "ecs.version": body["ecs.version"],
        "event.ingested": "2026-03-05T12:00:00.000001Z",
        "event.original": "caf\ufffd",
        "source.ip": ["10.0.0.1"],
        "source.port": 70_000,
        "process.command_line": "true",
    }
    assert (own["raw"], own["zone"], own["day"]) == (b64encode(b"caf\xe9").decode(), "Europe/Helsinki", "2026-03-05")
    prefix = "winlog.event_data."
    values = ("commandline=true", "processid=0x1f", "sourceip=10.0.0.1", "sourceip=nobody", "sourceip=fe80::1%eth0")
    assert own["terms"] == [*(prefix + one for one in values), f"{prefix}sourceport=70000"]
    assert own["fields"] == {prefix + name: value for name, value in (data | {"CommandLine": True}).items()}


# --- many at once, as if one by one -----------------------------------------------------------------------------------


def assert_as_if_made_slowly(batch: EventBatch) -> None:
    sending = Sending(day="2026-03-05", collected=NOW, ingested=NOW + 1, namespace="test")
    for start in range(0, batch.rows, 512):
        rows = np.arange(start, min(start + 512, batch.rows))
        for row, one in zip(rows.tolist(), documents(batch, rows, sending), strict=True):
            assert one == slow_document(batch, row, sending)


@settings(max_examples=150)
@given(some_batches())
@example(batch_of([*MIXED, {}], times=[NOW] * (len(MIXED) + 1)))
@example(batch_of([{name: value} for name in ODD_NAMES for value in ("x", "x" * 1_020, 2**64)]))
@example(batch_of([{"a": value, "b": [value, None]} for value in ODD_VALUES]))
@example(batch_of([{"a": "\ud800"}, {"a": "ä"}, {"b": "\ud800"}]))
@example(batch_of([{"a": "\x7f"}, {"a": "x\x7fy"}, {"a\x7fb": "x"}, {"\x7f": "\x7f"}]))
@example(batch_of([{"A": '\0\\"\n\u2028/', "B": "\u0130\u03a3\u212aß"}, {"A": "", "B": "ΟΔΥΣΣΕΥΣ"}]))
@example(batch_of([{"n": number} for number in (0, -(2**63), 2**64 - 1)]))
@example(batch_of([{"n": 1}, {"n": 2**64}, {"n": True}, {"n": 1.0}, {"n": -0.0}]))
@example(batch_of([{"a": "ß" * 600}, {"a": "x" * 1_022}, {"a": "x" * 1_023}, {"A": "x" * 2_000, "a": "x" * 2_000}]))
@example(batch_of([{"a": "x" * 2**19}, {"a": "y" * 2**19}, {"a": "z"}]))
@example(
    batch_of([{"winlog": {"event_data": {"SourcePort": value}}} for value in (*range(3), "4", True)], of="windows")
)
def test_documents_made_together_are_those_that_are_made_one_by_one(batch: EventBatch) -> None:
    assert_as_if_made_slowly(batch)


def test_documents_of_real_events_of_windows_are_those_that_are_made_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with outside("windows-events.jsonl.zst").open("rb") as packed:
        lines = BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed))
        file.write_bytes(b"".join(islice(lines, 0, 60_000, 60)))
    now = datetime.now(UTC)
    with writing(tmp_path / ".kyber", "the test") as store:
        collect([Job(source="files", inputs=inputs([str(file)], now)[0], zone=UTC)], store, now)
        batches = [store.batch(info) for info in store.chosen()]
        assert sum(batch.rows for batch in batches) == 1_000
        for batch in batches:
            assert_as_if_made_slowly(batch)


# --- what is compared -------------------------------------------------------------------------------------------------


@settings(max_examples=75)
@given(NAME, VALUE | st.lists(VALUE, max_size=3).map(tuple))
def test_a_term_is_the_folded_name_and_text_of_each_value_or_the_column_is_named_as_partial(
    name: str, value: Any
) -> None:
    event = {name: list(value) if isinstance(value, tuple) else value}
    (body,) = bodies(batch_of([event]))
    own = body["kyber"]
    wanted = [f"{fold(name)}={fold(text(part))}" for part in parts(value) if part is not None]
    listed, whole = terms_of(fold(name), value)
    assert listed == [term for term in wanted if len(term.encode("utf-8", "replace")) <= LONGEST_TERM]
    assert whole == (len(listed) == len(wanted))
    assert set(own["terms"]) <= set(wanted)
    assert set(own["terms"]) == set(wanted) or own["partial"] == [partial(fold(name))]


def test_one_name_is_partial_however_often_and_however_it_is_written() -> None:
    long = "x" * 2_000
    events: list[Mapping[str, Any]] = [{"A": long}, {"a": [long, "short"]}, {"n" * 50_000: long}, {"\udfff": 1}]
    assert [one["kyber"].get("partial") for one in bodies(batch_of(events))] == [
        ["a"],
        ["a"],
        ["n" * LONGEST_TERM],
        ["?"],
    ]
    (both,) = bodies(batch_of([{"A": long, "a": long}]))
    assert set(both["kyber"]["partial"]) == {"a"}


# --- shapes -----------------------------------------------------------------------------------------------------------


def shapes(batch: EventBatch) -> list[str]:
    return [one["kyber"]["shape"] for one in bodies(batch)]


@settings(max_examples=30)
@given(st.lists(EVENT, min_size=1, max_size=8), st.sampled_from(TABLES))
def test_the_shape_of_an_event_does_not_depend_on_what_stands_beside_it(
    events: list[Mapping[str, Any]], of: str
) -> None:
    alone = [shapes(batch_of([one], of=of))[0] for one in events]
    assert shapes(batch_of(events, of=of)) == alone
    assert shapes(batch_of(events[::-1], of=of)) == alone[::-1]


def test_events_of_other_fields_kinds_tables_or_logsources_have_other_shapes() -> None:
    event = {"winlog": {"event_id": 1, "channel": "Security"}}
    others: list[EventBatch] = [
        batch_of([event], of="windows"),
        batch_of([event], of="json"),
        batch_of([{**event, "x": None}], of="windows"),
        batch_of([{"winlog": {"event_id": 4688, "channel": "Security"}}], of="windows"),
        batch_of([event], of="windows", logsource=LogSource("windows")),
        batch_of([event], of="windows", logsource=LogSource("windows,category:x")),
        batch_of([event], of="windows", logsource=LogSource("windows", "x")),
        batch_of([{}], of="windows"),
    ]
    assert len({shapes(one)[0] for one in others}) == len(others)
    (of_another_text,) = shapes(batch_of([{"winlog": {"event_id": "1", "channel": "SECURITY"}}], of="windows"))
    assert of_another_text == shapes(others[0])[0]  # no rule is blind for the one and not for the other


def test_events_of_one_shape_show_the_same_fields_to_the_rules_of_the_same_logsources() -> None:
    ids = (1, 4624, 4688, "4688", 307, 5156, 99_999, None)
    channels = ("Security", "security", "Microsoft-Windows-PrintService/Operational", "x", None)
    names = ("NewProcessName", "ProcessCommandLine", "TargetUserName", "Param3", "SourceAddress")
    events: list[dict[str, Any]] = [
        {"winlog": {"event_id": identity, "channel": channel, "event_data": {name: "a"}}}
        for identity, channel, name in product(ids, channels, names)
    ]
    events += [{"winlog": {"event_id": identity, "event_data": {"Param3": None}}} for identity in ids]
    seen: dict[str, object] = {}
    for event, shape in zip(events, shapes(batch_of(events, of="windows", logsource=WINDOWS)), strict=True):
        matcher = Matcher(PLAN)
        matcher.look(batch_of([event], of="windows", logsource=WINDOWS))
        assert seen.setdefault(shape, matcher.found().seen) == matcher.found().seen
    assert len(seen) < len(events)


def rule_of(number: int, field: str, logsource: Mapping[str, str]) -> Rule:
    document = {
        "title": f"Looks at {field}",
        "id": f"00000000-0000-4000-8000-{number:012}",
        "logsource": {"product": "windows", **logsource},
        "detection": {"a": {field: "x"}, "condition": "a"},
    }
    found = read_rule(document, "made.yml", PLACEHOLDERS, [])
    assert isinstance(found, Rule)
    return found


FIELDS: Final = ("Image", "CommandLine", "User", "TargetUserName", "Param3", "SourceIp", "user.name", "source.ip")
PLAN: Final = plan(
    rule_of(number, field, logsource)
    for number, (field, logsource) in enumerate(
        (field, logsource)
        for field in FIELDS
        for logsource in ({}, {"service": "security"}, {"category": "process_creation"}, {"service": "printservice"})
    )
)


# --- what is no document ----------------------------------------------------------------------------------------------

JUNK: Final[st.SearchStrategy[Any]] = st.recursive(
    SCALARS | st.sampled_from(["../../etc/passwd", "/etc/passwd", "UTC\0", "localtime", "x" * 5_000, "\ud800", "."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def one_document(event: Mapping[str, Any] | None = None) -> dict[str, Any]:
    (body,) = bodies(batch_of([event or {"a": 1, "b": [math.nan]}], raw=[b"\xff"], times=[NOW]))
    return body


@settings(max_examples=75)
@given(st.lists(JUNK, max_size=3))
def test_arbitrary_json_is_counted_as_strange(found: list[Any]) -> None:
    made = decode(found)
    assert made.strangers + sum(batch.rows for batch in made.batches) == len(found)


def taken_apart(one: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every part of a document."""
    inner = (
        [path_ for key, value in one.items() for path_ in taken_apart(value, (*path, key))] if type(one) is dict else []
    )
    return [path, *inner] if path else inner


@settings(max_examples=100)
@given(st.data())
def test_a_document_that_was_tampered_with_is_read_whole_or_not_at_all(data: st.DataObject) -> None:
    body = one_document()
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(taken_apart(body)))
        at = body
        for key in above:
            at = at[key]
        if data.draw(st.booleans()):
            at[last] = data.draw(JUNK)
        else:
            del at[last]
    made = decode([body, one_document()])
    assert made.strangers + sum(batch.rows for batch in made.batches) == 2
    for batch in made.batches:
        for row in range(batch.rows):
            said(batch, row, sorted(batch.names))


DEEP: Final = "[" * 100_000


@pytest.mark.parametrize(
    "change",
    [
        lambda own: own.update(table="../../../etc/passwd"),
        lambda own: own.update(table="..\\json"),
        lambda own: own.update(table="j" * 100_000),
        lambda own: own.update(table=""),
        lambda own: own.update(zone="../../../etc/passwd"),
        lambda own: own.update(zone="/etc/localtime"),
        lambda own: own.update(zone="Europe"),
        lambda own: own.update(zone=""),
        lambda own: own.update(zone="Z" * 100_000),
        lambda own: own.update(zone="Europe/Helsinki\0"),
        lambda own: own.update(source="\ud800"),
        lambda own: own.update(file="\udcff"),
        lambda own: own.update(product=["windows"]),
        lambda own: own.update(id="0 " * 32),
        lambda own: own.update(id=own["id"].upper() + " "),
        lambda own: own.update(id="é" * 32),
        lambda own: own.update(time=float(NOW)),
        lambda own: own.update(time=2**63),
        lambda own: own.update(time=True),
        lambda own: own.update(record="1"),
        lambda own: own.update(fingerprint="zz"),
        lambda own: own.update(verbatim=1),
        lambda own: own.update(fields=[["a", 1]]),
        lambda own: own.update(fields={"a": {"b": 1}}),
        lambda own: own.update(fields={"a": [[1]]}),
        lambda own: own.update(fields={"a": [{"b": 1}]}),
        lambda own: own.update(raw="not base64"),
        lambda own: own.update(raw="A" * 1_000_001),
        lambda own: own.update(odd=7),
        lambda own: own.update(odd=[["a", "1"]]),
        lambda own: own.update(odd=[['"a"', 1]]),
        lambda own: own.update(odd=[['"a"', '{"b": 1}']]),
        lambda own: own.update(odd=[['"a"', "[[1]]"]]),
        lambda own: own.update(odd=[['"a"', DEEP]]),
        lambda own: own.update(odd=[[DEEP, "1"]]),
        lambda own: own.update(odd=[['"a"', "9" * 10_000]]),
        lambda own: own.update(odd=[['"a"']]),
    ],
)
def test_a_hostile_part_makes_a_document_a_stranger_and_the_next_one_is_read(change: Callable[[Any], None]) -> None:
    body = one_document()
    change(body["kyber"])
    made = decode([body, one_document()])
    assert made.strangers == 1
    assert [batch.rows for batch in made.batches] == [1]


def test_a_document_with_very_many_values_is_read_as_it_is() -> None:
    body = one_document({"all": list(range(50_000))})
    body["kyber"]["fields"] |= {f"n{number}": number for number in range(20_000)}
    (batch,) = decode([body]).batches
    assert len(set(batch.names)) == 20_001
    column = batch.column("n19999")
    assert column is not None
    assert column.at(0) == 19_999


def test_documents_of_several_natures_become_a_batch_each_in_their_order() -> None:
    first, second = batch_of([{"n": 1}, {"n": 2}]), batch_of([{"n": 3}], of="windows")
    made = [*bodies(first), *bodies(second)]
    found = decode([made[0], made[2], made[1]]).batches
    assert [(one.table.name, [one.event_id(row) for row in range(one.rows)]) for one in found] == [
        ("json", [first.event_id(0), first.event_id(1)]),
        ("windows", [second.event_id(0)]),
    ]


def test_a_value_of_a_canonical_column_that_is_too_long_to_be_indexed_is_not_cut() -> None:
    (body,) = bodies(batch_of([{"user": {"name": "x" * (KEYWORD + 1)}}]))
    assert body["user.name"] == "x" * (KEYWORD + 1)
