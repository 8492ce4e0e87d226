"""What Sysmon for Linux writes to syslog: an event in XML in, fields out.

Source: Sysmon's event schema. The fields of an event are kept under their own names, as `linux.sysmon.<Name>`, since
Sigma's rules ask for these; the field table says which of them have an ECS name. An event that was cut on its way gives
what came before the cut.
"""

import re
from types import MappingProxyType
from typing import Final

from kyber.logs.formats.linux_pattern import Fields

NATIVE: Final = "linux.sysmon."
ACTIONS: Final = MappingProxyType(
    {
        "1": ("process_started", "process"),
        "3": ("connection", "network"),
        "4": ("sysmon_state_changed", "configuration"),
        "5": ("process_ended", "process"),
        "9": ("raw_disk_read", "file"),
        "10": ("process_accessed", "process"),
        "11": ("file_created", "file"),
        "16": ("sysmon_configuration_changed", "configuration"),
        "23": ("file_deleted", "file"),
    }
)
"""Event id -> `event.action` and `event.category`."""
SYSTEM: Final = frozenset(("EventID", "Version", "Level", "Task", "EventRecordID", "Channel", "Computer"))
"""What is kept of an event's header."""
NUMBERS: Final = frozenset(("EventID", "ProcessId", "ParentProcessId", "SourcePort", "DestinationPort"))

_START = re.compile(r"\s*<Event[\s>]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot hold; a command line can."""
_LONGEST_NUMBER: Final = 18


def read_sysmon(message: str) -> Fields | None:
    """The fields of one event; None for a message that is none."""
    if not _START.match(message):
        return None
    found = _values(message)
    number = found.get("EventID", "")
    fields: Fields = {NATIVE + name: _value(name, value) for name, value in found.items()}
    if number in ACTIONS:
        fields["event.action"], fields["event.category"] = ACTIONS[number]
    return fields or None


def _value(name: str, value: str) -> str | int:
    number = name in NUMBERS and value.isdecimal() and value.isascii() and len(value) <= _LONGEST_NUMBER
    return int(value) if number else value


def _values(message: str) -> dict[str, str]:
    """The texts of an event's header and data by their names, the first of each name, up to where it is no XML."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    event = _Event()
    parser = DefusedXMLParser(target=event, forbid_dtd=True)
    try:
        parser.feed(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", message))
        parser.close()
    except (ParseError, DefusedXmlException):
        event.stop()
    return event.values


class _Event:
    """What an XML parser tells of an event. Elements are counted, not kept: there is no tree, however deep they go."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.depth = 0
        self.part = self.name = ""
        self.pieces: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.stop()
        self.depth += 1
        tag = tag.rpartition("}")[2]
        if self.depth == 2:
            self.part = tag
        elif self.depth == 3:
            name = attributes.get("Name", "") if self.part == "EventData" else tag if tag in SYSTEM else ""
            self.name = name if _NAME.fullmatch(name) else ""

    def data(self, text: str) -> None:
        if self.name:
            self.pieces.append(text)

    def end(self, _: str) -> None:
        self.stop()
        self.depth -= 1

    def stop(self) -> None:
        """The open value is all there is of it."""
        if self.name:
            self.values.setdefault(self.name, "".join(self.pieces))
        self.name, self.pieces = "", []

    def close(self) -> None:
        """Nothing more comes."""
