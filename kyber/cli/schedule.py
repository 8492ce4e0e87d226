"""`kyber schedule`: a workspace and a time in, what makes systemd or cron run kyber there by night out."""

import re
import shutil
import sys
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, plain, root_of, say
from kyber.cli.files import write_below
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.settings import Settings
    from kyber.workspace import Workspace

SECRETS: Final = "/etc/kyber"
"""The folder in which a service looks for the secrets whose names stand in the settings, a file each."""
_AT: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class Form(StrEnum):
    """What runs kyber."""

    SYSTEMD = "systemd"
    CRON = "cron"


def schedule(
    at: Annotated[str, typer.Option(metavar="HH:MM", help="When, each day, by the machine's clock.")] = "02:30",
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Instead of --at: how often, as 1h or 30min.", show_default=False),
    ] = None,
    form: Annotated[Form, typer.Option(help="What runs it.")] = Form.SYSTEMD,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The account it runs as; else the workspace's owner.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of the units; else kyber-FOLDER.", show_default=False)
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The command kyber; else the one that runs now.", show_default=False),
    ] = None,
    environment_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file of lines NAME=value with the secrets that the settings name; else each is a credential.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write the two units into this folder.", show_default=False),
    ] = None,
    workspace: Where = None,
) -> None:
    """Show what makes systemd or cron run kyber here by night: scan, retain, and send the digest.

    Nothing is installed: the commands that do it are shown.
    """
    from kyber.schedule import Plan, cron, steps, units
    from kyber.text import words_for
    from kyber.workspace import at as workspace_at

    here = workspace_at(root_of(workspace or Path()))
    settings, root = here.settings, here.root.resolve()
    words = words_for(settings.language)
    secrets = _secrets(settings)
    plan = Plan(
        name=name or f"kyber-{re.sub(r'[^A-Za-z0-9_.-]', '_', root.name) or 'workspace'}",
        program=str(program.absolute() if program is not None else _program()),
        commands=(("scan",), ("logs", "retain"), *((("digest", "--send"),) if settings.mail is not None else ())),
        workspace=str(root),
        user=user or _owner(root),
        at=_time(at),
        every=None if every is None else _seconds(every),
        reads=(str(Path(__file__).parent), sys.prefix, *_logs(here)),
        environment_file=str(environment_file.absolute()) if environment_file is not None else None,
        credentials={} if environment_file is not None else {name: f"{SECRETS}/{name}" for name in secrets},
    )
    if settings.mail is None:
        say(words("schedule.no-mail"), error=True)
    if form is Form.CRON:
        if output is not None:
            raise UsageError("-o writes the units of systemd; --form cron shows a line for the crontab")
        say(cron(plan))
        say(words("schedule.crontab", command=f"crontab -u {plan.user} -e"), error=True)
        return
    made = units(plan)
    if output is None:
        for file, text in made.items():
            say(f"# {file}\n{text}")
    else:
        write_below(output, {file: text.encode() for file, text in made.items()})
    say(("# " if output is None else "") + words("schedule.as-root"))
    for step in steps(plan, str(output or ".")):
        say(f"{'# ' if output is None else '  '}{plain(step)}")


def _secrets(settings: "Settings") -> tuple[str, ...]:
    """The variables in which the settings look for secrets, each once."""
    parts = (settings.mail, settings.elasticsearch)
    named = (getattr(part, field, None) for part in parts if part for field in ("password_env", "api_key_env"))
    return tuple(dict.fromkeys(filter(None, named)))


def _logs(here: "Workspace") -> list[str]:
    """The absolute paths that the sources read."""
    from kyber.logs.source import load_sources

    sources, _ = load_sources(here.root)
    return [path for one in sources if one.read for path in one.read.paths if Path(path).is_absolute()]


def _program() -> Path:
    """The command kyber of the environment that runs now, or the one that the shell would find."""
    beside = Path(sys.executable).with_name("kyber")
    if beside.is_file():
        return beside
    found = shutil.which("kyber")
    if found is None:
        raise UsageError("the command kyber is not installed here; say with --program where it is")
    return Path(found).absolute()


def _owner(folder: Path) -> str:
    try:
        return folder.owner()
    except (KeyError, NotImplementedError):
        return str(folder.stat().st_uid)


def _time(text: str) -> time:
    if not (found := _AT.fullmatch(text)):
        raise UsageError(f"--at {text}: write a time of day, as 02:30")
    return time(int(found[1]), int(found[2]))


def _seconds(text: str) -> int:
    from kyber.duration import Duration

    try:
        found = Duration.parse(text)
    except ValueError:
        found = Duration(months=1)
    if found.months:
        raise UsageError(f"--every {text}: write how often, as 30min, 1h or 1d")
    return found.seconds
