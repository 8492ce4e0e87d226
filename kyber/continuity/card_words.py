"""A card or a script in, the same in the words of one language out, ready to be laid out on paper."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from kyber.continuity.card import Card, Stamp, Who
from kyber.continuity.plan import Plan, Preparedness
from kyber.continuity.service import Service
from kyber.duration import Duration
from kyber.render.printout import Block, Column, Facts, Grid, Items, Part, Printout, Section, Text, Use
from kyber.text import Words

COMMIT_SHOWN: Final = 10
DIGEST_SHOWN: Final = 12
"""Letters of a commit and of a file's SHA-256 that stand on a paper."""
NONE: Final = "–"


def printed_card(card: Card, words: Words) -> Printout:
    """The paper of a plan. What nobody has written takes no room on it."""
    plan = card.plan
    kind = words(f"continuity.plan-type.{plan.type}")
    sections = [
        Section(heading=words("card.activation"), blocks=(Items(plan.activation),)),
        Section(heading=words("card.services"), blocks=_services(card, words)),
        Section(heading=words("card.steps"), blocks=(Text((words("card.steps.how"),)), _steps(card, words))),
        Section(heading=words("card.contacts"), blocks=_contacts(plan, words)),
        Section(heading=words("card.who"), blocks=(people_table(card.everybody, words),)),
        Section(heading=words("card.communication"), blocks=_messages(card, words)),
        Section(heading=words("card.preparedness"), blocks=_preparedness(plan.preparedness, words)),
        Section(heading=words("card.notes"), blocks=(Text((plan.notes,)),) if plan.notes else ()),
        Section(heading=words("card.copy"), blocks=(Text((words("card.copy.how"),)), _copy(card, words))),
    ]
    return Printout(
        language=words.language,
        over=words("card.over", kind=kind, id=plan.id, version=plan.version),
        title=plan.title,
        facts=Facts(
            (
                (words("card.organisation"), card.organisation),
                (words("card.approved"), _approved(card, words)),
                (words("card.owner"), shown(card.owner)),
                (words("card.holds-for"), _holds_for(card, words)),
            )
        ),
        sections=tuple(one for one in sections if one.blocks),
        foot=foot(words("card.foot", id=plan.id, version=plan.version), card.stamp, words),
    )


def shown(who: Who) -> str:
    """A role with those who hold it, or a name."""
    return f"{who.title} ({', '.join(who.holders)})" if who.holders else who.title


def below(who: Who) -> str:
    """The same on lines of their own."""
    return "\n".join((who.title, *who.holders))


def length(span: Duration | None, words: Words) -> str:
    """A length of time, or a dash."""
    return NONE if span is None else words.duration(span)


def day(value: date | None) -> str:
    """A day, or a dash."""
    return NONE if value is None else value.isoformat()


def foot(first: str, stamp: Stamp, words: Words) -> str:
    """What stands at the foot of each page."""
    return words("card.foot.stamp", first=first, day=stamp.printed_on, sha256=stamp.sha256[:DIGEST_SHOWN])


def stamp_facts(stamp: Stamp, words: Words) -> tuple[tuple[str, str], ...]:
    """What a paper is compared with the register by."""
    commit = words("card.no-commit") if stamp.commit is None else stamp.commit[:COMMIT_SHOWN]
    return (
        (words("card.printed-on"), stamp.printed_on.isoformat()),
        (words("card.commit"), words("card.commit.changed", commit=commit) if stamp.is_changed else commit),
        (words("card.sha256"), stamp.sha256[:DIGEST_SHOWN]),
    )


def people_table(people: Sequence[Who], words: Words) -> Grid:
    """Roles, and who holds them or stands in."""
    heads = (("card.role", 3, Use.LEAD), ("card.holders", 3, Use.TEXT), ("card.deputies", 3, Use.TEXT))
    rows = ((one.title, "\n".join(one.holders) or NONE, "\n".join(one.deputies) or NONE) for one in people)
    return grid(heads, rows, words)


def grid(heads: Sequence[tuple[str, int, Use]], rows: Iterator[tuple[str, ...]], words: Words) -> Grid:
    """A table whose headings are keys of the catalogue, each with its column's share of the width and its use."""
    columns = tuple(Column(head=words(key), share=share, use=use) for key, share, use in heads)
    return Grid(columns, tuple(rows))


