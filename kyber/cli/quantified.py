"""What risks cost in a year in; text for a terminal, one JSON object, or the panels of a picture, out.

The texts must be masked before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from kyber.cli.desk import terminal_width
from kyber.render.amounts import percent, rounded
from kyber.render.exceedance import MARKED, Panel
from kyber.render.safe import json_line
from kyber.render.sheet import Column, Sheet, text_of
from kyber.risks.quantify import Effect, Loss, Outcome, Portfolio
from kyber.text import Words

ROUGH: Final = 0.1
"""The standard error, as a share of an expected loss, above which it is said to be rough."""
COSTED: Final = "EUR"
"""The currency of the costs of controls."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the register says of a control."""

    title: str
    status: str
    cost: float | None
    """In euros a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was simulated, and what is known of the risks and controls in it."""

    portfolios: Sequence[Portfolio]
    titles: Mapping[str, str]
    """Of risks, by id."""
    controls: Mapping[str, Known]
    """The controls of the register, by id."""
    without: Sequence[str]
    """The risks that have no numbers."""
    unusable: Sequence[str]
    """The risks whose numbers cannot be used."""
    years: int
    seed: int

    @property
    def count(self) -> int:
        """All risks that were looked at."""
        return sum(len(one.risks) for one in self.portfolios) + len(self.without) + len(self.unusable)

    def cost(self, control: str, currency: str) -> float | None:
        """What a control costs in a year, where that is known and in the currency."""
        known = self.controls.get(control)
        return known.cost if known is not None and currency == COSTED else None


def text(account: Account, words: Words) -> str:
    """What a person reads: a table of risks and one of controls for each currency, and what is not in them."""
    width = terminal_width()
    parts = []
    for portfolio in account.portfolios:
        heading = words("quantify.heading", currency=portfolio.currency)
        parts.append(f"{heading}\n{text_of(_risks(portfolio, account, words), width)}")
        if portfolio.whole.controls:
            heading = words("quantify.controls", currency=portfolio.currency)
            parts.append(f"{heading}\n{text_of(_controls(portfolio, account, words), width)}")
    parts.append("".join(f"{line}\n" for line in _notes(account, words)))
    return "\n".join(parts)


def _notes(account: Account, words: Words) -> Iterator[str]:
    if account.portfolios:
        yield words("quantify.legend", years=words.number(account.years), seed=str(account.seed))
        yield words("quantify.worth")
        if rough := [id_ for one in account.portfolios for id_, found in one.risks.items() if _is_rough(found.loss)]:
            yield words.many("quantify.rough", len(rough), ids=tuple(rough))
    if account.without:
        yield words.many("quantify.without", len(account.without), all=words.number(account.count))
    if account.unusable:
        yield words.many("quantify.unusable", len(account.unusable), ids=tuple(account.unusable))
    if not account.count:
        yield words("quantify.none")


def _risks(portfolio: Portfolio, account: Account, words: Words) -> Sheet:
    largest = sorted(portfolio.risks.items(), key=lambda one: (-one[1].loss.expected, one[0]))
    rows = [(f"{id_} {account.titles[id_]}", *_numbers(found.loss, words)) for id_, found in largest]
    if len(rows) > 1:
        rows.append((words("quantify.whole"), *_numbers(portfolio.whole.loss, words)))
    if portfolio.whole.together is not None:
        rows.append((words("quantify.with-all"), *_numbers(portfolio.whole.together, words)))
    return Sheet(_columns(words, "risk", "expected", "chance", "p90", "p95", "p99"), tuple(rows))


def _controls(portfolio: Portfolio, account: Account, words: Words) -> Sheet:
    whole, rows = portfolio.whole, []
    for effect in sorted(whole.controls, key=lambda one: (-one.saved, one.control)):
        known = account.controls.get(effect.control)
        name = f"{effect.control} {known.title}" if known else effect.control
        cost = account.cost(effect.control, portfolio.currency)
        rows.append((name, *_bought(effect.saved, effect.expected, cost, words)))
    if whole.together is not None and len(rows) > 1:
        saved = whole.loss.expected - whole.together.expected
        cost = _sum(account.cost(effect.control, portfolio.currency) for effect in whole.controls)
        rows.append((words("quantify.all-controls"), *_bought(saved, whole.together.expected, cost, words)))
    return Sheet(_columns(words, "control", "saved", "left", "cost", "balance"), tuple(rows))


def _columns(words: Words, first: str, *numbers: str) -> tuple[Column, ...]:
    right = (Column(words(f"quantify.{key}"), right=True) for key in numbers)
    return Column(words(f"quantify.{first}"), weight=1), *right


def _bought(saved: float, left: float, cost: float | None, words: Words) -> tuple[str, ...]:
    balance = None if cost is None else saved - cost
    return rounded(saved, words), rounded(left, words), _known(cost, words), _known(balance, words)


def _known(amount: float | None, words: Words) -> str:
    if amount is None:
        return "–"
    return f"\N{MINUS SIGN}{rounded(-amount, words)}" if amount < 0 else rounded(amount, words)


def _numbers(loss: Loss, words: Words) -> tuple[str, ...]:
    tails = (rounded(amount, words) for amount in (loss.p90, loss.p95, loss.p99))
    return rounded(loss.expected, words), percent(loss.chance, words), *tails


def _is_rough(loss: Loss) -> bool:
    return loss.error > ROUGH * loss.expected or not loss.expected


def _sum(costs: Iterator[float | None]) -> float | None:
    """The sum; None where one is unknown."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def as_json(account: Account) -> str:
    """One JSON object on one line."""
    return json_line(
        {
            "years": account.years,
            "seed": account.seed,
            "portfolios": [
                {
                    "currency": portfolio.currency,
                    **_outcome(portfolio.whole, portfolio.currency, account),
                    "risks": [
                        {"id": id_, "title": account.titles[id_], **_outcome(outcome, portfolio.currency, account)}
                        for id_, outcome in portfolio.risks.items()
                    ],
                }
                for portfolio in account.portfolios
            ],
            "without_numbers": list(account.without),
            "unusable_numbers": list(account.unusable),
        }
    )


def _outcome(outcome: Outcome, currency: str, account: Account) -> dict[str, Any]:
    return {
        "loss": asdict(outcome.loss),
        "curve": [list(point) for point in outcome.curve],
        "controls": [_effect(effect, currency, account) for effect in outcome.controls],
        "with_all_controls": None
        if outcome.together is None
        else {"loss": asdict(outcome.together), "curve": [list(point) for point in outcome.curve_together]},
    }


def _effect(effect: Effect, currency: str, account: Account) -> dict[str, Any]:
    known = account.controls.get(effect.control)
    return {
        **asdict(effect),
        "title": known.title if known else None,
        "status": known.status if known else None,
        "cost": account.cost(effect.control, currency),
    }


def panels(account: Account) -> tuple[Panel, ...]:
    """What is drawn: all risks of each currency together."""
    return tuple(_panel(portfolio.currency, portfolio.whole) for portfolio in account.portfolios)


def _panel(currency: str, whole: Outcome) -> Panel:
    loss = whole.loss
    return Panel(
        currency=currency,
        expected=loss.expected,
        marks=tuple(zip(MARKED, (loss.p90, loss.p95, loss.p99), strict=True)),
        curve=whole.curve,
        with_controls=whole.curve_together,
    )
