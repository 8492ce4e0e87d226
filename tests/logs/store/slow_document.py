"""Documents made slowly and obviously, one event and one value at a time. They pin those that are made many at once."""

import json
from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import blake2b
from ipaddress import ip_address
from math import isfinite
from typing import Any

import orjson

from kyber.logs.batch import EventBatch
from kyber.logs.schema import Table
from kyber.logs.store.document import Document, Sending
from kyber.logs.store.templates import TYPES
from kyber.logs.values import NO_TIME, Scalar, Value, fold, number, parts, text
from kyber.render.rows import ECS_VERSION


def slow_document(batch: EventBatch, row: int, sending: Sending) -> Document:
    """The document of one event."""
    time, origin, raw = int(batch.times[row]), batch.origin(row), batch.raw[row]
    dataset = "kyber." + "".join(one if one in LETTERS else "_" for one in batch.source.lower())
    index = f"logs-{dataset}-{sending.namespace}"
    logsource = {one: getattr(batch.logsource, one) for one in ("product", "category", "service")}
    values = {name: column for name in sorted(batch.names) if (column := batch.fields.column(name)) is not None}
    native: dict[str, Value] = {name: one.values[one.codes[row]] for name, one in values.items() if one.codes[row] >= 0}
    terms, partial, odd, fields = [], [], [], {}
    for name, value in native.items():
        shortened = fold(name).encode("utf-8", "replace")[:1_024].decode(errors="ignore")
        found = [f"{fold(name)}={fold(text(one))}" for one in parts(value) if one is not None]
        terms += [one for one in found if is_text(one) and len(one.encode()) <= 1_024]
        if any(len(one.encode("utf-8", "replace")) > 1_024 for one in found):
            partial.append(shortened)
        if is_field(name, value):
            fields[name] = value
        else:
            odd.append([json.dumps(name), json.dumps(value)])
            partial.append(shortened)
    more: dict[str, Any] = {} if time == NO_TIME else {"time": time}
    more |= {"partial": list(dict.fromkeys(partial))} if partial else {}
    more |= {"odd": odd} if odd else {}
    more |= {} if is_utf8(raw) else {"raw": b64encode(raw).decode()}
    body = {
        "@timestamp": stamp(time) or stamp(sending.collected),
        **{name: found for name in batch.table.columns if (found := canonical(batch, name, row)) is not None},
        "ecs.version": ECS_VERSION,
        "event.ingested": stamp(sending.ingested),
        "data_stream": {"type": "logs", "dataset": dataset, "namespace": sending.namespace},
        "event.original": raw.decode("utf-8", "replace"),
        "kyber": {
            "source": batch.source,
            "table": batch.table.name,
            "zone": str(batch.zone),
            "verbatim": batch.verbatim,
            "day": sending.day,
            **{name: said for name, said in logsource.items() if said is not None},
            "id": batch.event_id(row),
            "record": batch.records[row],
            "offset": batch.offsets[row],
            "held": batch.read.held[row] if batch.read.held else 1,
            "file": origin.file.encode("utf-8", "replace").decode(),
            "fingerprint": origin.fingerprint.hex(),
            "shape": shape([batch.table.name, *logsource.values(), list(native)], batch, row),
            "fields": fields,
            "terms": terms,
            **more,
        },
    }
    action = {"create": {"_index": index, "_id": batch.event_id(row)}}
    return Document(batch.event_id(row), orjson.dumps(action), orjson.dumps(body), body["kyber"]["held"])  # type: ignore[index]


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


def is_text(found: str) -> bool:
    """Whether there is no half of a character in it."""
    return found.encode("utf-8", "ignore").decode() == found


def is_utf8(raw: bytes) -> bool:
    return raw.decode(errors="ignore").encode() == raw


def is_field(name: str, value: Value) -> bool:
    """Whether the field type and JSON take it."""
    named = bool(name.strip()) and "\0" not in name and is_text(name) and len(name.encode()) <= 512
    return named and all(map(is_plain, parts(value)))


def is_plain(one: Scalar) -> bool:
    if isinstance(one, str):
        return is_text(one)
    if isinstance(one, float):
        return isfinite(one)
    return one is None or -(2**63) <= one < 2**64


def stamp(time: int) -> str | None:
    """A time; None for those that no date can write."""
    try:
        return (datetime(1970, 1, 1) + timedelta(microseconds=time)).isoformat(timespec="microseconds") + "Z"
    except OverflowError:
        return None


def canonical(batch: EventBatch, name: str, row: int) -> Any:
    """A canonical value as its mapping takes it; None where there is none."""
    column = batch.column(name)
    if name not in TYPES or column is None or column.codes[row] < 0:
        return None
    value = column.values[column.codes[row]]
    found = [fitting for one in parts(value) if (fitting := fit(one, TYPES[name])) is not None]
    if not found or not all(map(is_plain, found)):
        return None
    return found if isinstance(value, tuple) else found[0]


def fit(one: Scalar, kind: str) -> Scalar:
    if one is None:
        return None
    if kind in ("keyword", "text"):
        return text(one)
    if isinstance(one, bool):
        return None
    if kind == "ip":
        try:
            address = ip_address(text(one))
        except ValueError:
            return None
        return None if "%" in str(address) else str(address)
    read = number(one)
    whole = read is not None and isfinite(read) and read == int(read) and -(2**63) <= int(read) < 2**63
    return int(read) if read is not None and whole else None


def shape(head: list[Any], batch: EventBatch, row: int) -> str:
    """The digest of what events of one shape have in common."""
    meant = []
    for name, wanted in kinds(batch.table).items():
        column = batch.column(name)
        if column is None or column.codes[row] < 0:
            meant.append("")
        else:
            told = {text(one).lower() for one in parts(column.values[column.codes[row]])}
            meant.append(json.dumps(sorted(told & wanted)))
    return blake2b(json.dumps([*head, meant]).encode(), digest_size=12).hexdigest()


def kinds(known: Table) -> dict[str, set[str]]:
    """By column, the texts that tell kinds of events."""
    found: dict[str, set[str]] = {}
    for meanings in (known.categories, known.services):
        for conditions in meanings.values():
            for condition in conditions:
                for column, wanted in condition:
                    found.setdefault(column, set()).update(wanted)
    for some in known.columns.values():
        for drawn in some:
            for column, wanted in drawn.when:
                found.setdefault(column, set()).update(wanted)
    return found
