"""`kyber risks quantify`: the numbers of risks in; what a year costs, and what each control buys, out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, say, tell_problems
from kyber.cli.files import check_output, write_out
from kyber.cli.risks_files import RiskDesk, desk, risk_ids
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.risks.risk import Quant, Risk

YEARS: Final = 100_000
FEWEST_YEARS: Final = 1_000
MOST_YEARS: Final = 1_000_000
SEED: Final = 20_260_101
# As in kyber.risks.quantify, which loads numpy; a test holds them against each other.


def quantify(
    risks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RISK…", help="The risks; else all but closed.", autocompletion=risk_ids, show_default=False
        ),
    ] = None,
    years: Annotated[
        int,
        typer.Option("--years", "--trials", min=FEWEST_YEARS, max=MOST_YEARS, help="How many years are simulated."),
    ] = YEARS,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="What chance starts from: the same seed gives the same numbers.")
    ] = SEED,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Draw the loss exceedance curve as SVG.", show_default=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    workspace: Where = None,
) -> None:
    """Simulate what the risks that have numbers cost in a year, and what each of their controls buys.

    The numbers are those of the risks' field `quant`: how often, how much, and what a control leaves of both.
    """
    from dataclasses import replace

    from kyber.cli.quantified import Account, Known, as_json, panels, text
    from kyber.privacy import mask
    from kyber.render.exceedance import svg
    from kyber.render.safe import every_text
    from kyber.risks.checks import check_numbers, unusable
    from kyber.risks.quantify import quantify as simulate

    at = desk(workspace)
    check_output(output, at.here)
    chosen = _chosen(at, risks or ())
    numbers = {one.id: one.quant for one in chosen if one.quant is not None and not any(unusable(one.quant))}
    _check_size(numbers, years)
    account = Account(
        portfolios=simulate(numbers, years, seed),
        titles=every_text({one.id: one.title for one in chosen}, mask),
        controls=every_text(
            {id_: Known(one.title, one.status, one.cost) for id_, one in at.register.control.items()}, mask
        ),
        without=tuple(sorted(one.id for one in chosen if one.quant is None)),
        unusable=tuple(sorted(one.id for one in chosen if one.quant is not None and one.id not in numbers)),
        years=years,
        seed=seed,
    )
    if json:
        say(as_json(account))
    else:
        write_out(None, text(account, at.words))
    tell_problems(tuple(check_numbers(replace(at.register, risks=chosen))), at.words)
    if output is not None:
        if not account.portfolios:
            raise UsageError(f"{output} was not drawn: no risk has numbers")
        title = at.words("quantify.title", organisation=mask(at.here.settings.organisation))
        write_out(output, svg(panels(account), title, at.words))


def _chosen(at: RiskDesk, ids: "Sequence[str]") -> "tuple[Risk, ...]":
    """The risks that are named, closed ones too; else all but the closed ones. Each once."""
    found = [at.risk(id_) for id_ in ids] or [one for one in at.register.risks if one.is_open]
    return tuple({one.id: one for one in found}.values())


def _check_size(numbers: "Mapping[str, Quant]", years: int) -> None:
    from kyber.risks.quantify import MOST_EVENTS, expected_events

    for id_, quant in numbers.items():
        if expected_events(quant, years) > MOST_EVENTS:
            fit = int(MOST_EVENTS / expected_events(quant, 1))
            raise UsageError(f"{id_} happens so often that {years:,} years are too much: --years {fit}, or fewer")
