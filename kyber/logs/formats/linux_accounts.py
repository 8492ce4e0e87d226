"""What the programs of logging in, of changing identity and of accounts write: their messages in, fields out.

Sources: the log calls of Linux-PAM, sudo, util-linux and shadow su and login, shadow's account tools, polkit and
systemd-logind. A user's own name is not the user's choice here, but a directory, a command and the name that a client
of PAM gives are.
"""

import re
from collections.abc import Mapping
from typing import Final

from kyber.logs.formats.linux_pattern import Fields, Pattern, Reader, pattern, reader

# --- PAM -------------------------------------------------------------------------------------------------------------


def _pam(start: str, rest: str, action: str, category: str = "authentication", outcome: str = "") -> Pattern:
    return pattern("pam", start, rest, action, category, outcome)


# Both the name before the address and the one after it may be a client's choice: the address must be there once.
_NOT_RHOST = r"(?:(?! rhost=)[^\n])*"

PAM_PATTERNS: Final = (
    *(
        _pam(
            "authentication failure; ",
            r"logname=(?P<logname>\S*) uid=(?P<uid>[0-9]+) euid=(?P<euid>[0-9]+) tty=(?P<tty>\S*) "
            rf"ruser=(?P<ruser>{name}) rhost=(?P<source>\S*)(?: {{1,2}}user=(?P<user>{name}))?",
            "pam_authentication",
            outcome="failure",
        )
        for name in (r"\S*", _NOT_RHOST)
    ),
    _pam("authentication failure; ", r".*", "pam_authentication", outcome="failure"),
    _pam("check pass; ", r"user unknown", "pam_user_unknown", outcome="failure"),
    _pam(
        "session opened for user ",
        r"(?P<user>.*?)(?:\(uid=(?P<uid>[0-9]+)\))? by (?P<by>[^\s()]*)\(uid=(?P<by_uid>[0-9]+)\)",
        "session_opened",
        "session",
        "success",
    ),
    _pam("session opened for user ", r"(?P<user>\S+).*", "session_opened", "session", "success"),
    _pam("session closed for user ", r"(?P<user>.*)", "session_closed", "session", "success"),
    _pam("password changed for ", r"(?P<user>.*)", "password_changed", "iam", "success"),
    _pam("account ", r"(?P<user>\S+) has (?P<reason>expired .*|password .*)", "pam_account_refused", outcome="failure"),
    _pam("expired password for user ", r"(?P<user>\S+) \((?P<reason>.*)\)", "pam_password_expired"),
    _pam("bad username ", r"\[(?P<user>.*)\]", "pam_user_unknown", outcome="failure"),
    _pam("auth could not identify password for ", r"\[(?P<user>.*)\]", "pam_authentication", outcome="failure"),
    _pam("conversation failed", r"", "pam_authentication", outcome="failure"),
    _pam("Consecutive login failures for user ", r"(?P<user>.*) account temporarily locked", "account_locked", "iam"),
    _pam("User account has expired: ", r"(?P<user>.*)", "pam_account_refused", outcome="failure"),
    _pam(
        "user ",
        r"(?P<user>.*) \((?P<uid>[0-9]+)\) tally (?P<count>[0-9]+), deny (?P<limit>[0-9]+)",
        "account_locked",
        "iam",
    ),
    _pam(
        "requirement ",
        r'"(?P<requirement>[^"\n]*)" not met by user "(?P<user>.*)"',
        "pam_requirement_not_met",
        outcome="failure",
    ),
    _pam(
        "access denied for user ", r"`(?P<user>.*)' from `(?P<source>[^'\s]*)'", "pam_access_denied", outcome="failure"
    ),
)
_read_pam: Final[Reader] = reader(PAM_PATTERNS)
_MODULE = re.compile(
    r"(?P<module>pam_[a-z0-9_]{1,40})\((?P<service>[^:()\s]{1,64})(?::(?P<phase>[a-z-]{1,20}))?\): ?", re.ASCII
)


def read_pam(message: str) -> Fields | None:
    """A message that a PAM module wrote in a program's name: `pam_unix(sshd:auth): ...`."""
    found = _MODULE.match(message)
    if found is None:
        return None
    return pam_fields(found["module"], found["service"], found["phase"], message[found.end() :])


