"""What is to run by night in a workspace in, the texts that make systemd or cron run it out.

Paths go into the texts so that spaces, quotes and `%` stay what they are. Sources: systemd.service(5), systemd.exec(5),
systemd.timer(5), systemd.unit(5) and systemd.syntax(7) for units; crontab(5) for the line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import PurePosixPath
from typing import Final

from kyber.errors import UsageError

UNIT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
SHORTEST: Final = 60
"""Seconds from one run to the next, at least."""
UNITS: Final = "/etc/systemd/system"

FOUND: Final = 1
UNREADABLE: Final = 3
"""The exit codes of a scan that found what it was asked to tell of, and of one that could read nothing."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_HOMES: Final = ("/home", "/root", "/run/user")
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - named, not written to
# ReadWritePaths= has no escape for some of these; the others would show the path otherwise than it is.
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\\\"]")
_NAMED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to run, where, when, and as whom.

    `name` is that of the units. `program` is how kyber is started, `commands` what it is told, in order; `workspace` is
    absolute. It runs each day `at` a time, or `every` so many seconds. `reads`: other folders and files that must stay
    visible. Secrets: `environment_file` holds NAME=value lines; `credentials` names a file for each secret.
    """

    name: str
    program: str
    commands: tuple[tuple[str, ...], ...]
    workspace: str
    user: str
    at: time = time(2, 30)
    every: int | None = None
    reads: tuple[str, ...] = ()
    environment_file: str | None = None
    credentials: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where a part cannot stand in a unit or in a crontab."""
        if not UNIT_NAME.fullmatch(self.name):
            raise UsageError(f"'{self.name}' is no name for a unit: use letters, digits, dots, _ and -")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?", self.user):
            raise UsageError(f"'{self.user}' is no name of an account")
        if self.every is not None and self.every < SHORTEST:
            raise UsageError(f"from one run to the next there must be at least {SHORTEST} seconds")
        for name in self.credentials or {}:
            if not _NAMED.fullmatch(name):
                raise UsageError(f"'{name}' is no name of a credential: use letters, digits and _")
        secrets = (*filter(None, (self.environment_file,)), *(self.credentials or {}).values())
        for path in (self.program, self.workspace, *secrets):
            if not path.startswith("/"):
                raise UsageError(f"{path} is not an absolute path")
            if _UNUSABLE.search(path) or path != path.strip():
                raise UsageError(f"{path!r} cannot stand in a unit or a crontab: it holds an odd sign")

    @property
    def digests(self) -> bool:
        """Whether the last command tells people what was found, and so also what could not be read."""
        return any(command[:1] == ("digest",) for command in self.commands)


# --- systemd ---------------------------------------------------------------------------------------------------------


def service(plan: Plan) -> str:
    """The unit that runs the commands once, one after the other."""
    fine = f"{FOUND} {UNREADABLE}" if plan.digests else f"{FOUND}"
    meaning = [f"# {FOUND}: there is a finding that --fail-on asks for. That is a result, not a failure."]
    if plan.digests:
        meaning.append(f"# {UNREADABLE}: nothing could be read. The digest has to say so, so it must run all the same.")
    return "\n".join(
        (
            "[Unit]",
            f"Description=kyber by night in {_specifiers(plan.workspace)}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            f"User={plan.user}",
            f"WorkingDirectory={_specifiers(plan.workspace)}",
            *(f"ExecStart={_command((plan.program, *command))}" for command in plan.commands),
            *meaning,
            f"SuccessExitStatus={fine}",
            "# What is found is kept in the workspace, not in the journal; what goes wrong is said there.",
            "StandardOutput=null",
            "Nice=10",
            *_secrets(plan),
            "",
            *_hardening(plan),
            "",
        )
    )


def timer(plan: Plan) -> str:
    """The unit that starts the service; a run that was missed because the machine was off is made up for."""
    if plan.every is None:
        when = [f"OnCalendar=*-*-* {plan.at:%H:%M}:00"]
    else:
        when = ["OnBootSec=5min", f"OnUnitActiveSec={plan.every}s"]
    return "\n".join(
        (
            "[Unit]",
            f"Description=kyber by night in {_specifiers(plan.workspace)}",
            "",
            "[Timer]",
            *when,
            *(["Persistent=true"] if plan.every is None else []),
            "AccuracySec=1min",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        )
    )


