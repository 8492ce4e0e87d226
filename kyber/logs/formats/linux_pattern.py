"""Patterns of messages: a table of what a program writes in, a reader of its messages out.

A message is written by a program, yet parts of it are chosen by whoever talks to the program: user names, versions,
commands. So a pattern always holds for the whole message, and it finds what the program writes itself from the end
where nobody else can write. Where two readings are possible, a pattern gives no address rather than a forged one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

Fields = dict[str, object]
Reader = Callable[[str], Fields | None]

_COLUMNS: Final = {
    "user": "user.name",
    "effective": "user.effective.name",
    "target": "user.target.name",
    "group": "group.name",
    "service": "service.name",
    "command": "process.command_line",
    "cwd": "process.working_directory",
    "source_port": "source.port",
    "source": "source",
    "domain": "source.domain",
}
_NUMBERS: Final = frozenset(
    {
        "source_port",
        "port",
        "pid",
        "uid",
        "gid",
        "euid",
        "by_uid",
        "session_id",
        "status",
        "count",
        "attempts",
        "repeated",
    }
)
_SOURCE: Final = "source"
_LONGEST_NUMBER: Final = 18


@lru_cache(maxsize=65_536)
def _address(text: str) -> tuple[str, str] | None:
    """`ip` and the address in its shortest form, or `domain` and the name; None for what is neither."""
    try:
        found = ip_address(text)
    except ValueError:
        return None if text in {"", "?", "UNKNOWN", "unknown"} else ("domain", text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return "ip", str(mapped or found)


def set_address(fields: Fields, text: str, side: str) -> None:
    """An address as `source.ip`, or a name as `source.domain`; `side` is source or destination."""
    if (found := _address(text)) is not None:
        fields[f"{side}.{found[0]}"] = found[1]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of message: the text it begins with, the form of the whole of it, and the fields that it gives.

    `fixed` are given always; `columns` are those of the expression's groups, in order; `numbers` are the columns among
    them that hold numbers. `holds` is a text that stands in every such message: cheaper to look for than the form.
    """

    start: str
    holds: str
    form: re.Pattern[str]
    fixed: Mapping[str, object]
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    addressed: bool

    def read(self, message: str) -> Fields | None:
        """The fields of a message; None where it is not of this kind."""
        found = self.form.fullmatch(message)
        if found is None:
            return None
        fields: dict[str, Any] = dict(self.fixed)
        for column, value in zip(self.columns, found.groups()):  # noqa: B905 - one column a group; strict costs a third
            if value:
                fields[column] = value
        for column in self.numbers:
            value = fields.pop(column, "")
            if value.isdecimal() and len(value) <= _LONGEST_NUMBER:
                fields[column] = int(value)
        if self.addressed and (value := fields.pop(_SOURCE, "")):
            set_address(fields, value, _SOURCE)
        return fields


def pattern(
    native: str,
    start: str,
    rest: str,
    action: str,
    category: str = "",
    outcome: str = "",
    fixed: Mapping[str, object] | None = None,
    holds: str = "",
) -> Pattern:
    """A kind of message of the program `native`: plain text, then an expression for all that follows.

    Groups named in the table of columns fill those, `source` an address; any other fills `linux.<native>.<group>`.
    """
    form = re.compile(re.escape(start) + rest, re.DOTALL | re.ASCII)
    named = {"event.action": action, "event.category": category, "event.outcome": outcome}
    columns = {name: _COLUMNS.get(name, f"linux.{native}.{name}") for name in form.groupindex}
    return Pattern(
        start=start,
        holds=holds,
        form=form,
        fixed={key: value for key, value in named.items() if value} | dict(fixed or {}),
        columns=tuple(columns.values()),
        numbers=tuple(column for name, column in columns.items() if name in _NUMBERS),
        addressed=_SOURCE in columns,
    )


def reader(patterns: Iterable[Pattern]) -> Reader:
    """Reads a message by the first pattern, in the order given, that it is of; found by the message's first word."""
    by_word: dict[str, list[Pattern]] = {}
    anywhere: list[Pattern] = []
    for one in patterns:
        word, space, _ = one.start.partition(" ")
        if space and word:
            by_word.setdefault(word, []).append(one)
        else:
            anywhere.append(one)

    def read(message: str) -> Fields | None:
        for one in by_word.get(message.partition(" ")[0], ()):
            if message.startswith(one.start) and (fields := one.read(message)) is not None:
                return fields
        for one in anywhere:
            if one.holds in message and message.startswith(one.start) and (fields := one.read(message)) is not None:
                return fields
        return None

    return read
