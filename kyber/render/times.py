"""A UTC time or period in, a text out: for programs as ISO 8601 with Z, for people as date and clock time."""

from datetime import UTC, datetime


def iso(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with Z, to the microsecond where there are any; None where there is no time."""
    return None if time is None else _utc(time).isoformat().replace("+00:00", "Z")


def moment(time: datetime) -> str:
    """Date and time to the second, e.g. `2024-05-01 12:33:44`, in UTC."""
    return _utc(time).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def span(first: datetime | None, last: datetime | None) -> str:
    """A period as short as it can be told; empty where it has no time: the date stands once if it is one day."""
    first, last = first or last, last or first
    if first is None or last is None:
        return ""
    start, end = moment(first), moment(last)
    if start == end:
        return start
    return f"{start} – {end[11:] if start[:10] == end[:10] else end}"


def _utc(time: datetime) -> datetime:
    # A time without a zone is UTC by contract; astimezone would take it for the machine's own.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
