"""The annexes and the last page: what was given in, a section out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from kyber.calendar.duties import DUTIES, Ground
from kyber.calendar.listing import called, capital, in_year, told, wheel
from kyber.clock import Due, State
from kyber.continuity import section as continuity
from kyber.document import Block, Bullets, Chart, Paragraph, Place, Row, Section, Table, linked, row, said
from kyber.incident import DUTIES as NOTICES
from kyber.incident import Clock, clocks
from kyber.logs import section as logs
from kyber.render.exceedance import MARKED, Panel
from kyber.render.exceedance import svg as exceedance_svg
from kyber.render.money import day, whole_day
from kyber.render.parts import table_of
from kyber.render.safe import every_text
from kyber.render.wheel import svg as wheel_svg
from kyber.report.compare import SUBJECTS, changes
from kyber.report.first import next_quarter
from kyber.report.given import Given
from kyber.report.notices import of_period
from kyber.risks import section as risks
from kyber.risks.evidence import Verdict
from kyber.risks.listing import dimension_word

PROBLEMS: Final = 200
"""How many problems the annex has room for."""
DUES: Final = 60
"""How many things of the clock it has room for."""


def all_risks(given: Given) -> Section:
    return _section(given, "all-risks", *risks.register_list(given.risks), risks.large_matrix(given.risks))


def all_late(given: Given) -> Section:
    return _section(given, "late-all", *risks.late(given.risks, given.snapshot.risks.actions, None))


def money(given: Given) -> Section:
    """What the risks with numbers cost in a year."""
    words = given.words
    if not given.portfolios:
        return _section(given, "money", Paragraph(said(words("report.money.none"))))
    panels = []
    for one in given.portfolios:
        loss = one.whole.loss
        marks = tuple(zip(MARKED, (loss.p90, loss.p95, loss.p99), strict=True))
        panels.append(
            Panel(
                currency=one.currency,
                expected=loss.expected,
                marks=marks,
                curve=one.whole.curve,
                with_controls=one.whole.curve_together,
            )
        )
    title = words("report.money.title")
    svg = exceedance_svg(panels, title, words)
    with_numbers = sum(len(one.risks) for one in given.portfolios)
    text = words.many("report.money.of", with_numbers, all=words.number(len(given.risks.open)))
    return _section(given, "money", Paragraph(said(text)), Chart(title=title, svg=svg, described=_described(svg)))


def _described(svg: str) -> str:
    """The words that a picture carries."""
    from html import unescape

    return unescape(svg.partition("<desc")[2].partition(">")[2].partition("</desc>")[0])


def all_services(given: Given) -> Section:
    return _section(given, "services-all", *continuity.gaps(given.continuity))


def plans(given: Given) -> Section:
    return _section(given, "plans", *continuity.plans(given.continuity))


def findings(given: Given) -> Section:
    return _section(given, "findings-all", *logs.by_rule(given.logs))


def incidents(given: Given) -> Section:
    """The incidents of the period, with the notifications that the law asks for."""
    words, snapshot = given.words, given.snapshot
    zone = snapshot.workspace.settings.zone
    rows = []
    for one in sorted(of_period(given), key=lambda each: (each.noticed, each.id)):
        told_ = tuple(_notified(given, each) for each in clocks(one, snapshot.morning, zone) if each.due is not None)
        rows.append(
            row(
                said(f"{one.id} {one.title}"),
                whole_day(one.noticed.astimezone(zone).date(), words),
                words(f"incidents.severity.{one.severity}"),
                words(f"incidents.status.{'open' if one.is_open else 'closed'}"),
                "; ".join(told_) or "–",
                linked((given.names.get(id_, id_), given.anchors.get(f"service-{id_}", "")) for id_ in one.services),
                linked((id_, to) for id_ in one.risks if (to := given.anchors.get(f"risk-{id_}"))),
            )
        )
    heads = (
        ("incident", 4),
        ("noticed", 1),
        ("severity", 1),
        ("status", 1),
        ("notifications", 4),
        ("services", 2),
        ("risks", 2),
    )
    table = _table(given, "incidents", heads, tuple(rows))
    return replace(_section(given, "incidents", table), confidential=True)


def _notified(given: Given, clock: Clock) -> str:
    words, duty = given.words, clock.duty
    what = words(f"incidents.notification.{duty.regime}.{duty.stage}")
    return words(f"report.notice.{clock.state}", what=what, day=day(clock.due.date(), words) if clock.due else "–")


def watched(given: Given) -> Section:
    """Who watches the highest risks, and why rules cannot fire."""
    words, view = given.words, given.risks
    rows = []
    for one in {each.id: each for each in (*view.highest, *view.top)}.values():
        found = view.borne.get(one.id)
        if found is None:
            continue
        seeing = sum(each.can_see for each in found.watchers)
        verdict = words(f"report.verdict.{found.verdict}") if found.verdict is not Verdict.UNKNOWN else "–"
        cells = (words(f"risks.watch.{found.watch}"), words.number(seeing), words.number(len(found.watchers) - seeing))
        rows.append(
            row(said(f"{one.id} {one.title}", risks.anchor(one.id)), *cells, words.number(len(found.days)), verdict)
        )
    heads = (("risk", 5), ("watch", 2), ("seeing", 1), ("blind", 1), ("days", 1), ("verdict", 3))
    blocks: list[Block] = [_table(given, "watched", heads, tuple(rows), right=("seeing", "blind", "days"))]
    return _section(given, "coverage-all", *blocks, *logs.blindness(given.logs))


def year(given: Given) -> Section:
    """The year as a wheel; what is late and what comes within three months; the duties in law."""
    words, snapshot, today = given.words, given.snapshot, given.today
    of_year = in_year(given.dues, today.year, today)
    organisation = snapshot.workspace.settings.organisation
    drawn = every_text(wheel(of_year, snapshot.people, words, today.year, today, organisation), given.safe)
    late = [one for one in given.dues if one.state(today) is State.LATE]
    waiting = (*late, *(one for one in next_quarter(given) if one not in late))
    rows = tuple(_due(given, one) for one in waiting[:DUES])
    heads = (("state", 1), ("day", 1), ("what", 5), ("owner", 2))
    marks = tuple(
        row(words.number(number), drawn.months[spot.month - 1], drawn.states[spot.state], spot.text)
        for number, spot in enumerate(drawn.spots, 1)
    )
    blocks: list[Block] = [
        Chart(title=drawn.title, svg=wheel_svg(drawn, listed=False), described=drawn.described),
        _table(given, "wheel", (("number", 0), ("month", 1), ("state", 1), ("what", 6)), marks, right=("number",)),
    ]
    blocks.append(_table(given, "clock", heads, rows))
    if len(waiting) > DUES:
        blocks.append(Paragraph(said(words.many("report.more-rows", len(waiting) - DUES)), "note"))
    duties = tuple(
        row(
            capital(words(f"clock.duty.{name}")),
            words(f"clock.ground.{duty.ground}"),
            words(f"clock.mark.{duty.mark}"),
            words("report.list", items=tuple(task.id for task in snapshot.tasks if name in task.duties))
            if any(name in task.duties for task in snapshot.tasks)
            else words("report.duty.none"),
        )
        for name, duty in DUTIES.items()
    )
    blocks.append(_table(given, "duties", (("duty", 5), ("ground", 3), ("mark", 2), ("tasks", 2)), duties))
    return _section(given, "year", *blocks)


def _due(given: Given, one: Due) -> Row:
    words, people = given.words, given.snapshot.people
    who = people.shown(one.owner) if one.owner else words("clock.nobody")
    return row(told(one.state(given.today), words), whole_day(one.due, words), called(one, words), who)


def changed(given: Given) -> Section:
    """What changed since the last report."""
    words = given.words
    if given.before is None:
        return _section(given, "changes", Paragraph(said(words("report.changes.first"))))
    found = changes(given.before.values, given.values, words)
    since = words("report.changes.since", day=day(given.before.as_of, words), name=given.before.name)
    blocks: list[Block] = [Paragraph(said(since))]
    for subject in SUBJECTS:
        if some := [one for one in found if one.subject == subject]:
            blocks.append(Paragraph(said(words(f"report.subject.{subject}"), strong=True)))
            kind = "service" if subject == "services" else "risk"
            items = tuple(said(one.text, given.anchors.get(f"{kind}-{one.id}", "")) for one in some)
            blocks.append(Bullets(items))
    if not found:
        blocks.append(Paragraph(said(words("report.changes.none"))))
    return _section(given, "changes", *blocks)


def method(given: Given) -> Section:
    """How it was made, and on what grounds."""
    words, register = given.words, given.snapshot.risks
    scale = register.scale
    appetite = tuple(
        f"{dimension_word(name, words)} {words(f'risks.level.{level}')}"
        for name, level in sorted(register.settings.appetite.items())
    )
    earlier, until = given.period.before(given.today)
    parts = (
        words("report.method.scale", rows=scale.likelihoods, columns=scale.impacts),
        words("report.method.appetite", appetite=appetite) if appetite else words("report.method.no-appetite"),
        words("report.method.direction"),
        words("report.method.findings", start=day(earlier, words), end=day(until, words)),
        words("report.method.evidence", since=day(given.seen.since, words)),
        words("report.method.continuity"),
        words("report.method.money"),
        words("report.method.again"),
    )
    grounds: list[tuple[Ground, str]] = [(one.ground, words(f"clock.mark.{one.mark}")) for one in DUTIES.values()]
    for notice in NOTICES:
        ground: Ground = "gdpr" if notice.regime == "gdpr" else "cybersecurity-act"
        grounds.append((ground, words(f"clock.mark.{'seen' if notice.seen else 'reference'}")))
    rows = tuple(row(words(f"clock.ground.{ground}"), mark) for ground, mark in dict.fromkeys(grounds))
    table = _table(given, "grounds", (("ground", 3), ("mark", 2)), rows)
    claim = Paragraph(said(words("report.method.claim")), "note")
    return _section(given, "method", Bullets(tuple(said(part) for part in parts)), table, claim)


def problems(given: Given) -> Section:
    """What the checks of the registers found."""
    words, root = given.words, f"{given.snapshot.workspace.root}/"
    rows = []
    for one in given.problems[:PROBLEMS]:
        message = words.problem(one)[0].replace(root, "")
        place = str(one.place).replace(root, "")
        rows.append(row(one.code, words(f"severity.{one.severity}"), message, place))
    heads = (("code", 0), ("severity", 1), ("message", 6), ("place", 4))
    blocks: list[Block] = [_table(given, "problems", heads, tuple(rows))]
    if len(given.problems) > PROBLEMS:
        blocks.append(Paragraph(said(words.many("report.more-rows", len(given.problems) - PROBLEMS)), "note"))
    if given.waived:
        blocks.append(Paragraph(said(words.many("report.waived", given.waived)), "note"))
    return replace(_section(given, "problems", *blocks), confidential=True)


def missing(given: Given) -> Section:
    """What was missing, or could not be seen."""
    lines = tuple(said(text) for text in _missing(given))
    block: Block = Bullets(lines) if lines else Paragraph(said(given.words("report.missing.none")))
    return _section(given, "missing", block, place="last")


def _missing(given: Given) -> Iterator[str]:
    words, register, view = given.words, given.snapshot.risks, given.risks
    if given.before is None:
        yield words("report.missing.before")
    if given.withheld:
        yield words.many("report.missing.withheld", given.withheld)
    if many := sum(register.level(one) is None for one in view.open):
        yield words.many("report.missing.unassessed", many)
    if many := sum(one.owner is None for one in view.open):
        yield words.many("report.missing.ownerless", many)
    if not register.settings.appetite:
        yield words("report.missing.appetite")
    services = given.snapshot.continuity.services
    if many := sum(one.criticality is None for one in services):
        yield words.many("report.missing.criticality", many)
    critical = given.continuity.critical
    if many := sum(given.snapshot.continuity.recoveries[one.id].own is None for one in critical):
        yield words.many("report.missing.capability", many)
    if many := sum(not given.snapshot.continuity.plans_of(one) for one in critical):
        yield words.many("report.missing.plans", many)
    if many := sum(one.quant is None for one in view.open):
        yield words.many("report.missing.numbers", many, all=words.number(len(view.open)))
    if given.unread:
        yield words.many("report.missing.unread", given.unread)
    if given.seen.heard is None:
        yield words("report.missing.store")
    if given.seen.entries is None:
        yield words("report.missing.rules")
    if not given.seen.findings:
        yield words("report.missing.findings")
    if given.borne and (found := risks.unseen(view)):
        yield words.many("report.missing.unseen", len(found), ids=tuple(one.id for one in found[:12]))
    if not given.commit:
        yield words("report.missing.git")


def _table(
    given: Given, name: str, heads: tuple[tuple[str, int], ...], rows: tuple[Row, ...], right: tuple[str, ...] = ()
) -> Table:
    return table_of(name, [head for head, _ in heads], rows, given.words, dict(heads), right)


def _section(given: Given, id_: str, *blocks: Block, place: Place = "annex") -> Section:
    return Section(id=id_, title=given.words(f"report.section.{id_}"), place=place, blocks=blocks)
