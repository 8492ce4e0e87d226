"""Maturity in the words of a language: one row a domain, the same as bars, and the development plan as a table."""

from collections.abc import Sequence
from typing import Any

from kyber.continuity.assessment import Assessment, Questionnaire, Texts, in_language
from kyber.continuity.maturity import Standing, Step
from kyber.people import People
from kyber.privacy import mask
from kyber.render.bars import DOWN, SAME, UP, Bar, Bars
from kyber.render.safe import plain
from kyber.render.sheet import Column, Sheet
from kyber.text import Words


def heading(words: Words, one: Assessment, before: Assessment | None) -> str:
    """Which assessment it is, and with which it is compared."""
    facts = {"id": one.id, "title": one.title, "on": one.on}
    if before is None:
        return plain(mask(words("maturity.heading", **facts)))
    return plain(mask(words("maturity.heading-compared", **facts, before=before.id, then=before.on)))


def sheet(words: Words, found: Sequence[Standing]) -> Sheet:
    """One row a domain."""

    heads = ("domain", "mean", "target", "before", "change", "answered")
    right = ("mean", "target", "before", "answered")
    columns = tuple(Column(words(f"maturity.head.{head}"), right=head in right) for head in heads)
    rows = tuple(
        (
            _said(words, one.domain.title),
            _shown(words, one.mean),
            _shown(words, one.target),
            _shown(words, one.before),
            _change(words, one),
            f"{one.answered}/{one.of}",
        )
        for one in found
    )
    return Sheet(columns, rows)


def _shown(words: Words, value: float | None) -> str:
    if value is None:
        return "–"
    text = f"{value:.1f}"
    return text if words.language == "en" else text.replace(".", ",")


def _change(words: Words, one: Standing) -> str:
    """The change as a sign and a number."""

    if one.change is None:
        return "–"
    if round(one.change, 1) == 0:
        return SAME
    return f"{UP if one.change > 0 else DOWN} {_shown(words, abs(one.change))}"


def bars(
    words: Words, asked: Questionnaire, one: Assessment, before: Assessment | None,
    found: Sequence[Standing],
) -> Bars:  # fmt: skip

    bars = []
    for each in found:
        said = _shown(words, each.mean)
        if each.target is not None:
            said += f" / {_shown(words, each.target)}"
        if before is not None:
            said += f"   {_change(words, each)}"
        open_ = each.of - each.answered
        note = words.many("maturity.unanswered", open_) if open_ else ""
        bars.append(
            Bar(
                name=_said(words, each.domain.title),
                value=each.mean,
                target=each.target,
                before=each.before,
                said=said,
                note=note,
            )
        )
    return Bars(
        title=heading(words, one, before),
        described="; ".join(f"{bar.name}: {bar.said}{', ' if bar.note else ''}{bar.note}" for bar in bars),
        scale=asked.scale,
        bars=tuple(bars),
        value=words("maturity.head.mean"),
        target=words("maturity.head.target"),
        before=words("maturity.head.before"),
    )


def record(one: Assessment, before: Assessment | None, found: Sequence[Standing]) -> dict[str, Any]:
    """The domains for another program."""
    return {
        "assessment": one.id,
        "on": one.on.isoformat(),
        "questionnaire": one.questionnaire,
        "scale": one.scale,
        "compared_with": before.id if before else None,
        "domains": [
            {
                "domain": each.domain.id,
                "mean": _rounded(each.mean),
                "target": _rounded(each.target),
                "before": _rounded(each.before),
                "change": _rounded(each.change),
                "answered": each.answered,
                "questions": each.of,
            }
            for each in found
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def plan_sheet(words: Words, people: People, steps: Sequence[Step]) -> Sheet:
    """One row a gap: what is done about it, by whom, and by when."""

    heads = ("question", "gap", "id", "owner", "due", "state")
    columns = tuple(
        Column(words(f"maturity.head.{head}"), weight={"question": 2, "owner": 1}.get(head, 0)) for head in heads
    )
    rows = tuple(
        (
            _said(words, step.gap.question.title),
            f"{step.gap.score} → {step.gap.target}",
            step.id,
            mask(people.shown(step.owner)) if step.owner else "–",
            step.due.isoformat() if step.due else "–",
            words("maturity.state.new")
            if step.gap.action is None
            else words(f"risks.action-status.{step.gap.action.status}"),
        )
        for step in steps
    )
    return Sheet(columns, rows)


def _said(words: Words, texts: Texts) -> str:
    return plain(in_language(texts, words.language))
