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
from typing import Final

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
def _as_ip(text: str) -> str | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


def set_address(fields: Fields, text: str, side: str = _SOURCE) -> None:
    """An address as `source.ip`, or a name as `source.domain`; `side` is source or destination."""
    found = _as_ip(text)
    if found is not None:
        fields[f"{side}.ip"] = found
    elif text not in {"", "?", "UNKNOWN", "unknown"}:
        fields[f"{side}.domain"] = text


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of message: the text it begins with, the form of the whole of it, and the fields that it gives.

    `fixed` are given always; `groups` are the numbers of the expression's groups with their columns.
    """

    start: str
    form: re.Pattern[str]
    fixed: Mapping[str, object]
    groups: tuple[tuple[int, str, bool], ...]
    source: int

    def read(self, message: str) -> Fields | None:
        """The fields of a message; None where it is not of this kind."""
        found = self.form.fullmatch(message)
        if found is None:
            return None
        fields = dict(self.fixed)
        for number, column, is_number in self.groups:
            value = found[number]
            if value:
                if not is_number:
                    fields[column] = value
                elif len(value) <= _LONGEST_NUMBER:
                    fields[column] = int(value)
        if self.source and found[self.source]:
            set_address(fields, found[self.source])
        return fields


def pattern(
    native: str,
    start: str,
    rest: str,
    action: str,
    category: str = "",
    outcome: str = "",
    fixed: Mapping[str, object] | None = None,
) -> Pattern:
    """A kind of message of the program `native`: plain text, then an expression for all that follows.

    Groups named in the table of columns fill those, `source` an address; any other fills `linux.<native>.<group>`.
    """
    form = re.compile(re.escape(start) + rest, re.DOTALL | re.ASCII)
    named = {"event.action": action, "event.category": category, "event.outcome": outcome}
    return Pattern(
        start=start,
        form=form,
        fixed={key: value for key, value in named.items() if value} | dict(fixed or {}),
        groups=tuple(
            (number, _COLUMNS.get(name, f"linux.{native}.{name}"), name in _NUMBERS)
            for name, number in form.groupindex.items()
            if name != _SOURCE
        ),
        source=form.groupindex.get(_SOURCE, 0),
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
            if message.startswith(one.start) and (fields := one.read(message)) is not None:
                return fields
        return None

    return read
