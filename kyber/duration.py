"""Durations as people write them (`4 h`, `2 d`, `12 months`, `PT4H`, `P1Y`) in, calendar months and seconds out."""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

MAX_YEARS: Final = 200

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SECONDS: Final = {
    **dict.fromkeys(("s", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), _MINUTE),
    **dict.fromkeys(("h", "hour", "hours"), _HOUR),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * _DAY),
}
_MONTHS: Final = {
    **dict.fromkeys(("mo", "month", "months"), 1),
    **dict.fromkeys(("y", "year", "years"), 12),
}
_PLAIN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)[ ]?([a-z]+)")
_ISO: Final = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)
_DAYS_IN_MONTH: Final = 30.436875


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: whole calendar months plus seconds. `text`, how it was written, takes no part in equality."""

    months: int = 0
    seconds: int = 0
    text: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read one duration, from a second to MAX_YEARS. Raises ValueError."""
        if plain := _PLAIN.fullmatch(text):
            amount, unit = plain.groups()
            if unit in _MONTHS and "." not in amount:
                result = cls(months=int(amount) * _MONTHS[unit], text=text)
            elif unit in _SECONDS:
                result = cls(seconds=round(float(amount) * _SECONDS[unit]), text=text)
            else:
                raise ValueError(text)
        elif iso := _ISO.fullmatch(text):
            years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in iso.groups())
            result = cls(
                months=12 * years + months,
                seconds=(7 * weeks + days) * _DAY + hours * _HOUR + minutes * _MINUTE + seconds,
                text=text,
            )
        else:
            raise ValueError(text)
        if not 1 <= result.approximate_seconds <= MAX_YEARS * 366 * _DAY:
            raise ValueError(text)
        return result

    def after(self, day: date) -> date:
        """The day this long after `day`; the month's last where the month is too short. Parts of a day round up.
        Where the calendar ends, its end."""
        month = day.month - 1 + self.months
        year, month = day.year + month // 12, month % 12 + 1
        if year > date.max.year:
            return date.max
        moved = date(year, month, min(day.day, monthrange(year, month)[1]))
        days = -(-self.seconds // _DAY)
        return moved + timedelta(days=days) if days <= (date.max - moved).days else date.max

    def before(self, day: date) -> date:
        """The day this long before `day`; the month's last where the month is too short. Parts of a day round up.
        Where the calendar ends, its end."""
        month = day.month - 1 - self.months
        year, month = day.year + month // 12, month % 12 + 1
        if year < date.min.year:
            return date.min
        moved = date(year, month, min(day.day, monthrange(year, month)[1]))
        days = -(-self.seconds // _DAY)
        return moved - timedelta(days=days) if days <= (moved - date.min).days else date.min

    @property
    def approximate_seconds(self) -> float:
        """For comparing durations of different kinds: a month is taken as a twelfth of a mean Gregorian year."""
        return self.months * _DAYS_IN_MONTH * _DAY + self.seconds

    def __str__(self) -> str:
        return self.text or f"P{self.months}MT{self.seconds}S"
