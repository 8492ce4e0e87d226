"""JSON lines, flat or nested -> events, as the log names its fields."""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.formats import Context, Format
from kyber.logs.records import BROKEN
from kyber.logs.values import older

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in JSON. Its group holds one that stands for half a character."""


def _whole_character(escape: re.Match[str]) -> str:
    return "\N{REPLACEMENT CHARACTER}" if escape[1] else escape[0]


class JsonParser:
    """One JSON object a record. Stateless: nothing is left at the end."""

    notes: Mapping[str, int] = {}
    pending: int | None = None

    def feed(self, chunk: Chunk) -> Parsed:
        """Every record becomes an event, a reject, or is blank."""
        parsed = _all(chunk)
        if parsed is not None:
            return parsed
        parsed = Parsed()
        events, raw, numbers, offsets = parsed.events, parsed.raw, parsed.numbers, parsed.offsets
        loads = orjson.loads
        for number, (record, offset) in enumerate(zip(chunk.records, chunk.offsets, strict=True), chunk.first):
            try:
                event = loads(record)
            except orjson.JSONDecodeError as error:
                if not (again := self._again(record, number, offset, parsed, str(error))):
                    continue
                (event,) = again
            if type(event) is not dict:
                parsed.rejects.append(Reject(number, offset, record, "F40", {"kind": type(event).__name__}))
                continue
            events.append(event)
            raw.append(record)
            numbers.append(number)
            offsets.append(offset)
        return parsed

    def finish(self) -> Parsed:
        """Nothing is held back."""
        return Parsed()

    def _again(self, record: bytes, number: int, offset: int, parsed: Parsed, why: str) -> tuple[Any, ...]:
        """The value of a record that is not quite JSON (not UTF-8, odd numbers or escapes), if it has one."""
        if record.startswith(BROKEN):
            why = record[len(BROKEN) :].decode("utf-8", "replace")
            parsed.rejects.append(Reject(number, offset, record, "F07", {"why": why}))
            return ()
        stripped = record.strip(b"\x00 \t\r\n,")
        if not stripped:
            parsed.blank += 1
            return ()
        try:
            event = json.loads(_ESCAPE.sub(_whole_character, _text(stripped)), strict=False)
        except (ValueError, RecursionError):
            parsed.rejects.append(Reject(number, offset, record, "F41", {"why": why}))
            return ()
        parsed.repaired += 1
        return (event,)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return older(raw.removeprefix(codecs.BOM_UTF8))


def _all(chunk: Chunk) -> Parsed | None:
    """The events of a chunk of which every record is one; None where some record needs a closer look."""
    try:
        events = list(map(orjson.loads, chunk.records))
    except orjson.JSONDecodeError:
        return None
    if set(map(type, events)) != {dict}:
        return None
    numbers = list(range(chunk.first, chunk.first + len(events)))
    return Parsed(events, list(chunk.records), numbers, list(chunk.offsets), again=orjson.loads)


def json_parser(_: Context) -> JsonParser:
    """A parser of JSON records; they need no context."""
    return JsonParser()


def first_objects(sample: bytes, most: int = 5) -> list[dict[str, Any]]:
    """The objects that the first lines of a sample hold, other lines passed over."""
    found: list[dict[str, Any]] = []
    for line in sample.split(b"\n")[: most + 3]:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found[:most]


def whole(sample: bytes) -> list[dict[str, Any]]:
    """The first objects of a sample in which one object may span lines, or an array holds them."""
    text = sample.lstrip(b"\xef\xbb\xbf \t\r\n").decode("utf-8", "replace")
    decoder, at = json.JSONDecoder(strict=False), 0
    found: list[dict[str, Any]] = []
    while len(found) < 3 and at < len(text):
        brace = text.find("{", at)
        if brace < 0:
            break
        try:
            value, at = decoder.raw_decode(text, brace)
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found


def _lines(sample: bytes) -> int:
    return 60 if first_objects(sample) else 0


def spans_lines(sample: bytes) -> bool:
    """Whether a sample is JSON whose values are not one a line."""
    start = sample.lstrip(b" \t\r\n")
    return (start[:1] in (b"[", b"{") and not first_objects(sample)) or start.startswith(b"Record 1")


def document(detect: Callable[[list[dict[str, Any]]], int]) -> Callable[[bytes], int]:
    """Detection for the same format where its values span lines."""
    return lambda sample: detect(whole(sample)) if spans_lines(sample) else 0


JSON_LINES = Format(
    name="json", title="JSON lines, flat or nested", detect=_lines, parser=json_parser, table="json", json=True
)
JSON_DOCUMENT = Format(
    name="json-document",
    title="JSON over several lines, or an array of objects",
    framing="json",
    detect=document(lambda objects: 55 if objects else 0),
    parser=json_parser,
    json=True,
    table="json",
)
