"""`kyber risks workshop`: go through preliminary risks one by one, vote, agree, and write each down at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Colour, Where, paint, plain, say
from kyber.cli.desk import On, write
from kyber.cli.risks_files import RiskDesk, desk
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.amend import Edit
    from kyber.risks.risk import Risk

_VOTE: Final = re.compile(r"\s*([0-9]{1,2})\s*[ ,x×/]\s*([0-9]{1,2})\s*")
WIDE: Final = 2
"""From how many classes apart votes are worth talking about."""


class _StopError(Exception):
    """The session ends here."""


@dataclass(frozen=True, slots=True)
class _Vote:
    by: str
    likelihood: int
    impact: int


def workshop(
    risk: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RISK]...", help="Ids of risks; else all that are preliminary.", show_default=False),
    ] = None,
    participants: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Who votes, with commas between: names, roles or initials. Else one vote, unnamed.",
            show_default=False,
        ),
    ] = "",
    by: Annotated[
        str, typer.Option("--by", metavar="TEXT", help="What the group is called in the history.")
    ] = "workshop",
    on: On = "",
    workspace: Where = None,
) -> None:
    """Go through risks one by one: what may happen, everybody's likelihood and impact, and what is agreed.

    A vote is two numbers, as 3 4; Enter leaves one out. What is agreed is written at once, so a session can stop with q
    and go on another day; s skips a risk.
    """
    at = desk(workspace)
    day = at.day(on)
    chosen = [at.risk(id_) for id_ in risk] if risk else _waiting(at)
    if not chosen:
        say(at.words("risks.workshop.none"))
        return
    voters = [name.strip() for name in participants.split(",") if name.strip()] or [""]
    if len(voters) != len(set(voters)):
        raise UsageError("--participants: a name stands twice")
    _show_rules(at)
    done = 0
    try:
        for number, one in enumerate(chosen, 1):
            edit = _session(at, one, f"{number}/{len(chosen)}", voters, by, day)
            if edit is not None:
                write(at, [edit], dry_run=False)
                done += 1
    except (_StopError, typer.Abort):
        say()
    say(at.words.many("risks.workshop.done", done, left=len(chosen) - done))


def _waiting(at: RiskDesk) -> "list[Risk]":
    return [one for one in at.register.risks if one.status == "preliminary"]


def _show_rules(at: RiskDesk) -> None:
    from kyber.risks.listing import dimension_word, frequency

    scale = at.register.scale
    say(at.words("risks.workshop.rules"))
    for number in range(1, scale.likelihoods + 1):
        say(f"  {number}  {frequency(scale.per_year(number), at.words)}")
    dimensions = ", ".join(f"{one} = {dimension_word(one, at.words)}" for one in scale.dimensions)
    say(plain(f"  {at.words('risks.matrix.impact')} 1–{scale.impacts}: {dimensions}"))


def _session(at: RiskDesk, one: "Risk", number: str, voters: Sequence[str], by: str, day: object) -> "Edit | None":
    from datetime import date

    from kyber.cli.risks_edit import estimated
    from kyber.privacy import mask
    from kyber.risks.edits import assess, define

    assert isinstance(day, date)
    say()
    say(paint(plain(f"{number}  {one.id}  {mask(one.title)}"), Colour.GOOD, bold=True))
    statement = _statement(at, one)
    if statement == "s":
        return None
    votes = [vote for name in voters if (vote := _vote(at, name)) is not None]
    if votes:
        _show_spread(at, votes)
    likelihood = _agreed(at, votes)
    if likelihood is None:
        return None
    impact = _impact(at, votes)
    found = estimated(at, likelihood, impact, _ask(at, "risks.ask.rationale", ""), by, day)
    one = desk(at.here.root).risk(one.id)  # others may have changed it since it was shown
    written = [
        {**({"by": vote.by} if vote.by else {}), "likelihood": vote.likelihood, "impact": vote.impact} for vote in votes
    ]
    if isinstance(statement, dict):
        from kyber.amend import AmendError

        try:
            first = define(one, {"statement": statement})
        except AmendError as error:
            say(plain(error), error=True)
        else:
            return assess(one, "current", found, votes=written, text=first.text)
    return assess(one, "current", found, votes=written)


def _statement(at: RiskDesk, one: "Risk") -> "dict[str, str] | str | None":
    """The statement's parts: shown where they are there, asked for where not; `s` to skip the risk."""
    from kyber.privacy import mask

    if one.statement is not None:
        for name in ("cause", "event", "consequence"):
            say(plain(f"  {at.words(f'risks.label.{name}')}: {mask(getattr(one.statement, name))}"))
        return None
    parts: dict[str, str] = {}
    for name in ("cause", "event", "consequence"):
        answer = _ask(at, f"risks.ask.{name}", "")
        if answer == "s":
            return "s"
        if not answer:
            return None
        parts[name] = answer
    return parts


def _vote(at: RiskDesk, name: str) -> _Vote | None:
    scale = at.register.scale
    while True:
        answer = _ask(at, "risks.workshop.vote", "", name=name or at.words("risks.workshop.you"))
        if not answer:
            return None
        found = _VOTE.fullmatch(answer)
        if found and scale.at(int(found[1]), int(found[2])) is not None:
            return _Vote(name, int(found[1]), int(found[2]))
        say(at.words("risks.workshop.bad-vote", likelihoods=scale.likelihoods, impacts=scale.impacts), error=True)


def _show_spread(at: RiskDesk, votes: Sequence[_Vote]) -> None:
    for key, values in (("likelihood", [one.likelihood for one in votes]), ("impact", [one.impact for one in votes])):
        counts = "  ".join(f"{value}: {'●' * values.count(value)}" for value in sorted(set(values)))
        said = f"  {at.words(f'risks.matrix.{key}')}  {counts}"
        if max(values) - min(values) >= WIDE:
            said += f"  ← {at.words('risks.workshop.wide')}"
        say(said)


def _agreed(at: RiskDesk, votes: Sequence[_Vote]) -> int | None:
    scale = at.register.scale
    default = str(median_low([one.likelihood for one in votes])) if votes else ""
    while True:
        answer = _ask(at, "risks.workshop.likelihood", default)
        if answer in ("s", ""):
            return None
        if answer.isdecimal() and 1 <= int(answer) <= scale.likelihoods:
            return int(answer)
        say(f"1–{scale.likelihoods}", error=True)


def _impact(at: RiskDesk, votes: Sequence[_Vote]) -> Sequence[str]:
    """The agreed impact as it was typed, once it can be read: DIMENSION=CLASS each."""
    from kyber.cli.risks_edit import impact_of

    scale = at.register.scale
    while True:
        given = _ask(at, "risks.workshop.impact", _suggested(at, votes)).replace(",", " ").split()
        try:
            if given and all(impact_of(at, text) for text in given):
                return given
        except UsageError:
            pass
        say(at.words("risks.workshop.bad-impact", impacts=scale.impacts, dimension=scale.dimensions[0]), error=True)


def _suggested(at: RiskDesk, votes: Sequence[_Vote]) -> str:
    if not votes:
        return ""
    return f"{at.register.scale.dimensions[0]}={median_low([one.impact for one in votes])}"


def _ask(at: RiskDesk, key: str, default: str, **facts: object) -> str:
    answer = str(typer.prompt(plain(at.words(key, **facts)), default=default, show_default=bool(default))).strip()
    if answer == "q":
        raise _StopError
    return answer
