"""This domain's part of the report: the register and what bears on it in; rows, pictures and numbers out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from kyber.action import Action
from kyber.document import Block, Chart, Line, Paragraph, Row, Table, linked, row, said
from kyber.privacy import mask
from kyber.render.heatmap import Move, small_svg
from kyber.render.heatmap import svg as heat_map_svg
from kyber.render.money import euros, whole_day
from kyber.render.parts import table_of
from kyber.render.safe import every_text
from kyber.risks.checks import WARNS_BEFORE
from kyber.risks.evidence import Borne, Watch
from kyber.risks.listing import heat_map, level_word
from kyber.risks.matrix import LEVELS, rank
from kyber.risks.register import RiskRegister, open_risks
from kyber.risks.risk import Risk
from kyber.settings import RiskLevel
from kyber.text import Words

TOP: Final = 5
"""How many risks stand on the first page."""
LATE: Final = 4
"""How many acceptances and actions stand on the first page."""
NONE: Final = "–"


@dataclass(frozen=True, kw_only=True)
class RiskView:
    """What the report knows of risks. `before`: the values of the last report; None where there is none."""

    register: RiskRegister
    borne: Mapping[str, Borne]
    """What bears on each open risk, by id."""
    before: Mapping[str, str] | None
    anchors: Mapping[str, str]
    """What links lead to: of services and rules by id."""
    names: Mapping[str, str]
    """What services are called, by their ids."""
    words: Words
    safe: Callable[[str], str] = mask
    """What is done with texts before they are drawn, as a picture may shorten them."""

    @cached_property
    def open(self) -> tuple[Risk, ...]:
        """The risks that are not closed, the largest first."""
        return self.register.prioritised(tuple(open_risks(self.register)))

    @property
    def top(self) -> tuple[Risk, ...]:
        """Those of the first page; what was not assessed is not among them."""
        return tuple(one for one in self.open if self.register.level(one) is not None)[:TOP]

    @property
    def highest(self) -> tuple[Risk, ...]:
        """Those of the two highest levels."""
        return tuple(one for one in self.open if rank(self.register.level(one)) >= rank(RiskLevel.MAJOR))


def anchor(id_: str) -> str:
    """What links to a risk lead to."""
    return f"risk-{id_}"


def values(view: RiskView) -> Iterator[tuple[str, str]]:
    """What the next report compares itself with."""
    register = view.register
    for one in sorted(view.open, key=lambda each: each.id):
        left, level = one.left, register.level(one)
        yield f"title.{one.id}", one.title
        yield f"level.{one.id}", str(level) if level else "none"
        if left is not None and level is not None:
            yield f"cell.{one.id}", f"{left.likelihood}x{left.whole}"
        if one.acceptance is not None:
            yield f"accepted.{one.id}", one.acceptance.expires.isoformat()
    for one in register.risks:
        if one.closed is not None:
            yield f"closed.{one.id}", one.closed.on.isoformat()
    for action in register.actions:
        yield f"title.{action.id}", action.title
        yield f"action.{action.id}", action.status
    yield "risks.open", str(len(view.open))
    yield "risks.unassessed", str(sum(register.level(one) is None for one in view.open))
    yield "risks.above", str(sum(register.is_above_appetite(one) for one in view.open))
    yield "risks.highest", str(len(view.highest))
    yield "risks.unseen", str(len(unseen(view)))


def unseen(view: RiskView) -> tuple[Risk, ...]:
    """The risks of the two highest levels that nobody would see come about."""
    blind = (Watch.UNWATCHED, Watch.BLIND)
    return tuple(one for one in view.highest if one.id in view.borne and view.borne[one.id].watch in blind)


# --- the first page --------------------------------------------------------------------------------------------------


def top_risks(view: RiskView) -> Table:
    """The largest risks: owner, level, movement, appetite, when treatment is due."""
    words, register = view.words, view.register
    rows = tuple(
        row(
            said(f"{one.id} {one.title}", anchor(one.id)),
            _owner(register, one.owner),
            level_word(register.level(one), words),
            movement(view, one),
            _level(register.appetite(one), words) if register.appetite(one) else NONE,
            treatment_due(register, one, words),
        )
        for one in view.top
    )
    heads = ("risk", "owner", "level", "movement", "appetite", "treatment")
    return table_of("top-risks", heads, rows, words, {"risk": 4, "owner": 2, "level": 2})


def movement(view: RiskView, one: Risk) -> str:
    """How a risk's level went since the last report."""
    words, now = view.words, view.register.level(one)
    if view.before is None:
        return words("report.moved.unknown")
    was = view.before.get(f"level.{one.id}")
    if was is None:
        return words("report.moved.new")
    before = RiskLevel(was) if was in {str(level) for level in LEVELS} else None
    if (now is None) != (before is None):
        return words("report.moved.lost" if now is None else "report.moved.assessed")
    if rank(now) == rank(before):
        return words("report.moved.same")
    return words("report.moved.up" if rank(now) > rank(before) else "report.moved.down", level=_level(before, words))


