"""The headers of lines that services write for themselves: a line in; time, level, logger, process and the rest out.

A header begins with a time, in one of the forms of TIMES, perhaps after a few words (`[GIN]`, `WARN:`, the name of a
container, an address). Then come, in any order and each at most once: a level, a logger, a thread, a process with its
number. What is left is the message. A line that begins otherwise has no header. Where two times stand side by side, the
second is the service's own.

Times that name the month by number and put it between two others are read as ISO 8601 has it where the year stands
first, as in Finland where dots part them (day, month, year), and as in America where slashes do (month, day, year),
unless the first cannot be a month.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from kyber.logs.formats import Context
from kyber.logs.formats.line import MalformedError
from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import peer
from kyber.logs.formats.times import BSD, Times

LONGEST_HEADER: Final = 512
"""Characters of a line in which its header is looked for."""
MOST_PARTS: Final = 6
"""Parts of a header after its time: level, logger, thread and the like."""
YEAR_ASSUMED: Final = "F20"
ZONE_ASSUMED: Final = "F21"

# --- times -----------------------------------------------------------------------------------------------------------

_MONTHS: Final = {
    name: f"{number:02}"
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}
_ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {"Z": "Z", "UTC": "Z", "GMT": "Z", "CET": "+01:00", "CEST": "+02:00", "EET": "+02:00", "EEST": "+03:00"}
)
"""Names of zones that mean one offset; any other leaves a time without one."""
_CLOCK = r"([0-9]{1,2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
_HALF = r"(?: ?([AaPp][Mm])\b)?"
_ZONE = r"(?: ?(Z|[+-][0-9]{2}:?[0-9]{2})(?![0-9])| (UTC|GMT|CET|CEST|EET|EEST)\b)?"

_Form = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def _joined(year: str, month: str, day: str, clock: str, fraction: str | None, half: str | None, zone: str) -> str:
    hour, _, rest = clock.partition(":")
    if half:
        hour = str(int(hour) % 12 + (12 if half.lower() == "pm" else 0))
    year = year if len(year) == 4 else f"20{year}"
    return f"{year}-{int(month):02}-{int(day):02}T{int(hour):02}:{rest}.{(fraction or '0')[:6]:0<6}{zone}"


def _zone(offset: str | None, name: str | None) -> str:
    return offset or _ZONES.get(name or "", "")


def _year_first(one: re.Match[str]) -> str:
    return _joined(one[1], one[2], one[3], one[4], one[5], None, _zone(one[6], one[7]))


def _month_first(one: re.Match[str]) -> str:
    month, day = (one[2], one[1]) if int(one[1]) > 12 else (one[1], one[2])
    return _joined(one[3], month, day, one[4], one[5], one[6], _zone(one[7], one[8]))


def _day_first(one: re.Match[str]) -> str:
    return _joined(one[3], one[2], one[1], one[4], one[5], None, _zone(one[6], one[7]))


def _named(one: re.Match[str]) -> str:
    return _joined(one[3], _MONTHS.get(one[2].title(), "13"), one[1], one[4], one[5], None, _zone(one[6], one[7]))


def _worded(one: re.Match[str]) -> str:
    return _joined(one[3], _MONTHS.get(one[1], "13"), one[2], one[4], one[5], one[6], _zone(one[7], one[8]))


def _ctime(one: re.Match[str]) -> str:
    month = _MONTHS.get(one[1], "13")
    return _joined(one[6], month, one[2], one[3], one[4], None, _ZONES.get(one[5] or "", ""))


def _glog(one: re.Match[str]) -> str:
    name = next((name for name, number in _MONTHS.items() if number == one[1]), "Non")
    return f"{name} {one[2]} {one[3]}" + (f".{one[4]}" if one[4] else "")


def _as_it_is(one: re.Match[str]) -> str:
    return one[0]


def _epoch(one: re.Match[str]) -> str:
    whole = datetime.fromtimestamp(int(one[1]), UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{(one[2] or '0')[:6]:0<6}Z"


TIMES: Final[tuple[_Form, ...]] = tuple(
    (re.compile(form, re.ASCII), read)
    for form, read in (
        (rf"([0-9]{{4}})[-/.]([0-9]{{2}})[-/.]([0-9]{{2}})(?:[T ]| - |, ){_CLOCK}{_ZONE}", _year_first),
        (rf"([0-9]{{1,2}})/([0-9]{{1,2}})/([0-9]{{4}}|[0-9]{{2}}),? {_CLOCK}{_HALF}{_ZONE}", _month_first),
        (rf"([0-9]{{1,2}})\.([0-9]{{1,2}})\.([0-9]{{4}}),? {_CLOCK}{_ZONE}", _day_first),
        (rf"([0-9]{{1,2}})[-/ ]([A-Z][A-Za-z]{{2}})[-/ ]([0-9]{{4}})[: ]{_CLOCK}{_ZONE}", _named),
        (
            rf"(?:[A-Z][a-z]{{2}} )?([A-Z][a-z]{{2}}) ([ 0-9]?[0-9]) {_CLOCK} (?:([A-Z]{{3,4}}) )?([0-9]{{4}})\b",
            _ctime,
        ),
        (rf"([0-9]{{2}})([0-9]{{2}})([0-9]{{2}}) {{1,2}}{_CLOCK}{_ZONE}", _year_first),
        (rf"([A-Z][a-z]{{2}}) ([ 0-9]?[0-9]),? ([0-9]{{4}}),? {_CLOCK}{_HALF}{_ZONE}", _worded),
        (BSD, _as_it_is),
        (rf"[IWEF]([01][0-9])([0-3][0-9]) {_CLOCK}", _glog),
        (r"(1[0-9]{9})(?:\.([0-9]{1,9}))?(?=[\]\s,|])", _epoch),
    )
)
"""Forms of times, and how each is written for `Times`."""
_OF_LETTERS: Final = tuple(one for one in TIMES if one[1] in {_ctime, _glog, _worded, _as_it_is})
_OF_DIGITS: Final = tuple(one for one in TIMES if one not in _OF_LETTERS)


def stamp(text: str, at: int = 0) -> tuple[str, int] | None:
    """The time that stands at a place of a text, as `Times` reads it, and where it ends; None where none does."""
    first = text[at : at + 1]
    for form, written in _OF_DIGITS if first.isdecimal() else _OF_LETTERS if first.isalpha() else ():
        found = form.match(text, at)
        if found is not None:
            return written(found), found.end()
    return None


class Clock:
    """Reads times for one input, and counts what it had to assume of them."""

    def __init__(self, context: Context) -> None:
        self._times = Times(context.reference, context.zone)
        self._assumed = [0, 0, 0]

    @property
    def times(self) -> Times:
        """What turns the text of a time into microseconds."""
        return self._times

    def count(self, assumed: int) -> None:
        """Count an assumption that was made elsewhere with `times`."""
        self._assumed[assumed] += 1

    @property
    def notes(self) -> Mapping[str, int]:
        """How many times' year (F20) and zone (F21) were assumed."""
        _, zone, both = self._assumed
        counts = {YEAR_ASSUMED: both, ZONE_ASSUMED: zone + both}
        return MappingProxyType({code: count for code, count in counts.items() if count})

    def at(self, text: str) -> int:
        """Microseconds since the epoch (UTC) of a time as `stamp` gives it. Raises MalformedError (F14)."""
        moment, assumed = self._times[text]
        self._assumed[assumed] += 1
        return moment

    def read(self, text: str) -> int | None:
        """The time that a whole text is; None where it is none, or one that does not exist."""
        found = stamp(text.strip())
        if found is None or found[1] < len(text.strip()):
            return None
        try:
            return self.at(found[0])
        except MalformedError:
            return None


