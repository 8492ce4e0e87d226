"""How something comes round again: `Rule` says it, in the words of RFC 5545 or by month and day; its days out.

Days are whole days, and a working day is Monday to Friday: public holidays are not known here.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from kyber.duration import Duration
from kyber.register import Part, Text

Weekend = Literal["before", "after", "nearest", "keep"]

LONGEST: Final = 200
"""Letters of an RRULE."""
MOST: Final = 120
"""The largest INTERVAL."""
_MONTHS: Final = {"year": 12, "quarter": 3, "month": 1}
_QUARTER: Final = 3
_PART: Final = re.compile(r"([A-Z]+)=([A-Z0-9+,-]+)")
_PERIODS: Final = {"DAILY": "d", "WEEKLY": "w", "MONTHLY": "months", "YEARLY": "years"}
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "DAILY": frozenset(("BYMONTH", "BYMONTHDAY", "BYDAY")),
    "WEEKLY": frozenset(("BYMONTH", "BYDAY")),
    "MONTHLY": frozenset(("BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS")),
    "YEARLY": frozenset(("BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO")),
}
"""What may narrow a rule of each frequency. Source: RFC 5545, 3.3.10."""
_COUNTED: Final = ("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS")
"""What is counted from 1 on, or from -1 on backwards. Source: RFC 5545, 3.3.10."""
_ZERO: Final = re.compile(r"(?<![0-9])0+(?![0-9])")
_EVERY_MONTH: Final = 28
_EVERY_DAY: Final = 365
"""The days that every month, and every year, has."""
_EVERY_YEAR: Final = 28
"""Years in which all weekdays and leap years have come."""
_ROUND: Final = 400
"""Years after which the Gregorian calendar repeats itself, weekdays included."""


class Rule(Part):
    """How something comes round again. A text is an RRULE; a mapping says it by month and day."""

    rrule: Annotated[Text, Field(max_length=LONGEST)] | None = None
    """One line of RFC 5545, such as FREQ=MONTHLY;BYDAY=1MO; `starts` of the task is its first day."""
    every: Literal["year", "quarter", "month"] = "year"
    """How often: `year`, `quarter` or `month`."""
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    """The month of the year; of the quarter, where it comes every quarter: 1 to 3, the last one by default."""
    day: Annotated[int, Field(ge=1, le=31)] | None = None
    """The day of the month; the last one where the month is too short."""
    working_day: Literal["first", "last"] = "last"
    """Where there is no day: the `first` or the `last` working day of the month, Monday to Friday."""
    on_weekend: Weekend = "before"
    """A day that is no working day: the working day `before` or `after`, the `nearest` one, or `keep` it."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"rrule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        if self.rrule is None:
            said = self.month is not None
            fits = {"year": said, "quarter": not said or (self.month or 0) <= _QUARTER, "month": not said}[self.every]
            if not fits:
                raise PydanticCustomError("timing", "a month that does not fit")
        elif self.model_fields_set != {"rrule"}:
            raise PydanticCustomError("timing", "two rules")
        else:
            _check(self.rrule)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "examples": ["FREQ=MONTHLY;BYDAY=1MO"]}, handler(core)]}

    @cached_property
    def period(self) -> Duration:
        """How long it is from one time to the next."""
        if self.rrule is None:
            return Duration.parse(f"{_MONTHS[self.every]} months")
        parts = _parts(self.rrule)
        return Duration.parse(f"{parts.get('INTERVAL', '1')} {_PERIODS[parts['FREQ']]}")

    def days(self, since: date, start: date, end: date) -> Iterator[date]:
        """The days from `start` to `end`, both included, that are not before `since`, in order."""
        start = max(start, since)
        if start > end:
            return iter(())
        return self._by_month(start, end) if self.rrule is None else _by_rrule(self.rrule, since, start, end)

    def moved(self, day: date) -> date:
        """The day that is meant where a day may be no working day."""
        past_friday = day.weekday() - 4
        if past_friday <= 0 or self.rrule is not None or self.on_weekend == "keep":
            return day
        goes_back = self.on_weekend == "before" or (self.on_weekend == "nearest" and past_friday == 1)
        return day + timedelta(days=-past_friday if goes_back else 3 - past_friday)

    def _by_month(self, start: date, end: date) -> Iterator[date]:
        first, last = (12 * one.year + one.month - 1 for one in (start, end))
        for number in range(first - 1, last + 2):  # a weekend may move a day into the month beside it
            year, month = divmod(number, 12)
            if self._has(month + 1) and date.min.year <= year <= date.max.year:
                day = self._in(year, month + 1)
                if start <= day <= end:
                    yield day

    def _has(self, month: int) -> bool:
        if self.every == "quarter":
            return (month - 1) % _QUARTER + 1 == (self.month or _QUARTER)
        return self.every == "month" or month == self.month

    def _in(self, year: int, month: int) -> date:
        last = Duration(months=1).after(date(year, month, 1)) - timedelta(days=1)
        if self.day is not None:
            return self.moved(last.replace(day=min(self.day, last.day)))
        day, step = (last, -1) if self.working_day == "last" else (last.replace(day=1), 1)
        while day.weekday() > 4:
            day += timedelta(days=step)
        return day