def treatment_due(register: RiskRegister, one: Risk, words: Words) -> str:
    """The day by which the last of its open actions is to be done; a sign where one is late."""
    days = [each.due for each in register.actions_of(one) if each.is_open and each.due is not None]
    if not days:
        return words("report.no-day") if register.is_above_appetite(one) and one.acceptance is None else NONE
    late = words("report.late-mark") if min(days) < register.today else ""
    return f"{whole_day(max(days), words)}{late}"


def matrix(view: RiskView) -> tuple[Block, ...]:
    """The matrix with what moved, and the same as counts."""
    words, register = view.words, view.register
    drawn = every_text(heat_map(register, view.open, "left", tuple(_moves(view)), words), view.safe)
    counts = [
        (words(f"risks.level.{level}"), sum(register.level(one) is level for one in view.open))
        for level in reversed(LEVELS)
    ]
    text = words("report.matrix.counts", counts=tuple(f"{name} {words.number(many)}" for name, many in counts))
    moved = [(one, *there) for one in view.open if (there := _moved(view, one)) is not None]
    up, down = (tuple(one.id for one, was, now in moved if (now > was) is is_up) for is_up in (True, False))
    lines = [text]
    if up:
        lines.append(words.many("report.matrix.up", len(up), ids=_some(up, words)))
    if down:
        lines.append(words.many("report.matrix.down", len(down), ids=_some(down, words)))
    if view.before is not None and not moved:
        lines.append(words("report.matrix.still"))
    return (
        Chart(title=drawn.title, svg=small_svg(drawn), described=drawn.described),
        *(Paragraph(said(line)) for line in lines),
    )


def large_matrix(view: RiskView) -> Chart:
    """The same matrix with what its classes of likelihood mean."""
    drawn = every_text(heat_map(view.register, view.open, "left", tuple(_moves(view)), view.words), view.safe)
    return Chart(title=drawn.title, svg=heat_map_svg(drawn), described=drawn.described)


def _moves(view: RiskView) -> Iterator[Move]:
    for one in view.open:
        was = (view.before or {}).get(f"cell.{one.id}", "")
        if one.left is None or not was:
            continue
        start = tuple(int(part) for part in was.split("x") if part.isdecimal())
        end = (one.left.likelihood, one.left.whole)
        inside = all(view.register.scale.at(*at) is not None for at in (start, end) if len(at) == 2)
        if len(start) == 2 and start != end and inside:
            yield Move(one.id, (start[0], start[1]), end)


def _moved(view: RiskView, one: Risk) -> tuple[int, int] | None:
    was = (view.before or {}).get(f"level.{one.id}")
    names = {str(level): rank(level) for level in LEVELS}
    now = rank(view.register.level(one))
    if was not in names or not now or names[was] == now:
        return None
    return names[was], now


def late(view: RiskView, actions: Sequence[Action], most: int | None) -> tuple[Block, ...]:
    """Acceptances that end soon or have ended, and actions that are late."""
    words, register = view.words, view.register
    rows = []
    for one in expiring(register):
        ends = one.acceptance.expires if one.acceptance else register.today
        state = "expired" if ends < register.today else "expires"
        rows.append((ends, one.id, said(f"{one.id} {one.title}", anchor(one.id)), _owner(register, one.owner), state))
    for each in overdue(actions, register.today):
        due = each.due or register.today
        rows.append((due, each.id, said(f"{each.id} {each.title}"), _owner(register, each.owner), "overdue"))
    rows.sort(key=lambda found: found[:2])
    shown = rows if most is None else rows[:most]
    made = tuple(
        row(what, whole_day(day, words), words(f"report.late.{state}"), *((who,) if most is None else ()))
        for day, _, what, who, state in shown
    )
    heads = ("what", "day", "state", *(("owner",) if most is None else ()))
    blocks: list[Block] = [table_of("late", heads, made, words, {"what": 4, "state": 2, "owner": 2})]
    if len(rows) > len(shown):
        blocks.append(Paragraph(said(words.many("report.more", len(rows) - len(shown)), "late-all"), "note"))
    return tuple(blocks)


