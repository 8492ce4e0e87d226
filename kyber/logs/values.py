"""Values as logs carry them, and how they read as text, as number and as time."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]

NO_TIME = -(2**63)
"""Microseconds that stand for "no time known"."""
MANY = 16
"""Times of one length from which on they are read all at once."""

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY_DAY = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T]+(?:klo +)?(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,6}))?)?)?", re.ASCII
)
"""A date as it is written in Finland, Germany and elsewhere: the day first, with full stops."""
_FRACTION = re.compile(r"(\.\d{6})\d+")


_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""A letter of UTF-8 beyond ASCII."""


def older(raw: bytes) -> str:
    """What is not UTF-8 as text: as Windows-1252, which logs of western Europe were written in before; where it holds
    letters of UTF-8 it is damaged UTF-8, and what is wrong in it becomes U+FFFD."""
    return raw.decode(errors="replace") if _LETTER.search(raw) else raw.decode("cp1252", "replace")


def parts(value: Value) -> tuple[Scalar, ...]:
    """The elements of an array; a scalar is its own only element."""
    return value if isinstance(value, tuple) else (value,)


def text(value: Scalar) -> str:
    """A scalar as it stands in JSON, without quotes; null is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def shown(value: Value) -> str:
    """A value for people: the elements of an array separated by commas."""
    return ", ".join(map(text, parts(value)))


def texts(value: Value) -> Iterator[str]:
    """The text of each element that is not null."""
    return (text(part) for part in parts(value) if part is not None)


def fold(string: str) -> str:
    """Lower case, character by character, so that a part of a text folds as it does inside the whole.

    str.lower alone is not enough: it makes two characters of U+0130 and looks around a sigma.
    """
    if not string.isascii():
        string = string.replace("\u0130", "i").replace("\u03a3", "\u03c3").replace("\u03c2", "\u03c3")
    return string.lower()


def number(value: Scalar) -> int | float | None:
    """A number, or a string that reads as one in plain decimal; None for everything else, booleans included."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        try:
            return int(value)
        except ValueError:
            return float(value)
    return None if value is None or isinstance(value, bool) else value


def moment(value: Value, zone: tzinfo) -> int:
    """A time as microseconds since the epoch, UTC, or NO_TIME.

    Reads ISO 8601 and `d.m.yyyy h:mm` (in `zone` where they have no offset), and epoch seconds, milli-, micro- and
    nanoseconds, told apart by size.
    """
    for part in parts(value):
        if isinstance(part, str) and not _NUMBER.fullmatch(part):
            found = _written(part, zone)
        else:
            found = _counted(number(part))
        if found != NO_TIME:
            return found
    return NO_TIME


def moments(values: Sequence[Value], zone: tzinfo) -> NDArray[np.int64]:
    """`moment` of each of many values; those written `YYYY-MM-DD hh:mm:ss`, with `T`, a fraction or `Z`, at once."""
    found = np.full(len(values), NO_TIME, dtype=np.int64)
    sizes = np.fromiter((len(one) if type(one) is str else 0 for one in values), dtype=np.int64, count=len(values))
    left = np.ones(len(values), dtype=bool)
    for size in np.unique(sizes).tolist():
        places = np.flatnonzero(sizes == size)
        if 19 <= size <= 30 and len(places) >= MANY:
            texts_ = "".join(values[place] for place in places.tolist())  # type: ignore[misc]
            if texts_.isascii():
                known, times = _plainly_written(np.frombuffer(texts_.encode(), dtype=np.uint8).reshape(-1, size), zone)
                found[places[known]] = times
                left[places[known]] = False
    for place in np.flatnonzero(left).tolist():
        found[place] = moment(values[place], zone)
    return found


