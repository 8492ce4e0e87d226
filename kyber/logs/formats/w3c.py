"""Logs in the W3C extended format, of IIS, proxies, the Windows firewall and Exchange: lines in, events out.

Source: the W3C working draft "Extended Log File Format"; Microsoft's lists of the fields of IIS and of the Windows
firewall. `#Fields:` names the columns. They are parted by spaces, or by tabs, or (Exchange) by commas. `-` stands for a
value that is not there. IIS writes `+` for a space in a header such as the user agent; both forms are kept for rules.
A column that has no ECS name is `w3c.<its own name>`. Times are UTC, unless `#Time Format: Local`.

Codes: F14 a time that does not exist, F44 a line before any `#Fields:`. Notes: F21 the time zone was assumed.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kyber.logs.delimited import Cells, cells
from kyber.logs.formats import Context, Format
from kyber.logs.formats.headed import HeadedParser
from kyber.logs.formats.line import Event, not_this
from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import peer
from kyber.logs.formats.times import ZONE, Times
from kyber.logs.formats.web_request import set_host, set_number, set_path, set_status

ZONE_ASSUMED: Final = "F21"
NATIVE: Final = "w3c."
MAX_FIELDS: Final = 512
"""Columns that one `#Fields:` may name; cells beyond them are kept together."""
EXTRA: Final = "w3c.extra"

_SPACED = re.compile(r'"((?:[^"]|"")*)"(?=\s|\Z)|(\S+)')
_DATE = re.compile(r"#Date: *([0-9]{4}-[0-9]{2}-[0-9]{2})\b.*", re.IGNORECASE)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?")
_WHOLE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)(Z?)")

_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cs-method": "http.request.method",
        "c-method": "http.request.method",
        "cs-uri": "url.original",
        "c-uri": "url.original",
        "cs-uri-scheme": "url.scheme",
        "cs(referer)": "http.request.referrer",
        "cs-username": "user.name",
        "c-username": "user.name",
        "user": "user.name",
        "s-computername": "host.name",
        "action": "event.action",
        "x-action": "event.action",
        "protocol": "network.transport",
    }
)
_ADDRESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("c-ip", "src-ip", "client-ip", "cip", "remote-endpoint"), "source"),
        **dict.fromkeys(("s-ip", "dst-ip", "server-ip", "r-ip", "sip", "local-endpoint"), "destination"),
    }
)
_NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "c-port": "source.port",
        "src-port": "source.port",
        "s-port": "destination.port",
        "dst-port": "destination.port",
        "r-port": "destination.port",
        "cs-uri-port": "url.port",
        "sc-bytes": "http.response.bytes",
        "cs-bytes": "http.request.bytes",
    }
)
_HOSTS: Final = frozenset(("cs-host", "cs(host)", "cs-hostname", "cs-uri-host"))
_WEB: Final = frozenset(("cs-method", "c-method", "sc-status", "cs-uri-stem", "cs-uri"))
_FIREWALL: Final = frozenset(("src-ip", "dst-ip", "action"))


def _cells_of(header: str, names: list[str]) -> Cells:
    if len(names) == 1 and "," in header:
        return cells(",")
    if "\t" in header:
        return lambda line: line.split("\t")
    return lambda line: [quoted.replace('""', '"') if quoted else bare for quoted, bare in _SPACED.findall(line)]


class W3cParser(HeadedParser):
    """Reads the lines of one input."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, self._direct, self._event)
        self._times = Times(context.reference, context.zone)
        self._names: list[str] = []
        self._cells: Cells = str.split
        self._dataset = ""
        self._date = ""
        self._utc = True
        self._assumed = 0

    @property
    def notes(self) -> Mapping[str, int]:
        """How many events' time zone was assumed (F21)."""
        return MappingProxyType({ZONE_ASSUMED: self._assumed} if self._assumed else {})

    def _direct(self, text: str) -> None:
        """A line that tells of the lines after it."""
        name, _, value = text.partition(":")
        name = name.lower()
        if name == "#fields":
            header = value.strip()
            names = re.split(r"\s+", header)
            self._cells = _cells_of(header, names)
            self._names = (header.split(",") if len(names) == 1 else names)[:MAX_FIELDS]
            held = {one.lower() for one in self._names}
            self._dataset = "w3c.access" if held & _WEB else "w3c.firewall" if held >= _FIREWALL else "w3c"
        elif name == "#date" and (found := _DATE.fullmatch(text)) is not None:
            self._date = found[1]
        elif name == "#time format":
            self._utc = value.strip().lower() != "local"

    def _event(self, text: str) -> Event:
        if not self._names:
            raise not_this(text)
        row = self._cells(text)
        held = {name: cell for name, cell in zip(self._names, row, strict=False) if cell not in ("", "-")}
        fields: Fields = {"event.dataset": self._dataset}
        self._set_time(fields, held)
        for name, cell in held.items():
            _set(fields, name, cell)
        if self._dataset == "w3c.access":
            fields["event.category"] = "web"
            _set_target(fields, held)
        if len(row) > len(self._names):
            fields[EXTRA] = row[len(self._names) :]
        return fields

    def _set_time(self, fields: Fields, held: dict[str, str]) -> None:
        whole = _WHOLE.fullmatch(held.get("date-time", held.get("dateTime", "")))
        date, time, zone = whole.groups() if whole else (held.get("date", self._date), held.get("time", ""), "")
        if not (date and _TIME.fullmatch(time)):
            return
        for name in ("date-time", "dateTime") if whole else ("date", "time"):
            held.pop(name, None)
        fields["@timestamp"], assumed = self._times[f"{date}T{time}{'Z' if zone or self._utc else ''}"]
        self._assumed += assumed == ZONE