def pam_fields(module: str, service: str, phase: str | None, message: str) -> Fields:
    """What a PAM module says, with the module, the service that asked it and the phase."""
    fields: Fields = {"linux.pam.module": module, "linux.pam.service": service}
    if phase:
        fields["linux.pam.phase"] = phase
    fields.update(_read_pam(message) or {})
    return fields


# --- changing identity -----------------------------------------------------------------------------------------------

_SUDO_PART = re.compile(r" ; ([A-Z]{2,9})=", re.ASCII)
_SUDO_COLUMNS = {
    "USER": "user.effective.name",
    "PWD": "process.working_directory",
    "TTY": "linux.sudo.tty",
    "GROUP": "linux.sudo.group",
    "CHROOT": "linux.sudo.chroot",
    "HOST": "linux.sudo.host",
    "TSID": "linux.sudo.tsid",
}
_SUDO_FAILURES = (
    ("incorrect password attempt", "sudo_authentication"),
    ("user NOT in sudoers", "sudo_not_allowed"),
    ("user NOT authorized on host", "sudo_not_allowed"),
    ("command not allowed", "sudo_not_allowed"),
    ("a password is required", "sudo_authentication"),
    ("no password was provided", "sudo_authentication"),
    ("unable to read password", "sudo_authentication"),
    ("sorry, you must have a tty to run sudo", "sudo_not_allowed"),
    ("sorry, you are not allowed", "sudo_not_allowed"),
)
_CONTINUED = "(command continued) "
_ATTEMPTS = re.compile(r"([0-9]{1,3}) incorrect password attempts?", re.ASCII)


def read_sudo(message: str) -> Fields | None:
    """`alice : [reason ; ]TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`.

    A directory and a command are the user's choice and may read like more of these parts. Where a part stands twice,
    only the user, the outcome and everything from the first command on are given.
    """
    user, colon, rest = message.partition(" : ")
    user = user.strip()
    if not colon or not user or " " in user:
        return None
    if rest.startswith(_CONTINUED):
        return {"event.action": "sudo_command_continued", "event.category": "process", "user.name": user}
    rest = f" ; {rest}"
    first = _SUDO_PART.search(rest)
    if first is None:
        return None
    reason, rest = rest[3 : first.start()], rest[first.start() :]
    fields: Fields = {
        "event.action": "sudo_command",
        "event.category": "process",
        "event.outcome": "failure" if reason else "success",
        "user.name": user,
    }
    if reason:
        fields["linux.sudo.reason"] = reason
        fields["event.category"] = "authentication"
        fields["event.action"] = next((action for text, action in _SUDO_FAILURES if text in reason), "sudo_not_allowed")
        if attempts := _ATTEMPTS.fullmatch(reason):
            fields["linux.sudo.attempts"] = int(attempts[1])
    before, command, line = rest.partition(" ; COMMAND=")
    if command:
        fields["process.command_line"] = line
    clear = not (
        command and any(part[1] in _SUDO_COLUMNS or part[1] == "COMMAND" for part in _SUDO_PART.finditer(line))
    )
    _, *parts = _SUDO_PART.split(before)
    names = parts[::2]
    if clear and len(names) == len(set(names)):
        for name, value in zip(names, parts[1::2], strict=True):
            if name in _SUDO_COLUMNS and value:
                fields[_SUDO_COLUMNS[name]] = value
    return fields


def _su(start: str, rest: str, outcome: str) -> Pattern:
    return pattern("su", start, rest, "su", "authentication", outcome)


