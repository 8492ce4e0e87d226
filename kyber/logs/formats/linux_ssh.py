"""What OpenSSH's server writes: its messages in, fields out. Source: the log calls of OpenSSH 3.9 to 10.

The name that a client asks for is the client's choice, and may read like the rest of a message. The server writes the
address after the name, so it is taken from the end; in what the client may put at the end (reasons, offers), from the
beginning.
"""

from collections.abc import Mapping
from typing import Final

from kyber.logs.formats.linux_pattern import Pattern, Reader, pattern, reader

_FROM = r" from (?P<source>\S+) port (?P<source_port>[0-9]{1,5})"
_AT = r"(?P<source>\S+)(?: port (?P<source_port>[0-9]{1,5}))?"
_PREAUTH = r"(?: \[preauth\])?"
_KEY = r"(?:: (?P<key_type>[A-Z0-9-]+) (?P<key>\S+))?"
# The key id of a certificate is its maker's choice, and comes after the address: only one address may stand there.
_CERTIFICATE = r" ssh2: (?P<key_type>[A-Z0-9-]+-CERT) (?P<key>(?:(?! ssh2)[^\n])*)"
_UNKNOWN: Mapping[str, object] = {"linux.sshd.invalid_user": True}


def _sshd(
    start: str,
    rest: str,
    action: str,
    category: str = "authentication",
    outcome: str = "",
    fixed: Mapping[str, object] | None = None,
) -> Pattern:
    return pattern("sshd", start, rest, action, category, outcome, fixed)


# A name may hold anything but the last address; a certificate's line has more after its address than the first form of
# each takes, and is taken only where there is one address to choose. Else it is a login from an unknown address.
_LOGIN = (
    *(
        _sshd("Accepted ", rf"(?P<method>\S+) for {rest}", "ssh_login", outcome="success")
        for rest in (rf"(?P<user>.*){_FROM}(?: ssh2?)?{_KEY}", rf"(?P<user>\S+){_FROM}{_CERTIFICATE}", ".*")
    ),
    *(
        _sshd("Failed ", rf"(?P<method>\S+) for {rest}", "ssh_login", outcome="failure", fixed=fixed)
        for rest, fixed in (
            (rf"(?:invalid|illegal) user (?P<user>.*){_FROM}(?: ssh2?)?{_KEY}", _UNKNOWN),
            (rf"(?P<user>.*){_FROM}(?: ssh2?)?{_KEY}", None),
            (rf"(?:invalid|illegal) user (?P<user>\S*){_FROM}{_CERTIFICATE}", _UNKNOWN),
            (rf"(?P<user>\S+){_FROM}{_CERTIFICATE}", None),
            (".*", None),
        )
    ),
    _sshd("Postponed ", rf"(?P<method>\S+) for (?P<user>.*){_FROM}(?: ssh2?)?{_PREAUTH}", "ssh_login_postponed"),
    _sshd("Partial ", rf"(?P<method>\S+) for (?P<user>.*){_FROM}(?: ssh2?)?{_KEY}", "ssh_login_postponed"),
    _sshd(
        "error: PAM: ",
        r"(?P<reason>[A-Za-z][A-Za-z ]{2,60}) for (?:illegal|invalid) user (?P<user>.*) from (?P<source>\S+)",
        "ssh_login",
        outcome="failure",
        fixed=_UNKNOWN,
    ),
    _sshd(
        "error: PAM: ",
        r"(?P<reason>[A-Za-z][A-Za-z ]{2,60}) for (?P<user>.*) from (?P<source>\S+)",
        "ssh_login",
        outcome="failure",
    ),
    _sshd("ROOT LOGIN REFUSED FROM ", _AT + _PREAUTH, "ssh_login", outcome="failure", fixed={"user.name": "root"}),
)

_USER = (
    _sshd("Invalid user ", rf"(?P<user>.*) from {_AT}", "ssh_invalid_user", outcome="failure", fixed=_UNKNOWN),
    _sshd("Illegal user ", rf"(?P<user>.*) from {_AT}", "ssh_invalid_user", outcome="failure", fixed=_UNKNOWN),
    _sshd(
        "input_userauth_request: invalid user ",
        rf"(?P<user>.*?){_PREAUTH}",
        "ssh_invalid_user",
        outcome="failure",
        fixed=_UNKNOWN,
    ),
    _sshd(
        "User ",
        r"(?P<user>.*) from (?P<source>\S+) not allowed because (?P<reason>[^\n]{1,200})",
        "ssh_not_allowed",
        outcome="failure",
    ),
    _sshd("User ", r"(?P<user>.*) not allowed because (?P<reason>[^\n]{1,200})", "ssh_not_allowed", outcome="failure"),
    *(
        _sshd(
            f"{start}maximum authentication attempts exceeded for ",
            rf"(?:invalid user )?(?P<user>.*){_FROM} ssh2?{_PREAUTH}",
            "ssh_max_auth_attempts",
            outcome="failure",
        )
        for start in ("error: ", "")
    ),
    _sshd(
        "Disconnecting ",
        rf"(?:authenticating|invalid) user (?P<user>.*) (?P<source>\S+) port (?P<source_port>[0-9]{{1,5}}): "
        rf"Too many authentication failures{_PREAUTH}",
        "ssh_max_auth_attempts",
        outcome="failure",
    ),
    *(
        _sshd(
            f"{start}Too many authentication failures",
            rf"(?: for (?P<user>.*?))?{_PREAUTH}",
            "ssh_max_auth_attempts",
            outcome="failure",
        )
        for start in ("Disconnecting: ", "")
    ),
    _sshd("PAM service(sshd) ignoring max retries; ", r"[0-9]+ > [0-9]+", "ssh_max_auth_attempts", outcome="failure"),
    _sshd(
        "PAM ",
        r"(?P<attempts>[0-9]{1,9}) more authentication failures?; logname=\S* uid=[0-9]+ euid=[0-9]+ tty=(?P<tty>\S*) "
        r"ruser=\S* rhost=(?P<source>\S*)(?: {1,2}user=(?P<user>.*))?",
        "ssh_login",
        outcome="failure",
    ),
)

