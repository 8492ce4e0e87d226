"""`kyber rules coverage`: the rules in force in; what of ATT&CK they cover, and which sources they need, out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kyber.cli.console import Where, around, plain, say, tell_problems
from kyber.cli.files import check_place, spare, standard_output, write_whole
from kyber.cli.rules_files import RulePaths, rule_paths
from kyber.cli.rules_list import Families, Least
from kyber.cli.rules_standing import DAYS, Days
from kyber.cli.scan import Limit


def coverage(
    rules: RulePaths = None,
    family: Families = None,
    level: Least = Limit.INFORMATIONAL,
    days: Days = DAYS,
    navigator: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a layer for the ATT&CK Navigator to this file."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    workspace: Where = None,
) -> None:
    """Show how many rules can look for each tactic and technique of ATT&CK, and which sources rules need.

    Tactics and techniques are those that the rules' tags name. Whether a rule can look is judged as by `kyber rules
    list`. A layer gives each technique the number of rules that can look as its score.
    """
    from json import dumps

    from kyber.cli import covered
    from kyber.cli.listed import judged
    from kyber.cli.rules_standing import gathered
    from kyber.finding import Family
    from kyber.level import Level
    from kyber.logs.coverage import layer
    from kyber.logs.sigma.heading import Choice
    from kyber.privacy import mask
    from kyber.render.safe import every_text
    from kyber.text import words_for

    here, now = around(workspace), datetime.now(UTC)
    words = words_for(here.settings.language if here else "en")
    if navigator is not None:
        check_place(navigator)
        spare(navigator, here)
    found = gathered(here, rules or rule_paths(here), days, now)
    choice = Choice(families=tuple(Family(one) for one in family or ()), level=Level.of(level))
    entries = every_text([one for one in found.entries if choice.takes(one.heading)], mask)
    told = judged(entries, found.known.seen, here is not None, words)
    with standard_output():
        if json:
            say(covered.as_json(entries, found.known.seen))
        else:
            from rich.console import Console

            console = Console()
            with console.capture() as text:
                covered.show(entries, words, console)
            for line in (*text.get().splitlines(), *filter(None, (told,))):
                say(line.rstrip())
    if navigator is not None:
        name = f"kyber: {here.settings.organisation}" if here else "kyber"
        made = layer(entries, name, f"{told} {now:%Y-%m-%d}".lstrip())
        write_whole(navigator, (dumps(made, indent=2, ensure_ascii=False) + "\n").encode())
        count = covered.technique_count(entries)
        say(words.many("coverage.written", count, file=plain(navigator)), error=True)
    tell_problems(found.problems, words)
