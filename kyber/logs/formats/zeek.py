"""Zeek's logs, as its own tab-separated text and as JSON lines -> events under `zeek.*`, each field by Zeek's own name.

Source: the Zeek manual on log formats and its log reference. In the text form `#fields` and `#types` name the columns,
`-` (`#unset_field`) stands for a value that is not there, `(empty)` for an empty one, and sets and vectors are arrays.
Which log an event is of is `zeek._path`, as `#path` says it. JSON mostly does not: then it is told from the fields.

Codes: F40, F41 as in JSON; F44 a line before any `#fields`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context, Format
from kyber.logs.formats.headed import HeadedParser
from kyber.logs.formats.json import JsonParser, first_objects
from kyber.logs.formats.line import Event, not_this

__all__ = ["ZEEK", "ZEEK_JSON", "ZeekJsonParser", "ZeekParser"]

MAX_FIELDS: Final = 1_024
"""Columns that one `#fields` may name; cells beyond them are kept together."""
EXTRA: Final = "extra"
PATH: Final = "_path"

_OWN: Final = frozenset(("@timestamp", "event.original"))
_SEPARATOR = re.compile(r"#separator (?:\\x([0-9A-Fa-f]{2})|(.))")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?")
_TIME = re.compile(r"([0-9]{1,11})(?:\.([0-9]{1,9}))?")
_ARRAY = re.compile(r"(?:set|vector|table|list)\[(.*)\]")

_KINDS: Final[tuple[tuple[str, frozenset[str]], ...]] = tuple(
    (path, frozenset(fields.split()))
    for path, fields in (
        ("conn", "conn_state"),
        ("dns", "qtype_name"),
        ("dns", "query rejected"),
        ("dns", "rcode_name"),
        ("http", "trans_depth resp_fuids"),
        ("http", "trans_depth request_body_len"),
        ("http", "method host uri"),
        ("smtp", "trans_depth helo"),
        ("smtp", "mailfrom rcptto"),
        ("ssl", "version cipher"),
        ("ssl", "established resumed"),
        ("x509", "certificate.serial"),
        ("ocsp", "serialNumber certStatus"),
        ("kerberos", "request_type client"),
        ("kerberos", "request_type error_msg"),
        ("dce_rpc", "endpoint operation"),
        ("ntlm", "domainname hostname"),
        ("ntlm", "server_nb_computer_name"),
        ("smb_mapping", "share_type"),
        ("smb_files", "action name"),
        ("rdp", "cookie security_protocol"),
        ("rdp", "result security_protocol"),
        ("rdp", "client_build"),
        ("ssh", "auth_attempts"),
        ("ftp", "command arg"),
        ("dhcp", "msg_types"),
        ("radius", "mac framed_addr"),
        ("snmp", "community get_requests"),
        ("software", "software_type"),
        ("notice", "note suppress_for"),
        ("notice", "note msg"),
        ("weird", "name notice peer"),
        ("pe", "machine compile_ts"),
        ("files", "fuid source"),
        ("tunnel", "tunnel_type"),
        ("syslog", "facility severity message"),
        ("known_services", "service port_num port_proto"),
        ("modbus", "func"),
        ("mysql", "cmd arg"),
        ("sip", "call_id"),
        ("irc", "nick command"),
        ("socks", "request.host bound_p"),
        ("stats", "pkts_proc"),
        ("capture_loss", "percent_lost"),
    )
)
"""Fields of which all stand in the events of one log and of no other, in the order in which they are looked for."""


def column(path: str) -> str:
    """The column of one of Zeek's fields."""
    return path if path in _OWN else f"zeek.{path}"


# --- tab-separated text ----------------------------------------------------------------------------------------------

Convert = Callable[[str], object]


def _number(text: str) -> object:
    return int(text) if _WHOLE.fullmatch(text) else text


def _decimal(text: str) -> object:
    return float(text) if _DECIMAL.fullmatch(text) else text


def _truth(text: str) -> object:
    return {"T": True, "F": False}.get(text, text)


_CONVERTS: Final[Mapping[str, Convert]] = {
    **dict.fromkeys(("count", "int", "port"), _number),
    **dict.fromkeys(("double", "interval", "time"), _decimal),
    "bool": _truth,
}