_END = (
    *(
        one
        for start, action in (
            ("Connection closed by ", "ssh_connection_closed"),
            ("Connection reset by ", "ssh_connection_closed"),
            ("Disconnected from ", "ssh_disconnected"),
        )
        for one in (
            _sshd(
                start,
                rf"invalid user (?P<user>.*) (?P<source>\S+) port (?P<source_port>[0-9]{{1,5}}){_PREAUTH}",
                action,
                "session",
                fixed=_UNKNOWN,
            ),
            _sshd(
                start,
                rf"(?:authenticating )?user (?P<user>.*) (?P<source>\S+) port (?P<source_port>[0-9]{{1,5}}){_PREAUTH}",
                action,
                "session",
            ),
            _sshd(start, _AT + _PREAUTH, action, "session"),
        )
    ),
    *(
        _sshd(
            f"{start}Received disconnect from ",
            r"(?P<source>\S+?)(?: port (?P<source_port>[0-9]{1,5}):|: )"
            rf"(?P<code>[0-9]{{1,3}}): ?(?P<reason>.*?){_PREAUTH}",
            "ssh_disconnected",
            "session",
        )
        for start in ("error: ", "")
    ),
    _sshd(
        "Starting session: ",
        rf"(?P<session>.*) for (?P<user>\S+){_FROM}(?: id (?P<session_id>[0-9]{{1,9}}))?",
        "ssh_session_started",
        "session",
    ),
    _sshd("subsystem request for ", r"(?P<subsystem>\S+)(?: by user (?P<user>.*))?", "ssh_subsystem", "session"),
)

_NETWORK = (
    _sshd(
        "Connection from ",
        rf"{_AT}(?: on (?P<address>\S+)(?: port (?P<port>[0-9]{{1,5}}))?(?: rdomain .*)?)?",
        "ssh_connection_opened",
        "network",
    ),
    _sshd("Did not receive identification string from ", _AT + _PREAUTH, "ssh_no_identification", "network", "failure"),
    _sshd(
        "Bad protocol version identification ",
        rf"'(?P<identification>.*)' from {_AT}{_PREAUTH}",
        "ssh_bad_identification",
        "network",
        "failure",
    ),
    _sshd("banner exchange: Connection from ", rf"{_AT}: .*", "ssh_bad_identification", "network", "failure"),
    _sshd(
        "Magic value check failed ",
        rf"\([0-9]+\) on obfuscated handshake{_FROM}",
        "ssh_bad_identification",
        "network",
        "failure",
    ),
    *(
        _sshd(
            f"{start}kex_exchange_identification: ", r"(?P<reason>.*)", "ssh_bad_identification", "network", "failure"
        )
        for start in ("error: ", "")
    ),
    *(
        _sshd(
            f"{start}Unable to negotiate with ",
            rf"{_AT}: (?P<reason>no matching [A-Za-z ]{{3,40}}) found\..*",
            "ssh_negotiation_failed",
            "network",
            "failure",
        )
        for start in ("fatal: ", "")
    ),
    *(
        _sshd(
            f"{start}Timeout before authentication for ",
            rf"(?:connection from )?{_AT}(?: to \S+, pid = [0-9]+)?{_PREAUTH}",
            "ssh_login_timeout",
            outcome="failure",
        )
        for start in ("fatal: ", "")
    ),
    _sshd(
        "ssh_dispatch_run_fatal: Connection from ",
        rf"(?:authenticating user \S+ |invalid user \S+ )?{_AT}: (?P<reason>[^\n]{{1,200}})",
        "ssh_connection_failed",
        "network",
        "failure",
    ),
    _sshd(
        "reverse mapping checking getaddrinfo for ",
        r"(?P<domain>\S+) \[(?P<source>[^\]\s]+)\] failed(?:\.| - POSSIBLE BREAK-IN ATTEMPT!)?",
        "ssh_reverse_mapping_failed",
        "network",
        "failure",
    ),
    _sshd(
        "Address ",
        r"(?P<source>\S+) maps to (?P<domain>\S+), but this does not map back to the address"
        r"(?:\.| - POSSIBLE BREAK-IN ATTEMPT!)?",
        "ssh_reverse_mapping_failed",
        "network",
        "failure",
    ),
    _sshd(
        "refused connect from ",
        r"(?P<host>\S+) \((?P<source>[^()\s]+)\)",
        "ssh_connection_refused",
        "network",
        "failure",
    ),
    _sshd(
        "drop connection ",
        r"#[0-9]+ from \[(?P<source>[^\]\s]+)\]:(?P<source_port>[0-9]{1,5}) on \[[^\]\s]*\]:[0-9]+ (?P<reason>.*)",
        "ssh_connection_refused",
        "network",
        "failure",
    ),
)

_SERVICE = (
    _sshd("Server listening on ", r"(?P<address>\S+) port (?P<port>[0-9]+)\.", "service_started", "process"),
    _sshd("Received signal ", r"(?P<signal>[0-9]+); (?:terminating|restarting)\.", "service_stopped", "process"),
    _sshd("Authentication refused: ", r"(?P<reason>.*)", "ssh_login", outcome="failure"),
)

PATTERNS: Final = (*_LOGIN, *_USER, *_END, *_NETWORK, *_SERVICE)
read_sshd: Final[Reader] = reader(PATTERNS)
