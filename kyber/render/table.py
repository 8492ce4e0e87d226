"""A ScanResult in, what a person reads on a terminal out: the summary first, then findings, blind rules and problems.

The texts must be masked before they come here; `findings` does that. Everything from logs and rules is made plain and
shown as Text, never as markup. Levels are words and dots, so that nothing depends on colour.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from kyber.finding import Evidence, Finding, NearMiss, NearWindow, ScanResult
from kyber.level import Level
from kyber.problem import Severity
from kyber.render.amounts import duration, size
from kyber.render.excerpt import VALUE_SHOWN, excerpt
from kyber.render.near import near, near_window
from kyber.render.safe import every_text, plain
from kyber.render.summary import (
    LEVELS,
    BlindReason,
    RuleFindings,
    Summary,
    by_reason,
    by_rule,
    filter_told,
    nothing_found,
    summary,
    titled_in,
)
from kyber.render.times import span
from kyber.text import Words

RULES_SHOWN: Final = 10
GROUPS_SHOWN: Final = 3
EVIDENCE_SHOWN: Final = 3
BLIND_SHOWN: Final = 4
PROBLEMS_SHOWN: Final = 8
NEAR_SHOWN: Final = 20
"""How many of each a reader sees who did not ask for all: rules a level, groups a rule, and so on."""

BAR: Final = 28
DOTS: Final = {level: "●" * level + "○" * (4 - level) for level in Level}
STYLES: Final = {
    Level.CRITICAL: "bold red",
    Level.HIGH: "red",
    Level.MEDIUM: "yellow",
    Level.LOW: "cyan",
    Level.INFORMATIONAL: "dim",
}
_SEVERITIES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def show(result: ScanResult, words: Words, console: Console, *, verbose: bool = False) -> None:
    """Print the result; `verbose` leaves nothing out but the ends of very long values."""
    result = every_text(result, plain)
    for part in _Parts(result, words, console.width, verbose).all():
        console.print(part, highlight=False)


class _Parts:
    """The parts of the output, each made when it is printed."""

    def __init__(self, result: ScanResult, words: Words, width: int, verbose: bool) -> None:
        self._result, self._words, self._width, self._verbose = result, words, width, verbose
        self._hidden = False

    def all(self) -> Iterator[RenderableType]:
        counts = summary(self._result)
        yield self._heading(self._words("findings.heading.inputs"))
        yield self._read(counts)
        yield Text()
        yield self._heading(self._words("findings.heading.findings"))
        yield from self._pictures(counts)
        yield from self._findings()
        yield from self._near()
        yield from self._filters()
        yield from self._blind()
        yield from self._problems()
        if self._hidden:
            yield Text()
            yield Text(self._words("findings.how-to-see-all"), style="italic")

    # What was read, and what ran

    def _read(self, counts: Summary) -> RenderableType:
        words, total = self._words, counts.total
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        _add(grid, words("findings.label.read"), self._amounts(total.inputs, total.size, total.records))
        for one in counts.formats if len(counts.formats) > 1 or self._verbose else ():
            line = f"{one.format or '-'}: {self._amounts(one.inputs, one.size, one.records)}"
            _add(grid, "", Text(line, style="dim"))
        if self._result.unchanged:
            _add(grid, "", Text(words.many("findings.unchanged", self._result.unchanged), style="dim"))
        _add(grid, words("findings.label.events"), Text(words.number(total.events)))
        if total.rejected:
            reasons = ", ".join(f"{code} × {words.number(n)}" for code, n in counts.rejected.items())
            text = f"{words.many('findings.records', total.rejected)} ({reasons})"
            _add(grid, words("findings.label.rejected"), Text(text, style="yellow"))
        period = span(total.first, total.last)
        _add(grid, words("findings.label.period"), f"{period} UTC" if period else words("findings.no-times"))
        _add(
            grid,
            words("findings.label.rules"),
            words("findings.rules-ran", **{name: words.number(n) for name, n in self._rules(counts).items()}),
        )
        if counts.blind:
            _add(grid, "", Text(words.many("findings.rules-blind", counts.blind), style="yellow"))
        _add(grid, words("findings.label.took"), duration(self._result.seconds, words))
        return grid

    def _amounts(self, inputs: int, stored: int, records: int) -> str:
        words = self._words
        said = [words.many("findings.inputs", inputs), *([size(stored, words)] if stored else [])]
        return ", ".join((*said, words.many("findings.records", records)))

    def _rules(self, counts: Summary) -> Mapping[str, int]:
        return {"ran": self._result.rules, "fired": counts.fired, "silent": counts.silent}

    def _pictures(self, counts: Summary) -> Iterator[RenderableType]:
        words = self._words
        if self._result.nothing_new:
            yield Text(words("findings.nothing-new"), style="bold")
            return
        if not self._result.findings:
            for text in nothing_found(self._result, words):
                yield Text(text, style="bold")
            if counts.blind:
                yield Text(words.many("findings.none-but-blind", counts.blind), style="yellow")
            return
        if self._result.left_out:
            yield Text(words.many("findings.left-out", self._result.left_out), style="dim")
        if self._result.known:
            yield Text(words.many("findings.known", self._result.known), style="dim")
        found = words.many("findings.count", len(self._result.findings))
        line = Text(f"{found}, {words.many('findings.events', counts.events_found)}", style="bold")
        if counts.events_found > counts.total.events:
            line.append(f" ({words('findings.counted-in-each')})", "not bold dim")
        yield line
        grid = Table.grid(padding=(0, 2))
        for _ in range(4):
            grid.add_column(no_wrap=True)
        grid.columns[2].justify = "right"
        most = max(counts.levels.values())
        for level, n in counts.levels.items():
            style = STYLES[level] if n else "dim"
            name = words(f"findings.level.{level}")
            _add(grid, Text(DOTS[level], style), Text(name, style), words.number(n), Text(_bar(n, most), style))
        most = max(counts.families.values())
        grid.add_section()
        for family, n in counts.families.items():
            style = "" if n else "dim"
            _add(grid, "", Text(words(f"findings.family.{family}"), style), words.number(n), _bar(n, most))
        yield grid

    # Findings

    def _findings(self) -> Iterator[RenderableType]:
        groups = by_rule(self._result.findings)
        for level in LEVELS:
            of = [group for group in groups if group.level is level]
            if not of:
                continue
            yield Text()
            n = sum(len(group.findings) for group in of)
            title = f"{DOTS[level]} {self._words(f'findings.level.{level}').upper()}"
            counted = self._words.many("findings.count", n)
            yield Rule(Text(f"{title} · {counted}", STYLES[level]), align="left", style="dim")
            shown = of if self._verbose else of[:RULES_SHOWN]
            for at, group in enumerate(shown):
                if at:
                    yield Text()
                yield from self._rule(group)
            yield from self._more("findings.more-rules", len(of) - len(shown))

    def _rule(self, group: RuleFindings) -> Iterator[RenderableType]:
        words = self._words
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1, overflow="fold")
        head.add_column(justify="right", no_wrap=True)
        counted = words.many("findings.events", group.count)
        if len(group.findings) > 1:
            counted = f"{words.many('findings.count', len(group.findings))}, {counted}"
        _add(head, Text(group.rule.title_in(words.language), "bold"), Text(counted))
        yield head
        yield _indented(Text(group.rule.path or group.rule.id, "dim"), 2)
        largest = sorted(group.findings, key=lambda finding: -finding.count)
        shown = largest if self._verbose else largest[:GROUPS_SHOWN]
        for at, finding in enumerate(shown):
            yield _indented(self._where(finding), 2)
            if at == 0 or self._verbose:
                yield from self._evidence(finding.evidence)
        for more in self._more("findings.more-findings", len(group.findings) - len(shown)):
            yield _indented(more, 2)
        if advice := group.findings[0].next.get(words.language):
            yield _indented(Text(f"{words('findings.next')} ", "dim").append(" ".join(advice.split()), "not dim"), 2)

    def _where(self, finding: Finding) -> RenderableType:
        words = self._words
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1, overflow="fold")
        line.add_column(justify="right", no_wrap=True)
        line.add_column(no_wrap=True)
        group = Text(" · ").join(Text(value) for value in finding.group.values() if value)
        period = span(finding.first, finding.last) or words("findings.no-time")
        _add(line, group or Text(words("findings.no-group"), "dim"), f"× {words.number(finding.count)}", period)
        if finding.facts:
            _add(line, Text(", ".join(f"{name} = {value}" for name, value in finding.facts.items()), "dim"), "", "")
        return line

    def _evidence(self, evidence: Sequence[Evidence]) -> Iterator[RenderableType]:
        shown = evidence if self._verbose else evidence[:EVIDENCE_SHOWN]
        for one in shown:
            line = Text(f"{one.part}: ", "dim")
            room = VALUE_SHOWN if self._verbose else max(40, self._width - len(f"{one.part}: {one.field} = ") - 8)
            line.append(one.field, "bold not dim").append(" = ", "dim")
            line.append(excerpt(one.value, room, one.pattern), "not dim")
            if one.pattern and one.pattern != one.value:
                line.append(f"  ← {excerpt(one.pattern, room)}", "dim")
            yield _indented(line, 6)
        for more in self._more("findings.more-evidence", len(evidence) - len(shown)):
            yield _indented(more, 6)

    # Near misses

    def _near(self) -> Iterator[RenderableType]:
        if self._result.near is None:
            return
        yield Text()
        yield self._heading(self._words("near.heading"))
        found: tuple[NearMiss | NearWindow, ...] = (*self._result.near_windows, *self._result.near)
        shown = found if self._verbose else found[:NEAR_SHOWN]
        if not shown:
            yield Text(self._words("near.none"))
        for one in shown:
            if isinstance(one, NearWindow):
                yield from near_window(one, self._words)
            else:
                yield from near(one, self._words, VALUE_SHOWN if self._verbose else self._width)
        yield from self._more("near.more", len(found) - len(shown))

    # Filters, blind rules and problems

    def _filters(self) -> Iterator[RenderableType]:
        if not self._result.hidden:
            return
        yield Text()
        yield self._heading(self._words("findings.heading.filters"))
        for one in self._result.hidden:  # all of them: each scan says of every filter what it hid
            yield Text(excerpt(one.filter.title_in(self._words.language), VALUE_SHOWN), "bold", overflow="fold")
            yield _indented(Text(filter_told(one, self._words), "yellow" if one.count else "dim"), 2)

    def _blind(self) -> Iterator[RenderableType]:
        if not self._result.blind:
            return
        yield Text()
        yield self._heading(self._words("findings.heading.blind"))
        for reason in by_reason(titled_in(self._result.blind, self._words.language)):
            yield Text(blind_reason(reason, self._words), "yellow")
            names = [f"{name} ({self._words.number(n)})" if n > 1 else name for name, n in reason.lacking.items()] or [
                blind.rule.title_in(self._words.language) for blind in reason.rules
            ]
            shown = names if self._verbose else names[:BLIND_SHOWN]
            room = VALUE_SHOWN if self._verbose else self._width
            for name in shown:
                yield _indented(Text(excerpt(name, room), overflow="fold"), 2)
            for more in self._more("findings.more-names", len(names) - len(shown)):
                yield _indented(more, 2)

    def _problems(self) -> Iterator[RenderableType]:
        problems = self._result.problems
        if not problems:
            return
        yield Text()
        yield self._heading(self._words("findings.heading.problems"))
        shown = problems if self._verbose else problems[:PROBLEMS_SHOWN]
        for problem in shown:
            message, cure = self._words.problem(problem)
            line = Text(str(problem.place), "bold")
            line.append(f"  {problem.code} {self._words(f'severity.{problem.severity}')}: ", "not bold")
            line.append(plain(message), _SEVERITIES[problem.severity])
            yield line
            yield _indented(Text(plain(cure), "dim"), 2)
        yield from self._more("findings.more-problems", len(problems) - len(shown))

    def _heading(self, text: str) -> RenderableType:
        return Rule(Text(text, "bold"), align="left", characters="━", style="dim")

    def _more(self, key: str, n: int) -> Iterator[Text]:
        if n > 0:
            self._hidden = True
            yield Text(self._words.many(key, n), "italic dim")


def blind_reason(reason: BlindReason, words: Words) -> str:
    """How many rules were blind for a reason, in words; a reason without words of its own is named."""
    key = f"blind.{reason.reason}.rules"
    if words.has(key):
        return words.many(key, len(reason.rules))
    return words.many("blind.other.rules", len(reason.rules), reason=reason.reason)


def _add(grid: Table, *cells: str | Text) -> None:
    # A bare text in a cell would be read as markup.
    grid.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))


def _indented(what: RenderableType, by: int) -> RenderableType:
    return Padding(what, (0, 0, 0, by))


def _bar(n: int, most: int) -> str:
    return "█" * max(1, round(BAR * n / most)) if n else ""