def may_skip(rule: Rule, since: date) -> bool:
    """Whether an RRULE takes its day from its first one, and that is a day that some months or years lack."""
    if rule.rrule is None:
        return False
    parts = _parts(rule.rrule)
    said = parts.keys() & {"BYMONTHDAY", "BYDAY", "BYYEARDAY", "BYWEEKNO"}
    if said or parts["FREQ"] not in ("MONTHLY", "YEARLY"):
        return False
    return since.day > _EVERY_MONTH and (parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts or since.month == 2)


def _parts(text: str) -> Mapping[str, str]:
    return dict(part.split("=") for part in text.removeprefix("RRULE:").split(";"))


def _check(text: str) -> None:
    """Raises PydanticCustomError for what is not one rule of whole days without an end of its own."""
    found = [_PART.fullmatch(part) for part in text.removeprefix("RRULE:").split(";")]
    parts = {part[1]: part[2] for part in found if part is not None}
    frequency, interval = parts.get("FREQ", ""), parts.get("INTERVAL", "1")
    if len(parts) != len(found) or not frequency or not interval.isdecimal():
        raise PydanticCustomError("rrule", "not an RRULE")
    if parts.keys() & {"COUNT", "UNTIL"}:
        raise PydanticCustomError("rrule-end", "an end of its own")
    if frequency not in _ALLOWED or not 1 <= int(interval) <= MOST:
        raise PydanticCustomError("rrule-often", "too often or too seldom")
    if not parts.keys() - {"FREQ", "INTERVAL", "WKST"} <= _ALLOWED[frequency]:
        raise PydanticCustomError("rrule", "not an RRULE")
    if frequency in ("DAILY", "WEEKLY") and re.search(r"[0-9]", parts.get("BYDAY", "")):
        raise PydanticCustomError("rrule", "not an RRULE")
    if "BYSETPOS" in parts and not parts.keys() & _ALLOWED[frequency] - {"BYSETPOS"}:
        raise PydanticCustomError("rrule", "not an RRULE")
    if any(_ZERO.search(parts.get(name, "")) for name in _COUNTED):
        raise PydanticCustomError("rrule", "not an RRULE")
    if not parts.keys() & {"BYDAY", "BYSETPOS"} and _passes_over(parts):
        raise PydanticCustomError("rrule-short", "a day that some months lack")
    try:
        last = date.max.year - _EVERY_YEAR
        comes = next(iter(_rrule(text, datetime(last, 1, 1))), None) is not None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):  # whatever it is that dateutil stumbles over
        raise PydanticCustomError("rrule", "not an RRULE") from None
    if not comes and int(interval) == 1:
        raise PydanticCustomError("rrule-never", "never comes")


def _passes_over(parts: Mapping[str, str]) -> bool:
    """Whether a rule names a day that some months, or years, do not have."""
    days = [int(day) for name in ("BYMONTHDAY", "BYYEARDAY") for day in re.findall("[0-9]+", parts.get(name, ""))]
    return max(days, default=0) > (_EVERY_MONTH if "BYMONTHDAY" in parts else _EVERY_DAY)


def _by_rrule(text: str, since: date, start: date, end: date) -> Iterator[date]:
    """What dateutil says. It looks until its calendar ends for a day that never comes; so it is asked near that end."""
    years = (date.max.year - end.year) // _ROUND * _ROUND
    later = (datetime(one.year + years, one.month, one.day) for one in (since, start, end))
    first, from_, to = later
    for found in _rrule(text, first).xafter(from_, inc=True):
        if found > to:
            return
        yield date(found.year - years, found.month, found.day)


def _rrule(text: str, first: datetime) -> Any:
    from dateutil.rrule import rrulestr

    return rrulestr(text.removeprefix("RRULE:"), dtstart=first)
