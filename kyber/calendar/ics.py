"""What falls due as a calendar file (RFC 5545): all-day events with alarms, and the same bytes at every export.

An event's UID is made of the organisation's name, hashed, and of what the event is: its kind, record and day. So it
stays the same whatever else changes, and a calendar that takes the file again has each event once.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from kyber.calendar.listing import called
from kyber.clock import Due
from kyber.privacy import mask
from kyber.render.safe import plain
from kyber.text import Words

PRODUCT: Final = "-//kyber//annual clock//EN"


def uid(one: Due, organisation: str) -> str:
    """A UUID (RFC 9562, version 5) of the organisation, and in it of the kind, the record and the day."""
    return str(uuid5(uuid5(NAMESPACE_OID, organisation), f"{one.kind}/{one.id}/{one.due}"))


def ics(dues: Iterable[Due], organisation: str, name: str, words: Words, today: date) -> bytes:
    """A calendar of what falls due. Nothing in it but titles, ids and days. DTSTAMP is the day on which it was done, or
    on which its lead time begins, so that it changes with the event alone."""
    from icalendar import Alarm, Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", plain(mask(name)))
    for one in dues:
        event, begins = Event(), one.lead.before(one.due)
        state = words(f"clock.state.{one.state(today)}")
        event.add("uid", uid(one, organisation))
        event.add("dtstamp", datetime.combine(one.done or begins, time(), UTC))
        event.add("summary", plain(called(one, words)) + ("" if one.done is None else f" ({state})"))
        event.add("dtstart", one.due)
        event.add("dtend", one.due + timedelta(days=1))
        event.add("description", plain(f"{words(f'clock.kind.{one.kind}')} {mask(one.id)}"))
        event.add("categories", [words(f"clock.ring.{one.ring}")])
        event.add("transp", "TRANSPARENT")
        if one.waits(today):
            alarm = Alarm()
            alarm.add("action", "DISPLAY")
            alarm.add("description", plain(called(one, words)))
            alarm.add("trigger", begins - one.due)
            event.add_component(alarm)
        calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
