"""What risks cost in a year in; lines for a terminal, one JSON object, or the panels of a picture, out.

The texts must be masked and plain before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kyber.render.amounts import percent, rounded
from kyber.render.exceedance import MARKED, Panel
from kyber.render.safe import json_line
from kyber.risks.quantify import Effect, Loss, Outcome, Portfolio
from kyber.text import Words

ROUGH: Final = 0.1
"""The standard error, as a share of an expected loss, above which it is said to be rough."""
COSTED: Final = "EUR"
"""The currency of the costs of controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was simulated, and what is known of the risks and controls in it."""

    portfolios: Sequence[Portfolio]
    titles: Mapping[str, str]
    """Of risks and controls, by id."""
    costs: Mapping[str, float | None]
    """Of controls, in euros a year."""
    statuses: Mapping[str, str]
    """Of controls."""
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
        return self.costs.get(control) if currency == COSTED else None


def lines(account: Account, words: Words) -> Iterator[str]:
    """What a person reads: a table of risks and one of controls for each currency, and what is not in them."""
    for portfolio in account.portfolios:
        yield words("quantify.heading", currency=portfolio.currency)
        yield from _drawn(_risks(portfolio, account, words))
        if portfolio.whole.controls:
            yield ""
            yield words("quantify.controls", currency=portfolio.currency)
            yield from _drawn(_controls(portfolio, account, words))
        yield ""
    if account.portfolios:
        yield words("quantify.legend", years=words.number(account.years), seed=str(account.seed))
        if rough := [id_ for id_, outcome in _outcomes(account) if _is_rough(outcome.loss)]:
            yield words.many("quantify.rough", len(rough), ids=tuple(rough))
    if account.without:
        yield words.many("quantify.without", len(account.without), all=words.number(account.count))
    if account.unusable:
        yield words.many("quantify.unusable", len(account.unusable), ids=tuple(account.unusable))
    if not account.count:
        yield words("quantify.none")


def _risks(portfolio: Portfolio, account: Account, words: Words) -> Table:
    table = _table(words, "risk", "expected", "chance", "p90", "p95", "p99")
    largest = sorted(portfolio.risks.items(), key=lambda one: (-one[1].loss.expected, one[0]))
    for id_, outcome in largest:
        table.add_row(_named(id_, account), *_numbers(outcome.loss, words))
    if len(largest) > 1:
        table.add_section()
        table.add_row(Text(words("quantify.whole"), "bold"), *_numbers(portfolio.whole.loss, words))
    if portfolio.whole.together is not None:
        table.add_row(Text(words("quantify.with-all"), "bold"), *_numbers(portfolio.whole.together, words))
    return table


def _controls(portfolio: Portfolio, account: Account, words: Words) -> Table:
    table = _table(words, "control", "saved", "left", "cost", "balance")
    whole = portfolio.whole
    for effect in sorted(whole.controls, key=lambda one: (-one.saved, one.control)):
        cost = account.cost(effect.control, portfolio.currency)
        table.add_row(_named(effect.control, account), *_bought(effect.saved, effect.expected, cost, words))
    if whole.together is not None and len(whole.controls) > 1:
        saved = whole.loss.expected - whole.together.expected
        cost = _sum(account.cost(effect.control, portfolio.currency) for effect in whole.controls)
        table.add_section()
        named = Text(words("quantify.all-controls"), "bold")
        table.add_row(named, *_bought(saved, whole.together.expected, cost, words))
    return table


def _bought(saved: float, left: float, cost: float | None, words: Words) -> list[str]:
    balance = None if cost is None else saved - cost
    return [rounded(saved, words), rounded(left, words), _known(cost, words), _known(balance, words)]


def _known(amount: float | None, words: Words) -> str:
    if amount is None:
        return "–"
    return f"\N{MINUS SIGN}{rounded(-amount, words)}" if amount < 0 else rounded(amount, words)


def _numbers(loss: Loss, words: Words) -> list[str]:
    tails = (rounded(amount, words) for amount in (loss.p90, loss.p95, loss.p99))
    return [rounded(loss.expected, words), percent(loss.chance, words), *tails]


def _named(id_: str, account: Account) -> Text:
    return Text(f"{id_} {account.titles.get(id_, '')}".rstrip())


def _table(words: Words, first: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(words(f"quantify.{first}"), overflow="fold")
    for key in numbers:
        table.add_column(words(f"quantify.{key}"), justify="right", no_wrap=True)
    return table


def _drawn(table: Table) -> Iterator[str]:
    console = Console()
    with console.capture() as text:
        console.print(table, highlight=False)
    return (line.rstrip() for line in text.get().splitlines())


def _outcomes(account: Account) -> Iterator[tuple[str, Outcome]]:
    return (one for portfolio in account.portfolios for one in portfolio.risks.items())


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
    return {
        **asdict(effect),
        "title": account.titles.get(effect.control),
        "status": account.statuses.get(effect.control),
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