def _plainly_written(signs: NDArray[np.uint8], zone: tzinfo) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows of characters are plain times, and what those are: microseconds since the epoch."""
    size = signs.shape[1]
    zulu = signs[:, -1] == ord("Z")
    if zulu.any() and not zulu.all():
        known: NDArray[np.bool_] = np.zeros(len(signs), dtype=bool)
        times = np.zeros(len(signs), dtype=np.int64)
        for those in (zulu, ~zulu):
            inner, moments_ = _plainly_written(signs[those], zone)
            places = np.flatnonzero(those)[inner]
            known[places], times[places] = True, moments_
        return known, times[known]
    end = size - int(zulu.all())
    digits = signs.astype(np.int64) - ord("0")
    numbers = [*range(4), 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, *range(20, end)]
    known = np.all((digits[:, numbers] >= 0) & (digits[:, numbers] <= 9), axis=1)
    for place, sign in ((4, "-"), (7, "-"), (13, ":"), (16, ":"), (19, ".")):
        if place < end:
            known &= signs[:, place] == ord(sign)
    known &= ((signs[:, 10] == ord("T")) | (signs[:, 10] == ord(" "))) & (end != 20)

    def number(start: int, stop: int) -> NDArray[np.int64]:
        return digits[:, start:stop] @ (10 ** np.arange(stop - start - 1, -1, -1))

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    # Years whose offsets from UTC change at whole minutes, and that stay in the calendar in every zone.
    known &= (year >= 1970) & (year <= 9998) & (month >= 1) & (month <= 12) & (day >= 1)
    known &= (hour <= 23) & (minute <= 59) & (second <= 59)
    since = np.where(known, (year - 1970) * 12 + month - 1, 0)
    begins = since.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    known &= day <= (since + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - begins
    minutes = ((begins + day - 1) * 1440 + hour * 60 + minute)[known]
    rest = second * 1_000_000
    if end > 20:
        rest += number(20, min(end, 26)) * 10 ** max(26 - end, 0)
    if zulu.all() or zone is UTC:
        return known, minutes * 60_000_000 + rest[known]
    distinct, place = np.unique(minutes, return_inverse=True)
    begun = np.array([_local_minute(one, zone) for one in distinct.tolist()], dtype=np.int64)
    return known, begun[place.reshape(-1)] + rest[known]


def _local_minute(minutes: int, zone: tzinfo) -> int:
    """When a minute (since 1970, by the clocks of a zone) begins: microseconds since the epoch, UTC."""
    return _microseconds((_EPOCH + timedelta(minutes=minutes)).replace(tzinfo=zone))


def _written(string: str, zone: tzinfo) -> int:
    string = string.strip()
    if not 8 <= len(string) <= 64:
        return NO_TIME
    if string.endswith(" UTC"):
        string = string[:-4] + "Z"
    try:
        parsed = _by_day(string) or datetime.fromisoformat(_FRACTION.sub(r"\1", string))
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=zone)
        return _microseconds(parsed)
    except (ValueError, OverflowError):
        return NO_TIME


def _by_day(string: str) -> datetime | None:
    found = _BY_DAY.fullmatch(string)
    if found is None:
        return None
    day, month, year, hour, minute, second, fraction = found.groups()
    micros = int((fraction or "0").ljust(6, "0"))
    return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros)


def _counted(count: int | float | None) -> int:
    if count is None or not abs(count) < 1e19:
        return NO_TIME
    size = abs(count)
    for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e19, 1e-3)):
        if size < limit:
            return int(count * int(factor)) if factor >= 1 else int(count // 1000)
    return NO_TIME


def _microseconds(time: datetime) -> int:
    delta = time.astimezone(UTC) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def as_datetime(microseconds: int) -> datetime | None:
    """The inverse of `moment`: an aware UTC datetime, None for NO_TIME and for what lies outside the calendar."""
    if microseconds == NO_TIME:
        return None
    try:
        return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)
    except (ValueError, OverflowError, OSError):
        return None


def iso(microseconds: int | None) -> str | None:
    """A time in UTC as ISO 8601; None where there is none."""
    known = None if microseconds is None else as_datetime(microseconds)
    return None if known is None else known.isoformat()