SU_PATTERNS: Final = (
    _su("(to ", r"(?P<effective>[^()\s]+)\) (?P<user>\S+) on (?P<tty>\S+)", "success"),
    _su("FAILED SU ", r"\(to (?P<effective>[^()\s]+)\) (?P<user>\S+) on (?P<tty>\S+)", "failure"),
    _su("Successful su for ", r"(?P<effective>\S+) by (?P<user>\S+)", "success"),
    _su("FAILED su for ", r"(?P<effective>\S+) by (?P<user>\S+)", "failure"),
    _su("+ ", r"(?P<tty>\S+) (?P<user>[^\s:]+):(?P<effective>\S+)", "success"),
    _su("- ", r"(?P<tty>\S+) (?P<user>[^\s:]+):(?P<effective>\S+)", "failure"),
    _su("'su ", r"(?P<effective>[^\s']+)' failed for (?P<user>\S+) on (?P<tty>\S+)", "failure"),
    _su("'su ", r"(?P<effective>[^\s']+)' succeeded for (?P<user>\S+) on (?P<tty>\S+)", "success"),
    _su("BAD SU ", r"(?P<user>\S+) to (?P<effective>\S+) on (?P<tty>\S+)", "failure"),
    _su("", r"(?P<user>\S+) to (?P<effective>\S+) on (?P<tty>\S+)", "success"),
)
read_su: Final[Reader] = reader(SU_PATTERNS)

_PKEXEC = r" \[USER=(?P<effective>\S+)\] \[TTY=(?P<tty>\S+)\] \[CWD=(?P<cwd>[^\[\]]*)\] \[COMMAND=(?P<command>.*)\]"
PKEXEC_PATTERNS: Final = (
    pattern("pkexec", "", rf"(?P<user>\S+): Executing command{_PKEXEC}", "pkexec_command", "process", "success"),
    pattern(
        "pkexec",
        "",
        rf"(?P<user>\S+): (?P<reason>(?:The value for |Error )[^\[\]\n]{{1,200}}){_PKEXEC}",
        "pkexec_command",
        "process",
        "failure",
    ),
    pattern("pkexec", "", r"(?P<user>\S+): Executing command .*", "pkexec_command", "process", "success"),
)
read_pkexec: Final[Reader] = reader(PKEXEC_PATTERNS)

# --- logging in ------------------------------------------------------------------------------------------------------


def _login(start: str, rest: str, outcome: str, fixed: Mapping[str, object] | None = None) -> Pattern:
    return pattern("login", start, rest, "login", "authentication", outcome, fixed)


LOGIN_PATTERNS: Final = (
    _login("ROOT LOGIN ", r"(?i:on) (?P<tty>[^\s']+)(?: FROM (?P<source>\S+))?", "success", {"user.name": "root"}),
    _login("LOGIN ON ", r"(?P<tty>\S+) BY (?P<user>\S+)(?: FROM (?P<source>\S+))?", "success"),
    # The name may be anything that was typed: it stands after the host, which cannot hold a space.
    _login("FAILED LOGIN ", r"\(?[0-9]{1,4}\)? FROM (?P<source>\S+) FOR (?P<user>.*), [^,\n]{1,200}", "failure"),
    _login("FAILED LOGIN ", r"\(?[0-9]{1,4}\)? on '(?P<tty>[^'\s]*)' FOR '(?P<user>.*)', [^,\n]{1,200}", "failure"),
)
read_login: Final[Reader] = reader(LOGIN_PATTERNS)

FTP_PATTERNS: Final = (
    pattern(
        "ftpd",
        "connection from ",
        r"(?P<source>\S+) \((?P<domain>[^()\s]*)\)(?: at (?P<at>[^\n]{1,60}))?",
        "ftp_connection_opened",
        "network",
    ),
    pattern(
        "ftpd",
        "ANONYMOUS FTP LOGIN FROM ",
        r"(?P<source>[^\s,]+),(?: .*)?",
        "ftp_login",
        "authentication",
        "success",
        {"user.name": "anonymous"},
    ),
    pattern(
        "ftpd",
        "FTP LOGIN FROM ",
        r"(?P<source>[^\s,]+)(?: \[[^\]\s]*\])?, (?P<user>\S+).*",
        "ftp_login",
        "authentication",
        "success",
    ),
)
read_ftpd: Final[Reader] = reader(FTP_PATTERNS)

KLOGIN_PATTERNS: Final = (
    pattern(
        "klogind",
        "Authentication failed from ",
        r"(?P<source>\S+) \(\S*\): (?P<reason>.*)",
        "kerberos_login",
        "authentication",
        "failure",
    ),
    pattern("klogind", "Kerberos authentication failed", "", "kerberos_login", "authentication", "failure"),
)
read_klogind: Final[Reader] = reader(KLOGIN_PATTERNS)


