"""The first page, part by part: what was given in, a section out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kyber.calendar.duties import DUTIES
from kyber.clock import Due, State
from kyber.continuity import section as continuity
from kyber.document import Block, Line, Paragraph, Piece, Section, row, said
from kyber.duration import Duration
from kyber.logs import section as logs
from kyber.render.money import day
from kyber.render.parts import table_of
from kyber.report.decisions import MOST, decisions
from kyber.report.direction import sentence
from kyber.report.given import Given
from kyber.report.notices import notices
from kyber.risks import section as risks
from kyber.risks.evidence import Watch
from kyber.risks.risk import Risk

QUARTER = Duration.parse("3 months")


def facts(given: Given) -> tuple[tuple[str, str], ...]:
    """The header: what the report is of, and how far its data can be trusted."""
    words = given.words
    unassessed = sum(given.snapshot.risks.level(one) is None for one in given.risks.open)
    total = words.number(len(given.risks.open))
    errors = sum(one.severity == "error" for one in given.problems)
    quality = [
        words.many("report.quality.unassessed", unassessed, all=total),
        words.many("report.quality.errors", errors),
    ]
    if given.withheld_risks:
        quality.append(words.many("report.quality.withheld", given.withheld_risks))
    start, end = day(given.period.start, words), day(given.period.end, words)
    found = (
        ("period", words("report.fact.period-value", name=given.period.name, start=start, end=end)),
        ("as-of", day(given.today, words)),
        ("commit", given.commit or words("report.no-git")),
        ("quality", words("report.list", items=tuple(quality))),
    )
    return tuple((words(f"report.fact.{key}"), text) for key, text in found)


def way(given: Given) -> Section:
    """One sentence: better, unchanged or worse, and why."""
    words, now = given.words, given.values
    if given.before is None:
        above, late = words.number(int(now["risks.above"])), words.number(int(now["services.late"]))
        text = words("report.direction.first", above=above, late=late)
    else:
        text = sentence(given.before.values, now, given.before.as_of, words)
    return _section(given, "direction", Paragraph(said(text), "lead"))


def asked(given: Given) -> Section:
    """The decisions that are asked for."""
    words, found = given.words, decisions(given)
    rows = tuple(row(one.what, one.cost, one.left) for one in found[:MOST])
    wide = {"decision": 6, "cost": 2, "left": 4}
    table = table_of("decisions", tuple(wide), rows, words, wide)
    blocks: list[Block] = [table]
    if len(found) > MOST:
        blocks.append(Paragraph(said(words.many("report.decisions.more", len(found) - MOST)), "note"))
    return _section(given, "decisions", *blocks)


def top_risks(given: Given) -> Section:
    table = risks.top_risks(given.risks)
    if given.withheld_risks:
        table = replace(table, empty=given.words("report.top-risks.withheld"))
    return _section(given, "top-risks", table)


def matrix(given: Given) -> Section:
    return _section(given, "matrix", *risks.matrix(given.risks))


def services(given: Given) -> Section:
    return _section(given, "continuity", *continuity.in_short(given.continuity))


def late(given: Given) -> Section:
    return _section(given, "late", *risks.late(given.risks, given.snapshot.risks.actions, risks.LATE))


def happened(given: Given) -> Section:
    """Incidents, notifications and findings."""
    words, found = given.words, notices(given)
    blocks: list[Block] = [*logs.families(given.logs)]
    if given.public:
        return _section(given, "findings", *blocks)
    still = words.number(found.open) if found.open else words("report.incidents.none-open")
    text = words.many("report.incidents", found.incidents, open=still)
    blocks.append(Paragraph(said(text)))
    if found.met or found.late or found.missed or found.running:
        counts = {key: words.number(getattr(found, key)) for key in ("met", "late", "missed", "running")}
        blocks.append(Paragraph(said(words("report.notices", **counts))))
    return _section(given, "findings", *blocks)


def covered(given: Given) -> Section:
    """Which of the top risks somebody watches, and what cannot be seen."""
    words, view = given.words, given.risks
    lines: list[Line] = []
    if given.borne:
        top = view.top
        watched = [one for one in top if view.borne[one.id].watch in (Watch.QUIET, Watch.SEEN)]
        text = words.many("report.cover.top", len(watched), all=words.number(len(top)))
        lines.append(said(text))
        if unwatched := [one for one in top if one not in watched]:
            lines.append(_naming(words("report.cover.unwatched"), unwatched))
        deaf = {one.facts.get("id") for one in given.problems if one.code == "K71"}
        if silent := [one for one in watched if one.id in deaf]:
            lines.append(_naming(words("report.cover.deaf"), silent))
    else:
        lines.append(said(words("report.cover.not-looked")))
    lines += [said(text) for text in logs.sight(given.logs)]
    return _section(given, "coverage", *(Paragraph(line) for line in lines))


def _naming(text: str, some: Sequence[Risk]) -> Line:
    """A text, and the ids of risks after it."""
    pieces = [Piece(text)]
    for at, one in enumerate(some):
        pieces += [Piece(", " if at else " "), Piece(one.id, risks.anchor(one.id))]
    return tuple(pieces)


def clock(given: Given) -> Section:
    """The annual clock: done, due, late, and the duties in law."""
    words, today, period = given.words, given.today, given.period
    states = Counter(one.state(today) for one in given.dues)
    ahead = next_quarter(given)
    done = sum(one.done is not None and period.start <= one.done <= period.end for one in given.dues)
    missed = sum(one.state(today) is State.MISSED and period.start <= one.due <= period.end for one in given.dues)
    counts = {"done": done, "ahead": len(ahead), "late": states[State.LATE], "missed": missed}
    text = words("report.clock.counts", **{key: words.number(many) for key, many in counts.items()})
    held = {duty for task in given.snapshot.tasks for duty in task.duties}
    behind = {id_ for task in given.snapshot.tasks if task.duties for id_ in [task.id] if _is_late(given, id_)}
    law = words.many(
        "report.clock.law",
        len(behind),
        all=words.number(len(DUTIES)),
        held=words.number(sum(duty in held for duty in DUTIES)),
    )
    return _section(given, "clock", Paragraph(said(text, "year")), Paragraph(said(law)))


def next_quarter(given: Given) -> tuple[Due, ...]:
    """What waits and falls due within three months."""
    end = QUARTER.after(given.today)
    return tuple(one for one in given.dues if one.waits(given.today) and given.today <= one.due <= end)


def _is_late(given: Given, task: str) -> bool:
    return any(one.kind == "task" and one.id == task and one.state(given.today) is State.LATE for one in given.dues)


def _section(given: Given, id_: str, *blocks: Block) -> Section:
    return Section(id=id_, title=given.words(f"report.section.{id_}"), place="first", blocks=blocks)
