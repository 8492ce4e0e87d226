"""`kyber rules`: detection rules looked over, explained and tuned. A new command is imported and put in COMMANDS."""

from collections.abc import Callable
from typing import Final

import typer

from kyber.cli.rules_convert import convert
from kyber.cli.rules_explain import explain
from kyber.cli.rules_lint import lint
from kyber.cli.rules_tune import tune

COMMANDS: Final[tuple[Callable[..., None], ...]] = (lint, convert, explain, tune)

app = typer.Typer(no_args_is_help=True, help="Detection rules: look them over, explain and tune them.")
for _command in COMMANDS:
    app.command()(_command)
