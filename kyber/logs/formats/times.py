"""The times in the headers of lines: their text in, microseconds since the epoch (UTC) and what was assumed out."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from kyber.logs.formats.line import MalformedError

NO_TIME: Final = "F14"
TIMES_REMEMBERED: Final = 65_536

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
BSD = r"[A-Z][a-z]{2} [ 0-9]?[0-9](?: [0-9]{4})? [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
_BSD_PARTS = re.compile(
    r"([A-Z][a-z]{2}) ([ 0-9]?[0-9])(?: ([0-9]{4}))? ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
)
_LONGEST_LEAP_GAP = 8
NOTHING, ZONE, YEAR_ANDZONE = range(3)


class Times(dict[str, tuple[int, int]]):
    """The text of a header's time -> microseconds since the epoch (UTC), and what had to be assumed.

    Remembered by the text, since a second is written many times. Raises MalformedError for a time that does not exist.
    """

    def __init__(self, reference: datetime, zone: tzinfo) -> None:
        super().__init__()
        self.zone = zone
        self.limit = reference + timedelta(days=1)
        self.latest_year = self.limit.astimezone(zone).year

    def __missing__(self, stamp: str) -> tuple[int, int]:
        found = self._iso(stamp) if stamp[0].isdigit() else self._bsd(stamp)
        if found is None:
            raise MalformedError(NO_TIME, {"time": stamp})
        if len(self) >= TIMES_REMEMBERED:
            self.clear()
        self[stamp] = found
        return found

    def _iso(self, stamp: str) -> tuple[int, int] | None:
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            return None
        assumed = NOTHING
        if moment.tzinfo is None:
            moment, assumed = moment.replace(tzinfo=self.zone), ZONE
        return (moment - EPOCH) // _MICROSECOND, assumed

    def _bsd(self, stamp: str) -> tuple[int, int] | None:
        found = _BSD_PARTS.fullmatch(stamp)
        month = _MONTHS.get(found[1]) if found else None
        if found is None or month is None:
            return None
        day, hour, minute, second = int(found[2]), int(found[4]), int(found[5]), int(found[6])
        micros = int((found[7] or "0").ljust(6, "0")[:6])
        years = [int(found[3])] if found[3] else range(self.latest_year, self.latest_year - _LONGEST_LEAP_GAP - 1, -1)
        for year in years:
            try:
                moment = datetime(year, month, day, hour, minute, second, micros, tzinfo=self.zone)
            except ValueError:
                continue  # 29 February in a year without one
            if found[3] or moment <= self.limit:
                return (moment - EPOCH) // _MICROSECOND, ZONE if found[3] else YEAR_ANDZONE
        return None