def _approved(card: Card, words: Words) -> str:
    approved = card.plan.approved
    if approved is None or card.approver is None:
        return words("card.unapproved")
    return words("card.approved.by", who=shown(card.approver), day=approved.on)


def _holds_for(card: Card, words: Words) -> str:
    return ", ".join(one.name for one in card.services) or words("card.whole")


def _services(card: Card, words: Words) -> tuple[Block, ...]:
    if not card.services:
        return ()
    heads = (
        ("card.service", 7, Use.LEAD),
        ("card.rto", 4, Use.TEXT),
        ("card.rpo", 4, Use.TEXT),
        ("card.mtpd", 4, Use.TEXT),
        ("card.fallback", 10, Use.TEXT),
    )
    return (grid(heads, (_service(one, words) for one in card.services), words),)


def _service(one: Service, words: Words) -> tuple[str, ...]:
    instead = one.manual_fallback
    how = [instead.how, words("card.fallback.longest", length=instead.max_duration)] if instead else []
    least = [words("card.mbco", text=one.mbco)] if one.mbco else []
    spans = (length(span, words) for span in (one.rto, one.rpo, one.mtpd))
    return (one.name, *spans, "\n".join((*how, *least)) or NONE)


def _steps(card: Card, words: Words) -> Grid:
    heads = (
        ("card.step.done", 3, Use.TICK),
        ("card.step.no", 2, Use.TEXT),
        ("card.step.does", 11, Use.LEAD),
        ("card.step.who", 9, Use.TEXT),
        ("card.step.when", 6, Use.TEXT),
        ("card.step.target", 5, Use.TEXT),
        ("card.step.signed", 6, Use.ROOM),
    )

    def rows() -> Iterator[tuple[str, ...]]:
        for step, who in zip(card.plan.steps, card.doers, strict=True):
            where = [words("card.step.where", text=step.where)] if step.where else []
            how = [words("card.step.how", text=step.how)] if step.how else []
            does = "\n".join((step.does, *where, *how))
            target = length(step.target_time, words)
            yield "", str(step.no), does, below(who), step.when or NONE, target, ""

    return grid(heads, rows(), words)


def _contacts(plan: Plan, words: Words) -> tuple[Block, ...]:
    if not plan.contacts:
        return ()
    heads = (("card.contact", 4, Use.LEAD), ("card.phone", 4, Use.LARGE), ("card.email", 4, Use.TEXT))
    rows = (
        ("\n".join(filter(None, (one.name, one.note))), one.phone or NONE, one.email or NONE) for one in plan.contacts
    )
    return (grid(heads, rows, words),)


def _messages(card: Card, words: Words) -> tuple[Block, ...]:
    if not card.messages:
        return ()
    heads = (
        ("card.message.who", 4, Use.LEAD),
        ("card.message.to", 4, Use.TEXT),
        ("card.message.how", 4, Use.TEXT),
        ("card.message.within", 2, Use.TEXT),
        ("card.service", 3, Use.TEXT),
    )
    rows = (
        (below(who), message.to, message.how, length(message.within, words), service.name)
        for (service, message), who in zip(card.messages, card.tellers, strict=True)
    )
    return (grid(heads, rows, words),)


def _preparedness(found: Preparedness | None, words: Words) -> tuple[Block, ...]:
    if found is None:
        return ()
    parts = ((name, getattr(found, name)) for name in Preparedness.model_fields)
    return tuple(Part(heading=words(f"card.preparedness.{name}"), text=text) for name, text in parts if text)


def _copy(card: Card, words: Words) -> Facts:
    plan, copy = card.plan, card.plan.offline_copy
    return Facts(
        (
            (words("card.copy.where"), copy.where if copy else NONE),
            (words("card.copy.checked"), day(copy.checked_on) if copy else NONE),
            (words("card.review.interval"), length(plan.review.interval, words)),
            (words("card.review.last"), day(plan.review.last)),
            (words("card.review.due"), day(plan.review_due)),
            (words("card.review.reviewer"), shown(card.reviewer) if card.reviewer else NONE),
            *stamp_facts(card.stamp, words),
        )
    )
