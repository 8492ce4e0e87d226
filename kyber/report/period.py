"""A period as people name it: 2026-Q4, 2026-11, 2026, month, quarter or year in; its first and last day out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from kyber.errors import UsageError
from kyber.register import YEARS

_QUARTER: Final = re.compile(r"(\d{4})-?[Qq]([1-4])")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_YEAR: Final = re.compile(r"\d{4}")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Some days in a row. `name` is the same in every language: 2026-Q4, 2026-11, 2026."""

    name: str
    start: date
    end: date

    def until(self, today: date) -> date:
        """The last day of it that is there yet."""
        return max(self.start, min(self.end, today))

    def before(self, today: date) -> tuple[date, date]:
        """As many days as there are of it yet, just before it."""
        return self.start - (self.until(today) - self.start + _DAY), self.start - _DAY


def period(text: str, today: date) -> Period:
    """The period that is meant; `month`, `quarter` and `year` are those that `today` is in. Raises UsageError, also for
    one that has not begun, or of a year that no register has."""
    if today.year not in YEARS:
        raise UsageError(f"--as-of {today}: a year from {YEARS[0]} to {YEARS[-1]} is wanted")
    found = _named(text, today)
    if found.start.year not in YEARS:
        raise UsageError(f"--period {text}: a year from {YEARS[0]} to {YEARS[-1]} is wanted")
    if found.start > today:
        raise UsageError(f"--period {text}: begins on {found.start}, which is yet to come")
    return found


def _named(text: str, today: date) -> Period:
    if text == "year":
        return _months(str(today.year), today.year, 1, 12)
    if text == "month":
        return _months(f"{today:%Y-%m}", today.year, today.month, 1)
    if text == "quarter":
        number = (today.month - 1) // 3
        return _months(f"{today.year}-Q{number + 1}", today.year, 3 * number + 1, 3)
    try:
        if found := _QUARTER.fullmatch(text):
            return _months(f"{found[1]}-Q{found[2]}", int(found[1]), 3 * int(found[2]) - 2, 3)
        if found := _MONTH.fullmatch(text):
            return _months(text, int(found[1]), int(found[2]), 1)
        if _YEAR.fullmatch(text):
            return _months(text, int(text), 1, 12)
    except ValueError:
        pass
    raise UsageError(
        f"--period {text}: write a quarter as 2026-Q4, a month as 2026-11, a year as 2026; or month, quarter, year"
    )


PERIODIC: Final = ("clock.done", "incidents", "notices.missed", "findings.")
"""What of a report's values counts what was in its period; a dot at the end: whatever begins so."""


def comparable(before: Mapping[str, str], now: Mapping[str, str]) -> Mapping[str, str]:
    """The values of an earlier report that can be held against those of a later one: between a year and a month, say,
    nothing that is counted by period."""
    if _kind(before.get("period.name", "")) == _kind(now.get("period.name", "")):
        return before
    return {key: value for key, value in before.items() if not key.startswith(PERIODIC)}


def _kind(name: str) -> str:
    """A quarter as dddd-Qd, a month as dddd-dd, a year as dddd."""
    return re.sub(r"\d", "d", name)


def _months(name: str, year: int, first: int, many: int) -> Period:
    last = first + many - 1
    after = date(year + last // 12, last % 12 + 1, 1)
    return Period(name, date(year, first, 1), after - _DAY)
