"""`kyber risks quantify`: the numbers of risks in; what a year costs, and what each control buys, out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, day_here, plain, root_of, say, tell_problems
from kyber.cli.files import check_place, spare, standard_output, write_whole
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kyber.risks.control import Control
    from kyber.risks.risk import Quant, Risk

YEARS: Final = 100_000
FEWEST_YEARS: Final = 1_000
MOST_YEARS: Final = 1_000_000
SEED: Final = 20_260_101
# As in kyber.risks.quantify, which loads numpy; a test holds them against each other.


def quantify(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="The risks; else all open ones.", show_default=False)
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

    from kyber.cli import quantified
    from kyber.privacy import mask
    from kyber.render.exceedance import svg
    from kyber.render.safe import every_text
    from kyber.risks.checks import check_numbers, unusable
    from kyber.risks.quantify import quantify as simulate
    from kyber.risks.register import load_register
    from kyber.text import words_for
    from kyber.workspace import at as workspace_at

    here = workspace_at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    if output is not None:
        check_place(output)
        spare(output, here)
    register, problems = load_register(here.root, here.settings, day_here(here))
    chosen = _chosen(register.risks, ids or ())
    numbers = {one.id: one.quant for one in chosen if one.quant is not None and not any(unusable(one.quant))}
    _check_size(numbers, years)
    found = simulate(numbers, years, seed)
    account = quantified.Account(
        portfolios=found,
        titles=every_text(_titles(register.controls, chosen), lambda text: plain(mask(text))),
        costs={one.id: one.cost for one in register.controls},
        statuses={one.id: one.status for one in register.controls},
        without=tuple(sorted(one.id for one in chosen if one.quant is None)),
        unusable=tuple(sorted(one.id for one in chosen if one.quant is not None and one.id not in numbers)),
        years=years,
        seed=seed,
    )
    with standard_output():
        if json:
            say(quantified.as_json(account))
        else:
            for line in quantified.lines(account, words):
                say(line)
    tell_problems((*problems, *check_numbers(replace(register, risks=chosen))), words)
    if output is not None:
        if not found:
            raise UsageError(f"{output} was not drawn: no risk has numbers")
        title = words("quantify.title", organisation=mask(here.settings.organisation))
        write_whole(output, svg(quantified.panels(account), title, words).encode())


def _chosen(risks: "Sequence[Risk]", ids: "Sequence[str]") -> "tuple[Risk, ...]":
    """The risks that are named, closed ones too; else the open ones."""
    if not ids:
        return tuple(one for one in risks if one.is_open)
    if unknown := [id_ for id_ in ids if id_ not in {one.id for one in risks}]:
        raise UsageError(f"there is no risk {', '.join(unknown)}")
    return tuple(one for one in risks if one.id in ids)


def _titles(controls: "Iterable[Control]", risks: "Iterable[Risk]") -> dict[str, str]:
    return {**{one.id: one.title for one in controls}, **{one.id: one.title for one in risks}}


def _check_size(numbers: "Mapping[str, Quant]", years: int) -> None:
    from kyber.risks.quantify import MOST_EVENTS, expected_events

    for id_, quant in numbers.items():
        if expected_events(quant, years) > MOST_EVENTS:
            fit = int(MOST_EVENTS / expected_events(quant, 1))
            raise UsageError(f"{id_} happens so often that {years:,} years are too much: --years {fit}, or fewer")
