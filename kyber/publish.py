"""The pages of an intranet: a workspace's registers in, a site out, without what is confidential unless asked for.

What is left out is taken out of the registers before a page is made of them: no page can show what it never had.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from kyber.calendar.listing import by_month, in_year, wheel
from kyber.calendar.listing import summary as clock_summary
from kyber.confidential import anonymous, hidden, public
from kyber.continuity.drawn import drawing
from kyber.continuity.listing import plans_listed, services_listed
from kyber.continuity.service import by_criticality
from kyber.join import Snapshot, dues
from kyber.privacy import mask
from kyber.render import graphs, heatmap
from kyber.render import wheel as wheels
from kyber.render.money import day
from kyber.render.safe import every_text
from kyber.render.sheet import Column, Sheet
from kyber.render.site import Listed, Page, Picture, Site
from kyber.risks.listing import heat_map, listed, to_target
from kyber.risks.register import open_risks
from kyber.text import Words
from kyber.watched import Watchers

NONE: Final = "–"


# --- the pages -------------------------------------------------------------------------------------------------------


def site(
    whole: Snapshot, words: Words, year: int, *, confidential: bool, others: Sequence[tuple[str, str]] = ()
) -> Site:
    """The site of a workspace as of its day. `others`: files that stand beside these pages, with their titles."""
    shown = whole if confidential else public(whole)
    notes = [words("site.confidential")] if confidential else []
    if out := hidden(whole, shown):
        notes.append(words.many("site.left-out", len(out)))
    pages = (
        _risk_page(shown, words),
        _control_page(shown, words),
        _action_page(shown, words),
        _service_page(shown, words),
        _plan_page(shown, words, confidential),
        _clock_page(shown, words, year),
        _rule_page(shown, words),
        _graph_page(shown, words),
    )
    front = _front(shown, pages, words, notes, others)
    named: list[tuple[str, Iterable[str]]] = [
        ("risks", (one.id for one in open_risks(shown.risks))),
        ("controls", (one.id for one in shown.risks.controls)),
        ("actions", (one.id for one in shown.risks.actions)),
        ("services", (one.id for one in shown.continuity.services)),
        ("plans", (one.id for one in shown.continuity.plans)),
    ]
    found = Site(
        organisation=shown.workspace.settings.organisation,
        language=words.language,
        foot=words("site.foot", day=day(shown.today, words)),
        skip=words("site.skip"),
        navigation=words("site.navigation"),
        pages=(front, *pages),
        links={id_: page for page, ids in named for id_ in ids},
        others=tuple(others),
    )
    return every_text(found, mask if confidential else anonymous)


def _front(
    shown: Snapshot, pages: Sequence[Page], words: Words, notes: Sequence[str], others: Sequence[tuple[str, str]]
) -> Page:
    """What there is to read: what stands beside the pages first, then the pages, with how many rows they have."""
    made = ((f"{page.name}.html", page.title, _rows(page, words)) for page in pages)
    listed_files = (*((file, title, "") for file, title in others), *made)
    rows = tuple((title, many) for _, title, many in listed_files)
    sheet = Sheet((Column(words("site.head.page")), Column(words("site.head.rows"), right=True)), rows)
    listed = Listed(title=words("site.contents"), sheet=sheet, files=tuple(file for file, *_ in listed_files))
    title = words("site.title", organisation=shown.workspace.settings.organisation)
    as_of = words("site.as-of", day=day(shown.today, words))
    return Page(name="index", title=title, notes=(as_of, *notes), tables=(listed,))


def _rows(page: Page, words: Words) -> str:
    return words.number(sum(len(one.sheet.rows) for one in page.tables)) if page.tables else ""


def _risk_page(shown: Snapshot, words: Words) -> Page:
    register = shown.risks
    risks = register.prioritised([one for one in register.risks if one.is_open])
    plain = listed(register, risks, words)
    services = tuple(" ".join(one.services) or NONE for one in risks)
    sheet = Sheet(
        (*plain.columns, Column(words("continuity.head.services"))),
        tuple((*row, names) for row, names in zip(plain.rows, services, strict=True)),
    )
    links = tuple(
        at
        for at, column in enumerate(sheet.columns)
        if column.head in (words("risks.head.controls"), words("risks.head.actions"))
    )
    assessed = [one for one in risks if one.left is not None]
    map_ = heat_map(register, assessed, "left", to_target(assessed), words)
    table = Listed(
        title=words("site.risks"),
        sheet=sheet,
        linked=(*links, len(sheet.columns) - 1),
        anchored=True,
        empty=words("risks.none"),
    )
    pictures = (Picture(svg=heatmap.svg(every_text(map_, anonymous)), described=map_.described),) if assessed else ()
    return Page(name="risks", title=words("site.risks"), pictures=pictures, tables=(table,))


def _naming(risks: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, Sequence[str]]:
    """The ids of the risks that name something, by what they name."""
    of: dict[str, list[str]] = {}
    for risk, ids in risks:
        for id_ in ids:
            of.setdefault(id_, []).append(risk)
    return of


def _control_page(shown: Snapshot, words: Words) -> Page:
    of = _naming((risk.id, risk.controls) for risk in open_risks(shown.risks))
    rows = tuple(
        (
            one.id,
            one.title,
            words(f"risks.control-type.{one.type}"),
            words(f"risks.control-status.{one.status}"),
            shown.people.shown(one.owner),
            " ".join(of.get(one.id, ())) or NONE,
        )
        for one in sorted(shown.risks.controls, key=lambda one: one.id)
    )
    return _page("controls", words, ("id", "title", "type", "status", "owner", "risks"), rows, (5,))


def _action_page(shown: Snapshot, words: Words) -> Page:
    of = _naming((risk.id, risk.actions) for risk in open_risks(shown.risks))
    rows = tuple(
        (
            one.id,
            one.title,
            words(f"risks.action-status.{one.status}"),
            one.due.isoformat() if one.due else NONE,
            shown.people.shown(one.owner) if one.owner else NONE,
            " ".join(of.get(one.id, ())) or NONE,
        )
        for one in sorted(shown.risks.actions, key=lambda one: (one.due or date.max, one.id))
    )
    return _page("actions", words, ("id", "title", "status", "due", "owner", "risks"), rows, (5,))


def _service_page(shown: Snapshot, words: Words) -> Page:
    register = shown.continuity
    services = by_criticality(register.services)
    plain = services_listed(register, services, words, None)
    of = _naming((risk.id, risk.services) for risk in open_risks(shown.risks))
    extra = [
        (" ".join(need.id for need in one.depends_on) or NONE, " ".join(of.get(one.id, ())) or NONE) for one in services
    ]
    columns = (*plain.columns, Column(words("site.head.needs")), Column(words("site.head.risks")))
    sheet = Sheet(columns, tuple((*row, *more) for row, more in zip(plain.rows, extra, strict=True)))
    plans = next(at for at, one in enumerate(columns) if one.head == words("continuity.head.plan"))
    links = (plans, len(columns) - 2, len(columns) - 1)
    title = words("site.services")
    table = Listed(title=title, sheet=sheet, linked=links, anchored=True, empty=words("continuity.none.services"))
    return Page(name="services", title=title, tables=(table,))


def _plan_page(shown: Snapshot, words: Words, confidential: bool) -> Page:
    register = shown.continuity
    plans = sorted(register.plans, key=lambda one: one.id)
    plain = plans_listed(register, plans, words, None)
    sheet = Sheet(
        (*plain.columns, Column(words("continuity.head.services"))),
        tuple((*row, " ".join(one.services) or NONE) for row, one in zip(plain.rows, plans, strict=True)),
    )
    title = words("site.plans")
    tables = [
        Listed(
            title=title,
            sheet=sheet,
            linked=(len(sheet.columns) - 1,),
            anchored=True,
            empty=words("continuity.none.plans"),
        )
    ]
    if confidential:
        rows = tuple(
            (plan.id, each.name, each.phone or NONE, each.email or NONE) for plan in plans for each in plan.contacts
        )
        heads = tuple(Column(words(f"site.head.{head}")) for head in ("plan", "name", "phone", "email"))
        contacts = Listed(title=words("site.contacts"), sheet=Sheet(heads, rows), linked=(0,), empty=NONE)
        tables.append(contacts)
    return Page(name="plans", title=title, tables=tuple(tables))


def _clock_page(shown: Snapshot, words: Words, year: int) -> Page:
    found = in_year(dues(shown, date(year, 12, 31)), year, shown.today)
    organisation = shown.workspace.settings.organisation
    drawn = every_text(wheel(found, shown.people, words, year, shown.today, organisation), anonymous)
    title = words("clock.title", year=year, organisation=organisation)
    table = Listed(title=title, sheet=by_month(found, shown.people, words, year, shown.today), empty=NONE)
    said = clock_summary(found, words, shown.today)
    picture = Picture(svg=wheels.svg(drawn), described=said)
    return Page(name="clock", title=words("site.clock"), pictures=(picture,), tables=(table,))


def _rule_page(shown: Snapshot, words: Words) -> Page:
    from kyber.logs.sigma.heading import techniques
    from kyber.logs.supply import supplies

    rules = shown.rules
    watchers = Watchers(rules=rules, supply=supplies(shown.sources, {}))
    every = [
        *((one.ref, one.level, one.family, one.tags) for one in rules.rules),
        *((one.ref, one.level, one.family, one.tags) for one in rules.correlations),
    ]
    rows = tuple(
        (
            ref.title_in(words.language),
            words(f"findings.level.{level}"),
            words(f"findings.family.{family}"),
            " ".join(techniques(tags)) or NONE,
            words("site.reads" if watchers.has_source(ref.id) else "site.reads-nothing"),
        )
        for ref, level, family, tags in sorted(every, key=lambda one: (-one[1], one[0].title, one[0].id))
    )
    blind = sum(not watchers.has_source(ref.id) for ref, *_ in every)
    found = _page("rules", words, ("rule", "level", "family", "techniques", "sources"), rows, (), anchored=False)
    many = words.number(len(rows))
    note = words.many("site.rules-blind", blind, rules=many) if blind else words("site.rules-seeing", rules=many)
    return replace(found, notes=(note,) if rows else ())


def _graph_page(shown: Snapshot, words: Words) -> Page:
    organisation = shown.workspace.settings.organisation
    title = words("graph.title.all", organisation=organisation)
    pictures: Iterator[Picture] = iter(())
    if shown.continuity.services:
        drawn = every_text(drawing(shown.continuity, title, None, words), anonymous)
        pictures = iter((Picture(svg=graphs.svg(drawn), described=drawn.described),))
    return Page(name="dependencies", title=words("site.dependencies"), pictures=tuple(pictures))


def _page(
    name: str,
    words: Words,
    heads: Sequence[str],
    rows: tuple[tuple[str, ...], ...],
    linked: tuple[int, ...],
    *,
    anchored: bool = True,
) -> Page:
    title = words(f"site.{name}")
    sheet = Sheet(tuple(Column(words(f"site.head.{head}")) for head in heads), rows)
    table = Listed(title=title, sheet=sheet, linked=linked, anchored=anchored, empty=words("site.nothing"))
    return Page(name=name, title=title, tables=(table,))