def _logind(start: str, rest: str, action: str, category: str = "session") -> Pattern:
    return pattern("logind", start, rest, action, category, "success")


LOGIND_PATTERNS: Final = (
    _logind(
        "New session ", r"'?(?P<session>[A-Za-z0-9]+)'? of user '?(?P<user>[^\s']+?)'?(?: with .*)?\.", "session_opened"
    ),
    _logind("Removed session ", r"'?(?P<session>[A-Za-z0-9]+)'?\.", "session_closed"),
    _logind("Session ", r"'?(?P<session>[A-Za-z0-9]+)'? logged out\. .*", "session_logged_out"),
    _logind("System is ", r"(?P<what>powering down|rebooting|halting|suspending)\b.*", "system_stopped", "host"),
    _logind("The system will ", r"(?P<what>power off|reboot|halt|suspend)\b.*", "system_stopped", "host"),
)
read_logind: Final[Reader] = reader(LOGIND_PATTERNS)

# --- accounts --------------------------------------------------------------------------------------------------------


def _account(start: str, rest: str, action: str, outcome: str = "success") -> Pattern:
    return pattern("account", start, rest, action, "iam", outcome)


_TARGET = r"['`](?P<target>[^'\n]*)'"
_GROUP = r"['`](?P<group>[^'\n]*)'"

ACCOUNT_PATTERNS: Final = (
    _account(
        "new user: ",
        r"name=(?P<target>[^,\s]+), UID=(?P<uid>[0-9]+), GID=(?P<gid>[0-9]+), home=(?P<home>[^,\n]*), "
        r"shell=(?P<shell>[^,\n]*)(?:, from=(?P<from>\S+))?",
        "user_added",
    ),
    _account("new user: ", r"name=(?P<target>[^,\s]+).*", "user_added"),
    _account("failed adding user ", rf"{_TARGET}, .*", "user_added", "failure"),
    _account("new group: ", r"name=(?P<group>[^,\s]+)(?:, GID=(?P<gid>[0-9]+))?", "group_added"),
    _account("group added to ", r"(?P<file>\S+): name=(?P<group>[^,\s]+)(?:, GID=(?P<gid>[0-9]+))?", "group_added"),
    _account("add ", rf"{_TARGET} to (?:shadow )?group {_GROUP}", "user_added_to_group"),
    _account("delete ", rf"{_TARGET} from (?:shadow )?group {_GROUP}", "user_removed_from_group"),
    _account("delete user ", _TARGET, "user_deleted"),
    _account("removed group ", rf"{_GROUP} owned by {_TARGET}", "group_deleted"),
    _account("removed shadow group ", rf"{_GROUP} owned by {_TARGET}", "group_deleted"),
    _account("group ", rf"{_GROUP} removed(?: from (?P<file>\S+))?", "group_deleted"),
    _account("group changed in ", r"(?P<file>\S+) \(group (?P<group>[^\s/,()]+).*\)", "group_changed"),
    _account("user ", r"(?P<target>\S+) added by (?P<user>\S+) to group (?P<group>\S+)", "user_added_to_group"),
    _account("user ", r"(?P<target>\S+) removed by (?P<user>\S+) from group (?P<group>\S+)", "user_removed_from_group"),
    _account("members of group ", r"(?P<group>\S+) set by (?P<user>\S+) to (?P<members>\S*)", "group_members_set"),
    _account("change user ", rf"{_TARGET} password", "password_changed"),
    _account(
        "change user ",
        rf"{_TARGET} (?P<property>[A-Za-z ]{{1,40}}?) from '(?P<before>[^'\n]*)' to '(?P<after>[^'\n]*)'",
        "user_changed",
    ),
    _account("lock user ", rf"{_TARGET} password", "user_locked"),
    _account("unlock user ", rf"{_TARGET} password", "user_unlocked"),
    _account("password for ", rf"{_TARGET} changed by ['`](?P<user>[^'\n]*)'", "password_changed"),
    _account("changed password expiry for ", r"(?P<target>\S+)", "user_changed"),
    _account("changed user ", rf"{_TARGET} (?P<property>[a-z]{{1,40}}) to '(?P<after>[^'\n]*)'", "user_changed"),
)
read_account: Final[Reader] = reader(ACCOUNT_PATTERNS)