class ZeekParser(HeadedParser):
    """Reads the lines of one input in Zeek's own form."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, self._direct, self._event)
        self._separator, self._inner, self._empty, self._unset = "\t", ",", "(empty)", "-"
        self._path = ""
        self._names: list[str] = []
        self._converts: list[Convert] = []

    def _direct(self, text: str) -> None:
        """A line that tells of the lines after it."""
        if (found := _SEPARATOR.match(text)) is not None:
            self._separator = chr(int(found[1], 16)) if found[1] else found[2]
            return
        name, *values = text.split(self._separator)
        if name == "#fields":
            self._names, self._converts = values[:MAX_FIELDS], [str] * len(values[:MAX_FIELDS])
        elif name == "#types":
            types = [*values, *["string"] * len(self._names)]
            self._converts = [self._convert(kind) for kind in types[: len(self._names)]]
        elif values and values[0]:
            if name == "#path":
                self._path = values[0]
            elif name == "#set_separator":
                self._inner = values[0]
            elif name == "#empty_field":
                self._empty = values[0]
            elif name == "#unset_field":
                self._unset = values[0]

    def _convert(self, kind: str) -> Convert:
        array = _ARRAY.fullmatch(kind)
        if array is None:
            return _CONVERTS.get(kind, str)
        one, inner = _CONVERTS.get(array[1], str), self._inner
        return lambda text: [one(part) for part in text.split(inner)]

    def _event(self, text: str) -> Event:
        if not self._names:
            raise not_this(text)
        cells = text.split(self._separator)
        event: Event = {PATH: self._path} if self._path else {}
        for name, convert, cell in zip(self._names, self._converts, cells, strict=False):
            if cell == self._unset:
                continue
            event[name] = ("" if convert is str else []) if cell == self._empty else convert(cell)
            if name == "ts" and (found := _TIME.fullmatch(cell)) is not None:
                event["@timestamp"] = int(found[1]) * 1_000_000 + int((found[2] or "")[:6].ljust(6, "0"))
        if len(cells) > len(self._names):
            event[EXTRA] = cells[len(self._names) :]
        return event


def detect(sample: bytes) -> int:
    """Whether a sample begins as Zeek's own form does, or names its columns as that does."""
    start = sample[:4_096]
    if start.startswith(b"#separator "):
        return 99
    return 99 if start.startswith(b"#") and re.search(rb"^#fields\tts\t", start, re.MULTILINE) else 0


# --- JSON ------------------------------------------------------------------------------------------------------------


class ZeekJsonParser(JsonParser):
    """One JSON object a line. An event that does not say of which log it is gets that from its fields."""

    def feed(self, chunk: Chunk) -> Parsed:
        """Every record becomes an event, a reject, or is blank."""
        parsed = super().feed(chunk)
        known: dict[tuple[str, ...], str] = {}
        for event in parsed.events:
            if PATH in event:
                continue
            keys = tuple(event)
            if keys not in known:
                known[keys] = kind_of(event)
            if known[keys]:
                event[PATH] = known[keys]
        return parsed


def kind_of(event: Mapping[str, Any]) -> str:
    """Which log an event is of, by its fields; empty where those do not tell."""
    held = set(event)
    for name in ("certificate", "request"):
        if isinstance(inner := event.get(name), dict):
            held |= {f"{name}.{key}" for key in inner}
    return next((path for path, fields in _KINDS if fields <= held), "")


def _is_zeek(value: Mapping[str, Any]) -> bool:
    if "ts" not in value or "@timestamp" in value:
        return False
    ids = value.get("id")
    pair = "id.orig_h" in value or (isinstance(ids, dict) and "orig_h" in ids)
    named = isinstance(value.get("uid"), str) or isinstance(value.get("fuid"), str) or "uids" in value
    return (pair and (named or kind_of(value) != "")) or (PATH in value and (pair or named or kind_of(value) != ""))


def detect_json(sample: bytes) -> int:
    """Whether most of the first objects of a sample are Zeek's."""
    objects = first_objects(sample)
    return 92 if objects and sum(map(_is_zeek, objects)) * 2 > len(objects) else 0


def json_parser(_: Context) -> ZeekJsonParser:
    """A parser of Zeek's JSON; it needs no context."""
    return ZeekJsonParser()


ZEEK: Final = Format(
    name="zeek",
    title="Zeek logs (tab-separated)",
    detect=detect,
    parser=ZeekParser,
    product="zeek",
    table="zeek",
    column=column,
)
ZEEK_JSON: Final = Format(
    name="zeek-json",
    title="Zeek logs as JSON lines",
    detect=detect_json,
    parser=json_parser,
    product="zeek",
    table="zeek",
    column=column,
)
