"""`kyber rules`: detection rules looked over, explained and tuned. A new command is imported and put in COMMANDS."""

from collections.abc import Callable
from typing import Final

import typer

from kyber.cli.rules_backtest import backtest
from kyber.cli.rules_convert import convert
from kyber.cli.rules_coverage import coverage
from kyber.cli.rules_explain import explain
from kyber.cli.rules_import import import_
from kyber.cli.rules_lint import lint
from kyber.cli.rules_list import list_
from kyber.cli.rules_new import new
from kyber.cli.rules_schema import schema
from kyber.cli.rules_test import test
from kyber.cli.rules_tune import tune

COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    list_,
    coverage,
    lint,
    convert,
    explain,
    import_,
    schema,
    new,
    test,
    backtest,
    tune,
)

app = typer.Typer(no_args_is_help=True, help="Detection rules: look them over, explain, test and tune them.")
for _command in COMMANDS:
    app.command(_command.__name__.rstrip("_"))(_command)