def _set(fields: Fields, name: str, cell: str) -> None:
    """One cell under its ECS name; under its own where it has none, or is not what that is for."""
    known = name.lower()
    if known in _TEXTS:
        fields[_TEXTS[known]] = cell
    elif known in _NUMBERS and cell.isdecimal():
        set_number(fields, _NUMBERS[known], cell)
    elif known in _ADDRESSES and (address := peer(cell)) is not None:
        fields[f"{_ADDRESSES[known]}.ip"] = address[0]
        if address[1] is not None:
            fields[f"{_ADDRESSES[known]}.port"] = address[1]
    elif known == "sc-status" and len(cell) == 3 and cell.isdecimal():
        set_status(fields, cell)
    elif known in _HOSTS:
        set_host(fields, cell)
    elif known == "cs-version":
        fields["http.version"] = cell.rpartition("/")[2]
    elif known in ("cs(user-agent)", "c-agent"):
        fields["user_agent.original"] = cell.replace("+", " ") if " " not in cell else cell
        if "+" in cell:
            fields["web.user_agent"] = [fields["user_agent.original"], cell]
    elif known == "time-taken" and cell.isdecimal() and len(cell) < 10:
        fields["event.duration"] = int(cell) * 1_000_000
    elif known not in ("cs-uri-stem", "cs-uri-query", "cs-uri-path"):
        fields[NATIVE + name] = cell


def _set_target(fields: Fields, held: Mapping[str, str]) -> None:
    """The target of a request, which IIS and proxies write in parts."""
    parts = {name.lower(): cell for name, cell in held.items()}
    original = fields.get("url.original")
    path = parts.get("cs-uri-stem") or parts.get("cs-uri-path") or ""
    query = parts.get("cs-uri-query", "").removeprefix("?")
    if isinstance(original, str) and not path:
        found = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^/?]*", original)
        path, _, query = original[found.end() if found else 0 :].partition("?")
    elif path:
        fields.setdefault("url.original", f"{path}?{query}" if query else path)
    set_path(fields, path, query)
    scheme, host = fields.get("url.scheme"), fields.get("url.domain")
    if scheme and host:
        port = f":{fields['url.port']}" if "url.port" in fields else ""
        fields["url.full"] = f"{scheme}://{host}{port}{path}{'?' if query else ''}{query}"


def detect(sample: bytes) -> int:
    """Whether a sample names its columns as W3C logs do."""
    for line in sample[:65_536].split(b"\n")[:32]:
        if line[:1] != b"#":
            return 0
        if line[:8].lower() == b"#fields:":
            return 98
    return 0


W3C: Final = Format(
    name="w3c",
    title="W3C extended logs (IIS, proxies, Windows firewall, Exchange)",
    detect=detect,
    parser=W3cParser,
    table="web",
)
