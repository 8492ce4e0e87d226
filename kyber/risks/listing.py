"""The register in the words of a language: one list of risks by priority, one risk whole, the matrix, the steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kyber.privacy import mask
from kyber.render.heatmap import HeatMap, Move
from kyber.render.sheet import Column, Sheet
from kyber.risks.matrix import LEVELS, rank
from kyber.risks.register import RiskRegister
from kyber.risks.risk import PARTS, Estimate, Risk
from kyber.risks.steps import Stand, stand
from kyber.settings import RiskLevel
from kyber.text import Words

NONE: Final = "none"
HEADS: Final = (
    *("id", "level", "score", "target", "title", "owner", "status", "treatment", "controls", "actions", "review"),
)
"""The columns of the list in a file."""
ON_A_TERMINAL: Final = ("id", "level", "way", "title", "owner", "status", "controls", "review")
ON_A_NARROW_ONE: Final = ("id", "level", "way", "title", "owner", "status")
WEIGHTS: Final = {"title": 3, "owner": 1, "controls": 1, "actions": 1}
"""How the columns that wrap share the room."""


def level_word(level: RiskLevel | None, words: Words) -> str:
    """A level as dots and a word."""
    number = rank(level)
    return f"{'●' * number}{'○' * (len(LEVELS) - number)} {words(f'risks.level.{level or NONE}')}"


def score(found: Estimate | None) -> str:
    """Likelihood and impact as `3 × 4`; a dash where there is none."""
    return "–" if found is None else f"{found.likelihood} × {found.whole or '?'}"


def dimension_word(dimension: str, words: Words) -> str:
    """A dimension of impact in words; one of the organisation's own as it is written."""
    key = f"risks.dimension.{dimension}"
    return words(key) if words.has(key) else dimension


def listed(register: RiskRegister, risks: Sequence[Risk], words: Words, heads: Sequence[str] = HEADS) -> Sheet:
    """One row a risk, with the columns of HEADS that are asked for."""
    return Sheet(
        columns=tuple(Column(words(f"risks.head.{head}"), weight=WEIGHTS.get(head, 0)) for head in heads),
        rows=tuple(tuple(cells[head] for head in heads) for cells in (_cells(register, one, words) for one in risks)),
    )


def _cells(register: RiskRegister, one: Risk, words: Words) -> Mapping[str, str]:
    due = register.review_due(one)
    target = score(one.target)
    return {
        "id": one.id,
        "level": words(f"risks.level.{register.level(one) or NONE}"),
        "score": score(one.left),
        "target": target,
        "way": score(one.left) if one.target is None else f"{score(one.left)} → {target}",
        "title": mask(one.title),
        "owner": register.people.shown(one.owner) if one.owner else "–",
        "status": words(f"risks.status.{one.status}"),
        "treatment": words(f"risks.treatment.{one.treatment}") if one.treatment else "–",
        "controls": " ".join(one.controls) or "–",
        "actions": " ".join(each.id for each in register.actions_of(one) if each.is_open) or "–",
        "review": due.isoformat() if due and one.is_open else "–",
    }


def record(register: RiskRegister, one: Risk) -> Mapping[str, Any]:
    """A risk for another program: its fields, and what follows from them under `computed`."""
    level, appetite, due = register.level(one), register.appetite(one), register.review_due(one)
    found = stand(register, one)
    return {
        **one.model_dump(mode="json", exclude_none=True, by_alias=True),
        "computed": {
            "level": str(level) if level else None,
            "levels": {part: _level(register, getattr(one, part)) for part in PARTS if getattr(one, part)},
            "appetite": str(appetite) if appetite else None,
            "above_appetite": register.is_above_appetite(one),
            "review_due": due.isoformat() if due else None,
            "step": found.step.value,
            "lacks": list(found.lacks),
        },
    }


def heat_map(register: RiskRegister, risks: Sequence[Risk], part: str, arrows: Sequence[Move], words: Words) -> HeatMap:
    """The matrix, with where risks stand by one of their estimates (`left` for what counts today)."""
    scale = register.scale
    cells: dict[tuple[int, int], tuple[str, ...]] = {}
    for one in risks:
        found = getattr(one, part)
        if found is not None and scale.level(found) is not None:
            at = (found.likelihood, found.whole)
            cells[at] = (*cells.get(at, ()), one.id)
    likelihoods = tuple(
        f"{number} {frequency(scale.per_year(number), words)}" for number in range(1, scale.likelihoods + 1)
    )
    title = words("risks.matrix.title", part=words(f"risks.matrix.{part}"))
    return HeatMap(
        title=title,
        levels=scale.matrix,
        names=tuple(words(f"risks.level.{level}") for level in LEVELS),
        likelihoods=likelihoods,
        impacts=tuple(str(number) for number in range(1, scale.impacts + 1)),
        likelihood=words("risks.matrix.likelihood"),
        impact=words("risks.matrix.impact"),
        risks=cells,
        moves=tuple(arrows),
        described=_described(register, risks, part, arrows, words),
    )


def to_target(risks: Sequence[Risk]) -> tuple[Move, ...]:
    """Where each risk is to go: from what counts today to its target."""
    return tuple(
        Move(one.id, (one.left.likelihood, one.left.whole), (one.target.likelihood, one.target.whole))
        for one in risks
        if one.left is not None and one.target is not None
    )


def told(found: Stand, words: Words) -> str:
    """What a risk lacks for the next step, in words."""
    return ", ".join(words(f"risks.lacks.{each}") for each in found.lacks)


def _level(register: RiskRegister, found: Estimate | None) -> str | None:
    level = register.scale.level(found)
    return str(level) if level else None


def frequency(between: tuple[float, float], words: Words) -> str:
    """How often a class of likelihood is: by its upper bound, the highest by its lower one."""
    low, high = between
    if high == float("inf"):
        return words("risks.often.more", often=_often(low, words))
    return words("risks.often.less" if not low else "risks.often.up-to", often=_often(high, words))


def _often(per_year: float, words: Words) -> str:
    if per_year >= 1:
        return words.many("risks.often.a-year", round(per_year))
    return words.many("risks.often.in-years", round(1 / per_year))


def _described(register: RiskRegister, risks: Sequence[Risk], part: str, arrows: Sequence[Move], words: Words) -> str:
    moved = {move.id: move for move in arrows if move.start != move.end}
    said = []
    for one in register.prioritised(risks):
        found = getattr(one, part)
        level = register.scale.level(found)
        if level is None:
            continue
        text = f"{one.id} {mask(one.title)}: {score(found)}, {words(f'risks.level.{level}')}"
        if (move := moved.get(one.id)) is not None:
            text += f" ({move.start[0]} × {move.start[1]} → {move.end[0]} × {move.end[1]})"
        said.append(text)
    return "; ".join(said)