# --- what follows the time -------------------------------------------------------------------------------------------

_LEVEL_WORDS: Final = (
    "trace finest finer fine debug verbose info information informational inf notice note config success audit "
    "warn warning wrn warnin error err eror severe failure critical crit crt fatal ftl alert emerg emergency "
    "panic dbg vrb log security system statement detail hint"
)
LEVELS: Final = frozenset(_LEVEL_WORDS.split())
_LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {"D": "debug", "I": "info", "N": "notice", "W": "warn", "E": "error", "C": "critical", "F": "fatal"}
)
_WORD = re.compile(r"(?:::)?[\[(<]?([A-Za-z]{3,13})(?:[\])>]|::|:|,)?(?=[\s:\[]|$)(?: |-(?= ))*", re.ASCII)
_LETTER = re.compile(r"[\[(]([DINWECF])[\])]:? *", re.ASCII)
_PROCESS = re.compile(
    r"(?:([A-Za-z0-9][A-Za-z0-9_.-]{0,62}) )?([A-Za-z][A-Za-z0-9_./-]{1,47})\[([0-9]{1,9})\](?:\.([A-Z]{3}))?:? *",
    re.ASCII,
)
_ORIGIN = re.compile(
    (
        r"([A-Za-z0-9_./-]{1,100}\.(?:go|cc?|cpp|py|php|java|js|rb|cs)(?::[0-9]{1,6}"
        r"(?::[A-Za-z0-9_().]{1,60})?)?)(?:[\]:]* +)"
    ),
    re.ASCII,
)
_LOAD = re.compile(r"(?:[0-9]{1,3}\.[0-9]{2}% |[0-9]{1,9} +(?=\[?[A-Za-z]))", re.ASCII)
_SQUARE = re.compile(r"\[([^\[\]\s=;]{1,120})\]:? *(?:- +)?", re.ASCII)
_ROUND = re.compile(r"\(([A-Za-z][A-Za-z0-9_.:/-]{0,80})\) *", re.ASCII)
_LOGGER = re.compile(r"([A-Za-z_][A-Za-z0-9_$-]{0,60}(?:\.[A-Za-z_][A-Za-z0-9_$-]{0,60}){1,12})(?:: | - )", re.ASCII)
_NAMED_LOGGER = re.compile(r"[A-Za-z_][A-Za-z0-9_.$/-]{1,119}(?::[0-9]{1,6})?", re.ASCII)
_DIGITS = re.compile(r"#?[0-9]{1,12}", re.ASCII)
_BETWEEN = re.compile(r"(?:[\]):,|\t ]|-(?=[ \t]))*", re.ASCII)
_BEFORE = re.compile(
    r"(?:([A-Za-z0-9][\w.-]{0,63}) {0,40}\| )?"  # the name of a container
    # words, an address
    r"((?:(?:\[[A-Za-z][A-Za-z0-9 _-]{0,15}\](?: [0-9]{1,9} +-)?|\([A-Z]\)|[A-Z]{3,8}:|[0-9A-Fa-f:.]{7,45}"
    r"|(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL) ?(?= [0-9])) ?){0,2})"  # a level, padded to five letters
    r"[\[(]?",
    re.ASCII,
)
_TOPICS = re.compile(
    r"(?:([A-Za-z0-9_.:-]{1,255}) )?([a-z][a-z0-9!-]{1,20}(?:,[a-z!][a-z0-9!-]{1,20}){1,5}) ", re.ASCII
)


