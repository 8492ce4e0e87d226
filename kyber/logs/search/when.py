"""Times as people write them -> periods: `2026-03-04`, `2026-03-04 12:30`, `yesterday`, `now-24h`; `24h` back from now.

What is written is as long as it is exact: a date is a day, 12:30 a minute. Days begin at midnight in the reader's zone.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from kyber.duration import Duration
from kyber.logs.store import Period

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_BACK: Final = re.compile(r"now(?:\s*-\s*(.+))?")


@dataclass(frozen=True, slots=True)
class Clock:
    """What `now` and a time without an offset mean: an aware time, and the reader's zone."""

    now: datetime
    zone: tzinfo

    def period(self, text: str) -> Period:
        """What a written time spans; both ends are given. Raises ValueError, in words that say what can be written."""
        try:
            start, end = self._span(text.strip())
            return Period(micros(start), micros(end))
        except (ValueError, OverflowError):
            raise ValueError(
                f"'{text}' is no time: write 2026-03-04, 2026-03-04T12:30, today, yesterday, now or now-24h"
            ) from None

    def since(self, text: str) -> Period:
        """From a written time on; a duration (`24h`, `7d`) counts back from now. Raises ValueError."""
        try:
            return Period(micros(self._back(Duration.parse(text.strip()))))
        except (ValueError, OverflowError):
            return Period(self.period(text).start)

    def between(self, first: str, last: str) -> Period:
        """From one written time to another, both whole. Raises ValueError."""
        found = Period(self.period(first).start, self.period(last).end)
        if found.start is not None and found.end is not None and found.start >= found.end:
            raise ValueError(f"{last} is before {first}")
        return found

    def _span(self, text: str) -> tuple[datetime, datetime]:
        word = text.lower()
        if word in ("today", "yesterday"):
            today = self.now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            day = today if word == "today" else _days(today, -1)
            return day, _days(day, 1)
        if back := _BACK.fullmatch(word):
            time = self._back(Duration.parse(back[1])) if back[1] else self.now
            return time, time + timedelta(microseconds=1)
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return self._exact(found)

    def _exact(self, found: re.Match[str]) -> tuple[datetime, datetime]:
        year, month, day, hour, minute, second, fraction, offset = found.groups()
        zone = datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo if offset else self.zone
        start = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=zone,
        )
        if month is None:
            return start, start.replace(year=start.year + 1)
        if day is None:
            return start, _days(start, monthrange(start.year, start.month)[1])
        if hour is None:
            return start, _days(start, 1)
        exact = start.astimezone(UTC)  # lengths of less than a day are counted by the clock of the world
        long = (
            timedelta(microseconds=1)
            if fraction
            else timedelta(seconds=1)
            if second
            else timedelta(minutes=1)
            if minute
            else timedelta(hours=1)
        )
        return exact, exact + long

    def _back(self, duration: Duration) -> datetime:
        here = self.now.astimezone(self.zone)
        month = here.year * 12 + here.month - 1 - duration.months
        year, month = month // 12, month % 12 + 1
        moved = here.replace(year=year, month=month, day=min(here.day, monthrange(year, month)[1]))
        return moved.astimezone(UTC) - timedelta(seconds=duration.seconds)


def micros(time: datetime) -> int:
    """An aware time as microseconds since the epoch, UTC."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def _days(time: datetime, days: int) -> datetime:
    """So many days later by the calendar, at the same time by the clock on the wall."""
    return (time.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=time.tzinfo)


def both(one: Period, other: Period) -> Period:
    """What lies in both."""
    starts = [at for at in (one.start, other.start) if at is not None]
    ends = [at for at in (one.end, other.end) if at is not None]
    return Period(max(starts, default=None), min(ends, default=None))


def either(one: Period, other: Period) -> Period:
    """The shortest period that holds both."""
    start = None if one.start is None or other.start is None else min(one.start, other.start)
    end = None if one.end is None or other.end is None else max(one.end, other.end)
    return Period(start, end)
