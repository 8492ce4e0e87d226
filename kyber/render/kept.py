"""Kept findings and what was decided about them in, a list or one finding whole out, for a terminal or a program.

Personal identity codes are masked, and everything from logs, rules and decisions is made plain and shown as Text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from kyber.finding import Judgement, Status, Touched
from kyber.kept import KeptFinding
from kyber.privacy import mask
from kyber.render.excerpt import VALUE_SHOWN, excerpt, folded
from kyber.render.rows import record
from kyber.render.safe import every_text, json_line, plain
from kyber.render.table import DOTS, STYLES
from kyber.render.times import iso, moment, span
from kyber.text import Words

RESTING_SHOWN: Final = 12
"""Services that rest on what is touched, by id; of more, the most urgent."""
ID_SHOWN: Final = 8
"""Characters of an id in the list; enough to name a finding with."""
STATUS_STYLES: Final = {
    Status.OPEN: "bold",
    Status.REOPENED: "bold red",
    Status.ACKNOWLEDGED: "yellow",
    Status.CLOSED: "dim",
    Status.FALSE_POSITIVE: "dim",
}


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a finding threatens: its id and name, and of a service its class of criticality."""

    id: str
    name: str = ""
    criticality: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """What a finding threatens, and what it is called."""

    touched: Touched = field(default_factory=Touched)
    services: tuple[Named, ...] = ()
    plans: tuple[Named, ...] = ()
    risks: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All that is known of one kept finding: where it stands, every decision about it, the latest one last, and what
    it threatens."""

    kept: KeptFinding
    judged: Judgement
    history: tuple[Judgement, ...]
    threat: Threat = field(default_factory=Threat)


def show_list(
    findings: Sequence[KeptFinding],
    judged: Mapping[str, Judgement],
    words: Words,
    console: Console,
    touched: Mapping[str, Touched] = MappingProxyType({}),
) -> None:
    """Print one row a finding: its id, level, status, last event, number of events, and what and where it is; where
    any threatens a service, how critical what is threatened is, and which services."""
    threats = any(touched[one.finding.id].services for one in findings if one.finding.id in touched)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", expand=True)
    for key in ("findings.list.id", "findings.list.level", "findings.list.status", "findings.list.last"):
        table.add_column(words(key), no_wrap=True)
    table.add_column(words("findings.label.events"), justify="right", no_wrap=True)
    if threats:
        table.add_column(words("findings.list.criticality"), justify="right", no_wrap=True)
    table.add_column(words("findings.list.finding"), ratio=1, overflow="fold")
    for one in findings:
        found = every_text(every_text(one.finding, mask), plain)
        status = judged[one.finding.id].status
        what = Text(found.rule.title_in(words.language))
        where = " · ".join(value for value in found.group.values() if value)
        threat = every_text(every_text(touched.get(one.finding.id, Touched()), mask), plain)
        if threat.services:
            others = f" +{words.number(len(threat.resting))}" if threat.resting else ""
            where = f"{where} → {', '.join(threat.services)}{others}".strip()
        if where:
            what.append(f"\n{where}", "dim")
        table.add_row(
            Text(found.id[:ID_SHOWN]),
            Text(words(f"findings.level.{found.level}"), STYLES[found.level]),
            Text(words(f"findings.status.{status}"), STATUS_STYLES[status]),
            Text(moment(found.last)[:16] if found.last else words("findings.no-time")),
            Text(words.number(found.count)),
            *([Text(str(threat.criticality or "–"))] if threats else []),
            what,
        )
    console.print(table, highlight=False)


def show_one(whole: Whole, words: Words, console: Console) -> None:
    """Print everything about one finding."""
    whole = replace(whole, kept=replace(whole.kept, finding=folded(whole.kept.finding)))
    for part in _parts(every_text(every_text(whole, mask), plain), words):
        console.print(part, highlight=False)


def as_json(whole: Whole) -> str:
    """Everything about one finding as one line of JSON: `--format jsonl`, with when scans saw it and all decisions."""
    whole = every_text(whole, mask)
    kept = whole.kept
    return json_line(
        {
            **record(kept.finding, whole.judged, whole.threat.touched),
            "first_seen": iso(kept.first_seen),
            "last_seen": iso(kept.last_seen),
            "grown": iso(kept.grown),
            "decisions": [
                {
                    "status": one.status.value,
                    "why": one.why,
                    "by": one.by,
                    "on": iso(one.on),
                    "until": one.until.isoformat() if one.until else None,
                }
                for one in whole.history
            ],
        }
    )


def _parts(whole: Whole, words: Words) -> Iterator[RenderableType]:
    kept, found = whole.kept, whole.kept.finding
    level = words(f"findings.level.{found.level}").upper()
    yield Rule(Text(f"{DOTS[found.level]} {level}", STYLES[found.level]), align="left", style="dim")
    yield Text(found.rule.title_in(words.language), "bold")
    period = span(found.first, found.last)
    facts = {
        words("findings.page.id"): found.id,
        words("findings.list.status"): words(f"findings.status.{whole.judged.status}"),
        words("findings.show.family"): words(f"findings.family.{found.family}"),
        **found.group,
        **found.facts,
        words("findings.label.events"): words.number(found.count),
        words("findings.label.period"): f"{period} UTC" if period else words("findings.no-times"),
        words("findings.page.sources"): ", ".join(found.sources),
        words("findings.show.seen"): f"{span(kept.first_seen, kept.last_seen)} UTC",
        words("findings.show.grown"): f"{moment(kept.grown)} UTC" if kept.grown else "",
    }
    yield _facts(facts)
    yield from _texts(whole, words)
    yield from _threat(whole.threat, words)
    yield from _why(whole, words)
    yield from _sample(whole, words)
    yield from _rule(whole, words)
    yield from _decisions(whole, words)


def _texts(whole: Whole, words: Words) -> Iterator[RenderableType]:
    found = whole.kept.finding
    if found.description:
        yield Text()
        yield Text(found.description)
    if advice := found.next.get(words.language):
        yield Text(f"{words('findings.next')} ", "dim").append(advice, "not dim")


def _threat(threat: Threat, words: Words) -> Iterator[RenderableType]:
    if not threat.services and not threat.risks:
        return
    yield _heading(words("findings.threat.title"))
    resting = threat.touched.resting
    lines = [(words("findings.threat.service"), _service(one, words)) for one in threat.services]
    if resting:
        named = [*resting[:RESTING_SHOWN], *(["…"] if len(resting) > RESTING_SHOWN else [])]
        lines.append((words.many("findings.threat.resting", len(resting)), ", ".join(named)))
    lines += [(words("findings.threat.risk"), f"{one.id} {one.name}") for one in threat.risks]
    lines += [(words("findings.threat.plan"), f"{one.id} {one.name}") for one in threat.plans]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(Text(label), Text(text))
    yield _indented(grid)


def _service(one: Named, words: Words) -> str:
    if not one.name:
        return one.id
    if one.criticality is None:
        return f"{one.id}: {one.name}"
    return words("findings.threat.named", id=one.id, name=one.name, criticality=one.criticality)


def _why(whole: Whole, words: Words) -> Iterator[RenderableType]:
    if whole.kept.finding.evidence:
        yield _heading(words("findings.page.evidence"))
    for one in whole.kept.finding.evidence:
        line = Text(f"{one.part}: ", "dim").append(one.field, "bold not dim").append(" = ", "dim")
        line.append(excerpt(one.value, VALUE_SHOWN, one.pattern), "not dim")
        if one.pattern and one.pattern != one.value:
            line.append(f"  ← {excerpt(one.pattern, VALUE_SHOWN)}", "dim")
        yield _indented(line)


def _sample(whole: Whole, words: Words) -> Iterator[RenderableType]:
    sample = whole.kept.finding.sample
    if not sample.file and not sample.event_id:  # of what did not happen
        return
    yield _heading(words("findings.page.sample"))
    yield _indented(
        _facts(
            {
                words("findings.page.time"): f"{moment(sample.time)} UTC" if sample.time else "",
                **sample.fields,
                words("findings.page.from"): f"{sample.file}:{sample.record}" if sample.file else "",
            }
        )
    )


def _rule(whole: Whole, words: Words) -> Iterator[RenderableType]:
    found = whole.kept.finding
    yield _heading(words("findings.page.about-rule"))
    yield _indented(
        _facts(
            {
                words("findings.page.rule-file"): found.rule.path,
                words("findings.page.id"): found.rule.id,
                words("findings.show.tags"): ", ".join(found.tags),
                words("findings.page.false-positives"): "; ".join(found.false_positives),
                words("findings.page.references"): "\n".join(found.references),
            }
        )
    )


def _decisions(whole: Whole, words: Words) -> Iterator[RenderableType]:
    yield _heading(words("findings.show.decisions"))
    if not whole.history:
        yield _indented(Text(words("findings.show.none-decided"), "dim"))
    for one in whole.history:
        line = Text(f"{moment(one.on)}  " if one.on else "")
        line.append(words(f"findings.status.{one.status}"), STATUS_STYLES[one.status])
        if one.until:
            line.append(f" {words('findings.show.until', until=one.until)}")
        line.append(f", {one.by}")
        if one.why:
            line.append(f": {one.why}")
        yield _indented(line)


def _facts(facts: Mapping[str, str]) -> Table:
    """Names and values below each other; what has no value is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            grid.add_row(Text(name), Text(excerpt(value, VALUE_SHOWN)))
    return grid


def _heading(text: str) -> RenderableType:
    return Padding(Rule(Text(text, "bold"), align="left", characters="━", style="dim"), (1, 0, 0, 0))


def _indented(what: RenderableType) -> RenderableType:
    return Padding(what, (0, 0, 0, 2))
