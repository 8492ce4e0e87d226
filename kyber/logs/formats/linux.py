"""What programs of a Linux host say in syslog: a program's name and its message in, fields with ECS names out.

Fields: `event.action`, `event.outcome` (success or failure), `event.category`, who (`user.name`, with
`user.effective.name` where the user becomes another or `user.target.name` where another is changed), from where
(`source.ip`, or `source.domain` for a name; `source.port`), and what; what has no ECS name is `linux.<program>.<name>`.
A message that no pattern holds for has none. The messages are in `linux_ssh`, `linux_accounts`, `linux_system`,
`linux_firewall` and `linux_sysmon`; those of programs that none of them knows are read by `services`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kyber.logs.formats.linux_accounts import (
    pam_fields,
    read_account,
    read_ftpd,
    read_klogind,
    read_login,
    read_logind,
    read_pam,
    read_pkexec,
    read_su,
    read_sudo,
)
from kyber.logs.formats.linux_firewall import read_filterlog
from kyber.logs.formats.linux_pattern import Fields, Reader
from kyber.logs.formats.linux_ssh import read_sshd
from kyber.logs.formats.linux_sysmon import read_sysmon
from kyber.logs.formats.linux_system import read_cron, read_kernel, read_systemd
from kyber.logs.formats.services import read_service
from kyber.logs.formats.web import read_web

LONGEST_MESSAGE: Final = 65_536
"""Characters; a longer message is kept, but not taken apart."""

PROGRAMS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        **dict.fromkeys(("sshd", "sshd-session", "sshd-auth"), read_sshd),
        "sudo": read_sudo,
        "su": read_su,
        "pkexec": read_pkexec,
        "login": read_login,
        "ftpd": read_ftpd,
        "klogind": read_klogind,
        "systemd-logind": read_logind,
        "kernel": read_kernel,
        "filterlog": read_filterlog,
        "systemd": read_systemd,
        "sysmon": read_sysmon,
        **dict.fromkeys(("nginx", "apache2", "apache", "httpd"), read_web),
        **dict.fromkeys(("CRON", "CROND", "cron", "crond", "crontab"), read_cron),
        **dict.fromkeys(
            (
                "useradd",
                "adduser",
                "usermod",
                "userdel",
                "groupadd",
                "groupmod",
                "groupdel",
                "gpasswd",
                "passwd",
                "chpasswd",
                "chage",
                "chfn",
                "chsh",
                "newusers",
            ),
            read_account,
        ),
    }
)

_REPEATED = re.compile(r"message repeated ([0-9]{1,9}) times: \[ (.*)\]", re.DOTALL | re.ASCII)
_LAST_REPEATED = re.compile(r"last message repeated ([0-9]{1,9}) times?", re.ASCII)
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def read_message(program: str, message: str) -> Mapping[str, object]:
    """The fields of one message, without its header. `process.name` is among them where a better one is known.

    `program` is the header's: empty where it has none; old PAM's `sshd(pam_unix)` and a path (`/usr/sbin/cron`) too.
    """
    if len(message) > LONGEST_MESSAGE:
        return _NOTHING
    message = message.rstrip()
    fields: Fields = {}
    module = ""
    if program.endswith(")") or program.startswith("/"):
        program, module = _named(program, fields)
    if not program:
        return _last_repeated(message)
    repeated = _REPEATED.fullmatch(message) if message.startswith("message repeated ") else None
    if repeated is not None:
        fields["linux.syslog.repeated"] = int(repeated[1])
        message = repeated[2].rstrip()
    if module:
        found: Fields | None = pam_fields(module, program, None, message)
    elif message.startswith("pam_"):
        found = read_pam(message)
    else:
        found = PROGRAMS.get(program, read_service)(message)
    if found is None:
        return fields
    found.update(fields)
    return found


def _named(program: str, fields: Fields) -> tuple[str, str]:
    """The program itself, and the PAM module that wrote in its name; a path goes to `process.executable`."""
    module = ""
    if program.endswith(")"):
        name, _, inner = program[:-1].partition("(")
        if name and inner.startswith("pam_"):
            program, module = name, inner
            fields["process.name"] = program
    if program.startswith("/") and (name := program.rpartition("/")[2]):
        fields["process.executable"] = program
        fields["process.name"] = program = name
    return program, module


def _last_repeated(message: str) -> Mapping[str, object]:
    found = _LAST_REPEATED.fullmatch(message) if message.startswith("last message ") else None
    return _NOTHING if found is None else {"event.action": "message_repeated", "linux.syslog.repeated": int(found[1])}