def units(plan: Plan) -> dict[str, str]:
    """File name -> text of both units."""
    return {f"{plan.name}.service": service(plan), f"{plan.name}.timer": timer(plan)}


def steps(plan: Plan, folder: str) -> tuple[str, ...]:
    """The shell commands that put the units, written to `folder`, in use; for the account root."""
    files = " ".join(_shell(str(PurePosixPath(folder) / name)) for name in units(plan))
    secrets = [
        f"install -D -m 0600 /dev/null {_shell(file)}  # then write the secret {name} into it"
        for name, file in (plan.credentials or {}).items()
    ]
    return (
        *secrets,
        f"install -m 0644 {files} {UNITS}",
        "systemctl daemon-reload",
        f"systemctl enable --now {plan.name}.timer",
        f"systemctl start {plan.name}.service  # once now; then: systemctl status {plan.name}.service",
    )


def _secrets(plan: Plan) -> list[str]:
    lines = []
    if plan.environment_file is not None:
        lines.append(f"EnvironmentFile={_globbed(_specifiers(plan.environment_file))}")
    lines += [f"LoadCredential={name}:{_specifiers(file)}" for name, file in (plan.credentials or {}).items()]
    return ["# Secrets are named here and never written here.", *lines] if lines else []


def _hardening(plan: Plan) -> list[str]:
    """What the run may not do. Places that it must see are not hidden from it."""
    seen = (plan.workspace, plan.program, *plan.reads)
    at_home = any(_is_below(path, _HOMES) for path in seen)
    in_temporary = any(_is_below(path, _TEMPORARY) for path in seen)
    return [
        "ProtectSystem=strict",
        f"ReadWritePaths={_quoted(plan.workspace)}",
        f"ProtectHome={'read-only' if at_home else 'yes'}",
        *(["# What is to be read lies among temporary files: they stay in sight."] if in_temporary else []),
        f"PrivateTmp={'no' if in_temporary else 'yes'}",
        "UMask=0077",
        "NoNewPrivileges=yes",
        # root without this one could not read the logs of others
        f"CapabilityBoundingSet={'CAP_DAC_READ_SEARCH' if plan.user in ('root', '0') else ''}",
        "AmbientCapabilities=",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectProc=invisible",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "RemoveIPC=yes",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "KeyringMode=private",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
    ]


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def _command(words: tuple[str, ...]) -> str:
    """Words as ExecStart= takes them. `$` begins a variable in all of them but the program."""
    program, *rest = words
    return " ".join((_quoted(program), *(_quoted(word).replace("$", "$$") for word in rest)))


def _quoted(text: str) -> str:
    escaped = _specifiers(text)
    return f'"{escaped}"' if re.search(r"[^\w./%-]", text) else escaped


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _globbed(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


# --- cron ------------------------------------------------------------------------------------------------------------


def cron(plan: Plan) -> str:
    """The line of the account's own crontab. Raises UsageError where cron cannot keep the interval or the secrets."""
    if plan.credentials:
        raise UsageError(
            f"cron hands over no credentials: give a file with {', '.join(plan.credentials)} as NAME=value"
        )
    parts = [f"cd {_shell(plan.workspace)}", "umask 077"]
    if plan.environment_file is not None:
        parts.append(f"set -a && . {_shell(plan.environment_file)} && set +a")
    runs = [" ".join(_shell(word) for word in (plan.program, *command)) for command in plan.commands]
    # A scan that finds or reads nothing must not keep the rest from running.
    return f"{_fields(plan)} {' && '.join(parts)} && {{ {'; '.join(runs)}; }} >/dev/null".replace("%", "\\%")


def _fields(plan: Plan) -> str:
    every = plan.every
    if every is None or every == _DAY:
        return f"{plan.at.minute} {plan.at.hour} * * *"
    if every % _HOUR == 0 and _DAY % every == 0:
        return f"0 {f'*/{every // _HOUR}' if every > _HOUR else '*'} * * *"
    if every % _MINUTE == 0 and _HOUR % every == 0:
        return f"*/{every // _MINUTE} * * * *" if every > _MINUTE else "* * * * *"
    raise UsageError("cron keeps only intervals that divide an hour or a day; systemd keeps any")


def _shell(text: str) -> str:
    return text if re.fullmatch(r"[\w./=:@+-]+", text, re.ASCII) else "'" + text.replace("'", "'\\''") + "'"
