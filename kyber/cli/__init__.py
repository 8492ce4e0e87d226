"""The command line: arguments in, an exit code out. One file a command: one question to the library, one answer shown.

To add a command, import it and put it in COMMANDS; a group of commands goes to GROUPS under its name. Importing a
command loads nothing heavy: what it needs is imported when it runs.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from kyber.cli.calendar import calendar
from kyber.cli.check import check
from kyber.cli.console import ExitCode, fail, say
from kyber.cli.continuity import app as continuity
from kyber.cli.digest import digest
from kyber.cli.doctor import doctor
from kyber.cli.findings import app as findings
from kyber.cli.incidents import app as incidents
from kyber.cli.init import init
from kyber.cli.introduction import app as introduction
from kyber.cli.logs import app as logs
from kyber.cli.publish import publish
from kyber.cli.report import app as report
from kyber.cli.risks import app as risks
from kyber.cli.rules import app as rules
from kyber.cli.scan import scan
from kyber.cli.schedule import schedule
from kyber.cli.schema import schema
from kyber.cli.search import search
from kyber.cli.tasks import app as tasks
from kyber.cli.today import today
from kyber.errors import KyberError

COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    scan,
    search,
    init,
    today,
    check,
    schema,
    calendar,
    publish,
    digest,
    schedule,
    doctor,
)
GROUPS: Final[Mapping[str, typer.Typer]] = {
    "findings": findings,
    "logs": logs,
    "rules": rules,
    "risks": risks,
    "continuity": continuity,
    "tasks": tasks,
    "report": report,
    "incident": incidents,
    "introduction": introduction,
}


_OF_PYDANTIC: Final = "Value error, "
"""What stands before its words where a value is none of those that an option takes."""


class _Commands(TyperGroup):
    """Ends with a message and an exit code, not a traceback, where a command meets something the user can mend."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KyberError as error:
            raise typer.Exit(fail(error)) from None
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(_OF_PYDANTIC)
            raise
        except KeyboardInterrupt:
            say("kyber: stopped; nothing was written", error=True)
            raise typer.Exit(ExitCode.STOPPED) from None


app = typer.Typer(
    name="kyber",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    app.command()(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"kyber {version('kyber')}")
        except PackageNotFoundError:
            typer.echo("kyber (not installed)")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Security logs, risks and continuity of an organisation, in one folder of plain text."""


def main() -> None:
    """The `kyber` command."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own pools keep what they were given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal does not have is shown as its number
            stream.reconfigure(errors="backslashreplace")
    app()
