"""The draft of a notification to an authority: an incident and a duty in, Markdown in a language out.

A draft is filled with what the incident's file says, names its ground with its mark, and claims no compliance.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from kyber.incident import Duty, Incident, due_of
from kyber.people import People
from kyber.privacy import mask
from kyber.render.safe import plain
from kyber.text import Words

SECTIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("cybersecurity-act", "first"): ("description", "suspicion", "impact", "measures"),
    ("cybersecurity-act", "follow-up"): ("description", "impact", "measures", "indicators", "timeline"),
    ("cybersecurity-act", "final"): ("description", "impact", "cause", "measures", "timeline", "lessons"),
    ("gdpr", "first"): ("description", "people", "impact", "measures", "contact", "timeline"),
}
"""What a draft of each duty has headings for, in kyber's own words."""

_MARKED: Final = re.compile(r"([\\`*_{}\[\]<>|#])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who notifies: the organisation, its roles and people, and the names of its services by id."""

    organisation: str
    people: People
    services: Mapping[str, str]


def draft(one: Incident, duty: Duty, sender: Sender, words: Words, zone: ZoneInfo) -> str:
    """The draft as Markdown; personal identity codes are masked, and nothing in it is taken for markup."""
    return "\n".join(_lines(one, duty, sender, words, zone)) + "\n"


def _lines(one: Incident, duty: Duty, sender: Sender, words: Words, zone: ZoneInfo) -> Iterator[str]:
    yield f"# {words('notice.title', stage=words(f'incidents.notification.{duty.regime}.{duty.stage}'))}"
    yield ""
    before = one.sent(duty.regime, duty.stage)
    told = words("notice.is-draft") if before is None else words("notice.was-sent", sent=shown(before.sent, zone))
    yield f"**{told}**"
    yield ""
    yield words(f"notice.ground.{duty.regime}")
    yield ""
    yield f"| {words('notice.field')} | {words('notice.value')} |"
    yield "|---|---|"
    for name, value in _facts(one, duty, sender, words, zone):
        yield f"| {words(f'notice.fact.{name}')} | {_text(value) or _missing(words)} |"
    for section in SECTIONS[duty.regime, duty.stage]:
        yield ""
        yield f"## {words(f'notice.section.{section}')}"
        yield ""
        yield from _section(one, section, words, zone)


def _facts(one: Incident, duty: Duty, sender: Sender, words: Words, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    yield "organisation", sender.organisation
    yield "incident", f"{one.id} {one.title}"
    yield "owner", sender.people.shown(one.owner) if one.owner else ""
    yield "noticed", shown(one.noticed, zone)
    yield "occurred", shown(one.occurred, zone) if one.occurred else ""
    yield "due", shown(due_of(one, duty, zone), zone)
    yield "severity", words(f"incidents.severity.{one.severity}")
    yield "significant", words(f"incidents.significant.{_judged(one)}")
    yield "personal-data", words(f"incidents.personal-data.{'yes' if one.personal_data else 'no'}")
    yield "services", ", ".join(sender.services.get(each, each) for each in one.services)
    refs = [each.ref for each in one.notifications if each.regime == duty.regime and each.ref]
    if duty.stage != "first":
        yield "ref", ", ".join(refs)


def _section(one: Incident, section: str, words: Words, zone: ZoneInfo) -> Iterator[str]:
    match section:
        case "timeline":
            entries = sorted(one.timeline, key=lambda each: each.at)
            lines = [f"- {shown(each.at, zone)}: {_text(each.what)}" for each in entries]
        case "indicators":
            lines = [f"- `{each}`" for each in one.findings]
        case "lessons":
            lines = [f"- {_text(each)}" for each in one.lessons]
        case "description":
            lines = [_text(one.description or one.title)]
        case "impact" | "cause" | "measures":
            lines = [_text(getattr(one, section) or "")]
        case _:
            lines = []
    yield from [line for line in lines if line] or [_missing(words)]


def shown(moment: datetime, zone: ZoneInfo) -> str:
    """A moment for a person, in a zone, with its distance from UTC."""
    local = moment.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} (UTC{offset[:3]}:{offset[3:5]})"


def _judged(one: Incident) -> str:
    return "unknown" if one.significant is None else "yes" if one.significant else "no"


def _missing(words: Words) -> str:
    return f"*{words('notice.missing')}*"


def _text(text: str) -> str:
    return _MARKED.sub(r"\\\1", plain(mask(text)))