@dataclass(slots=True)
class Header:
    """What a header says: `time` as `Times` reads it, fields with ECS names, and where the message begins."""

    time: str
    fields: Fields = field(default_factory=dict)
    end: int = 0


def _level(word: str) -> bool:
    return word.lower() in LEVELS


def read_header(text: str) -> Header | None:
    """The header that a line begins with; None where it begins otherwise."""
    text = text[:LONGEST_HEADER].lstrip()
    before = _BEFORE.match(text)
    at = before.end() if before else 0
    found = stamp(text, at)
    if found is None and at:
        before, found = None, stamp(text)
    if found is None:
        return None
    header = Header(found[0])
    if before:
        _words(header.fields, before)
    if text[at : at + 1] in "IWEF" and text[at + 1 : at + 5].isdecimal():
        header.fields["log.level"] = _LETTERS[text[at]]
    at = found[1]
    between = _BETWEEN.match(text, at)
    header.end = between.end() if between else at
    after = header.end + (text[header.end : header.end + 1] == "[")
    again = stamp(text, after) if text[after : after + 1].isdecimal() else None
    if again is not None:
        header.time = again[0]
        between = _BETWEEN.match(text, again[1])
        header.end = between.end() if between else again[1]
    topics = _TOPICS.match(text, header.end)
    if topics is not None:
        _set_topics(header, topics)
        return header
    for _ in range(MOST_PARTS):
        end = _part(text, header.end, header.fields)
        if end == header.end:
            break
        header.end = end
    return header