def expiring(register: RiskRegister) -> tuple[Risk, ...]:
    """The accepted risks whose acceptance has ended or ends within WARNS_BEFORE."""
    limit = WARNS_BEFORE.after(register.today)
    return tuple(
        one
        for one in open_risks(register)
        if one.status == "accepted" and one.acceptance is not None and one.acceptance.expires <= limit
    )


def overdue(actions: Sequence[Action], today: date) -> tuple[Action, ...]:
    """The actions that were decided on and are late."""
    return tuple(
        one for one in actions if one.is_open and one.status != "proposed" and one.due is not None and one.due < today
    )


# --- decisions -------------------------------------------------------------------------------------------------------


def undated(register: RiskRegister) -> tuple[Risk, ...]:
    """The risks above the appetite that nobody has accepted and for which nothing with a day is to be done."""
    return tuple(
        one
        for one in open_risks(register)
        if register.is_above_appetite(one)
        and not (one.status == "accepted" and one.acceptance is not None)
        and not any(each.is_open and each.due is not None for each in register.actions_of(one))
    )


def cost(actions: Sequence[Action], words: Words) -> str:
    """What open actions cost, as far as that is known."""
    waiting = [each for each in actions if each.is_open]
    known = [each.cost for each in waiting if each.cost is not None]
    if not known:
        return words("report.cost.unknown")
    total = euros(sum(known), words)
    return total if len(known) == len(waiting) else words("report.cost.at-least", cost=total)


# --- the annexes -----------------------------------------------------------------------------------------------------


def register_list(view: RiskView) -> tuple[Block, ...]:
    """Every open risk by priority, with what bears on it."""
    words, register = view.words, view.register
    rows = tuple(_whole(view, one) for one in view.open)
    heads = ("risk", "owner", "level", "movement", "target", "treatment", "services", "seen")
    blocks: list[Block] = [table_of("risk-list", heads, rows, words, {"risk": 5, "owner": 2, "services": 2, "seen": 2})]
    if closed := [one for one in register.risks if not one.is_open]:
        blocks.append(Paragraph(said(words.many("report.risks.closed", len(closed))), "note"))
    return tuple(blocks)


def _whole(view: RiskView, one: Risk) -> Row:
    words, register = view.words, view.register
    return row(
        said(f"{one.id} {one.title}"),
        _owner(register, one.owner),
        level_word(register.level(one), words),
        movement(view, one),
        _level(register.scale.level(one.target), words) if one.target else NONE,
        treatment_due(register, one, words),
        linked((view.names.get(id_, id_), view.anchors.get(f"service-{id_}", "")) for id_ in one.services),
        _seen(view, one),
        anchor=anchor(one.id),
    )


def _seen(view: RiskView, one: Risk) -> Line:
    found = view.borne.get(one.id)
    if found is None:
        return said(NONE)
    words = view.words
    if not found.days:
        return said(words(f"risks.watch.{found.watch}"))
    rules = dict.fromkeys(each.rule.id for each in found.findings)
    to = next((view.anchors[f"rule-{id_}"] for id_ in rules if f"rule-{id_}" in view.anchors), "")
    return said(words.many("report.seen-on", len(found.days)), to)


def _owner(register: RiskRegister, owner: str | None) -> str:
    return register.people.shown(owner) if owner else NONE


def _level(level: RiskLevel | None, words: Words) -> str:
    return words(f"risks.level.{level or 'none'}")


def _some(ids: Sequence[str], words: Words, most: int = 6) -> tuple[str, ...]:
    return (*ids[:most], *((words.many("report.and-more", len(ids) - most),) if len(ids) > most else ()))