def _words(fields: Fields, before: re.Match[str]) -> None:
    if before[1]:
        fields["container.name"] = before[1]
    for word in before[2].split():
        word = word.strip("[]():")
        if _level(word) or word in _LETTERS:
            fields["log.level"] = _LETTERS.get(word, word)
        elif found := peer(word):
            fields["source.ip"] = found[0]


def _set_topics(header: Header, topics: re.Match[str]) -> None:
    """MikroTik's topics, of which some are a level, perhaps after the name of the device."""
    if topics[1]:
        header.fields["host.name"] = topics[1]
    header.fields["log.logger"] = topics[2]
    level = next((one for one in reversed(topics[2].split(",")) if _level(one)), None)
    if level:
        header.fields["log.level"] = level
    header.end = topics.end()


def _part(text: str, at: int, fields: Fields) -> int:
    """Where the next part of a header ends, its field set; where it began, if what stands there is no such part."""
    if "log.level" not in fields and (one := _LETTER.match(text, at)):
        fields["log.level"] = _LETTERS[one[1]]
        return one.end()
    if "log.level" not in fields and (one := _WORD.match(text, at)) and _level(one[1]):
        fields["log.level"] = one[1]
        return one.end()
    if "process.pid" not in fields and (one := _PROCESS.match(text, at)):
        if one[1]:
            fields["host.name"] = one[1]
        if _level(one[2]):
            fields.setdefault("log.level", one[2])
        else:
            fields["process.name"] = one[2]
        fields["process.pid"] = int(one[3])
        if one[4] and _level(one[4]):
            fields.setdefault("log.level", one[4])
        return one.end()
    if one := _LOAD.match(text, at):
        return one.end()
    if "log.origin.file.name" not in fields and (one := _ORIGIN.match(text, at)):
        fields["log.origin.file.name"] = one[1]
        return one.end()
    if one := _SQUARE.match(text, at):
        return one.end() if _bracketed(one[1], fields) else at
    if "log.level" in fields and (one := _ROUND.match(text, at)):
        fields.setdefault("process.thread.name", one[1])
        return one.end()
    if "log.logger" not in fields and (one := _LOGGER.match(text, at)):
        fields["log.logger"] = one[1]
        return one.end()
    return at


def _bracketed(word: str, fields: Fields) -> bool:
    """Whether a word in brackets belongs to a header, its field set."""
    if _level(word) and "log.level" not in fields:
        fields["log.level"] = word
    elif _DIGITS.fullmatch(word):
        # Before the level stands the process, after it the thread.
        if "log.level" in fields or "process.pid" in fields or not word.isdecimal() or len(word) > 9:
            fields.setdefault("process.thread.name", word)
        else:
            fields["process.pid"] = int(word)
    elif peer(word) is None and _NAMED_LOGGER.fullmatch(word):
        fields.setdefault("log.logger", word)
    else:
        return False
    return True
