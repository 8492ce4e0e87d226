"""Lines of the error logs of nginx and of Apache -> fields with ECS names.

nginx: `2024/01/02 03:04:05 [error] 12#12: *34 message, client: 1.2.3.4, server: x, request: "GET / HTTP/1.1"`.
Apache 2.4: `[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 1:tid 2] [client 1.2.3.4:5678] AH00037: message`; 2.2
without module, process and port. Sources: ngx_log.c and ngx_http_request.c of nginx, the default ErrorLogFormat of
Apache's core.

A message is partly chosen by whoever sends the request. nginx does not escape it, and names the client after it: where
a line can be read in two ways, it gives no address rather than a forged one.
"""

import re
from collections.abc import Callable
from typing import Final

from kyber.logs.formats.linux_pattern import Fields, set_address
from kyber.logs.formats.web_request import set_host, set_number, set_request, unescaped

LONGEST_MESSAGE: Final = 16_384
"""Characters of an error's message that is taken apart; the servers themselves write no longer ones."""
MOST_READINGS: Final = 8
"""Places in a message of nginx where the client may be named."""

_NGINX = re.compile(
    r"([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) \[([a-z]{1,10})\] ([0-9]{1,10})#([0-9]{1,10}): "
    r"(?:\*([0-9]{1,18}) )?(.*)",
    re.DOTALL,
)
_CLIENT: Final = ", client: "
_NAMED = re.compile(
    r'([^\s,"]{1,256})(?:, server: ([^,"]{0,256}))?(?:, (?:request|subrequest|upstream|host|referrer|login): ".*")?'
    r"(?:, bytes from/to client:[0-9]{1,19}/[0-9]{1,19}(?:, bytes from/to upstream:[0-9]{1,19}/[0-9]{1,19})?)?",
    re.DOTALL,
)
_TOLD = re.compile(
    r'(?:, request: "([^"]*)")?(?:, subrequest: "[^"]*")?(?:, upstream: "([^"]*)")?'
    r'(?:, host: "([^"]*)")?(?:, referrer: "([^"]*)")?'
)
_APACHE = re.compile(
    r"\[(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2} [ 0-9]?[0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})? [0-9]{4})\] "
    r"\[(?:([\w.-]{0,64}):)?([a-z][a-z0-9]{2,9})\] (?:\[pid ([0-9]{1,10})(?::tid ([0-9]{1,20}))?\] )?(.*)",
    re.DOTALL,
)
_APACHE_CLIENT = re.compile(
    r"(?:[\w.]{1,64}\([0-9]{1,6}\): )?(?:\([0-9]{1,6}\)[^\[\]]{1,200}: )?\[(?:client|remote) ([^\]\s]{1,256})\] "
)
_APACHE_CODE = re.compile(r"(AH[0-9]{5}): ")
_REFERRER: Final = ", referer: "
_PORT = re.compile(r"\[?(.+?)\]?:([0-9]{1,5})")
_RULE = re.compile(r'\[id "([0-9]{1,12})"\]')
_RULE_NAME = re.compile(r'\[msg "((?:[^"\\]|\\.){1,512})"\]')

_DENIED: Final = {"event.category": "authentication", "event.outcome": "failure"}
_LOGINS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r'user "(.*)": password mismatch', re.DOTALL), "password mismatch"),
    (re.compile(r'user "(.*)" was not found in ".*"', re.DOTALL), "unknown user"),
    (re.compile(r'user (.*): authentication failure for ".*": Password Mismatch', re.DOTALL), "password mismatch"),
    (re.compile(r"user (.*) not found: .*", re.DOTALL), "unknown user"),
)


def read_error(text: str) -> tuple[str, Fields] | None:
    """A line of an error log: the time as it is written, and the other fields. None where it is no such line."""
    if text[:1] == "[":
        return _read(_APACHE, _apache, text)
    return _read(_NGINX, _nginx, text) if text[:1].isdigit() else None


def _read(form: re.Pattern[str], fields_of: Callable[[re.Match[str]], Fields], text: str) -> tuple[str, Fields] | None:
    found = form.fullmatch(text)
    if found is None:
        return None
    fields = fields_of(found)
    message = str(fields["message"])
    if len(message) <= LONGEST_MESSAGE:
        _set_login(fields, message)
    return found[1], fields


def _nginx(found: re.Match[str]) -> Fields:
    _, level, process, thread, connection, message = found.groups()
    fields: Fields = {"event.dataset": "nginx.error", "log.level": level}
    set_number(fields, "process.pid", process)
    set_number(fields, "process.thread.id", thread)
    set_number(fields, "nginx.error.connection_id", connection or "")
    fields["message"] = message
    if len(message) > LONGEST_MESSAGE:
        return fields
    pieces = message.split(_CLIENT, MOST_READINGS + 1)
    if not 2 <= len(pieces) <= MOST_READINGS + 1:
        return fields
    places = [len(_CLIENT.join(pieces[: count + 1])) for count in range(len(pieces) - 1)]
    readings = [(place, named) for place in places if (named := _NAMED.fullmatch(message, place + len(_CLIENT)))]
    if len(readings) == 1:
        (place, named), *_ = readings
        fields["message"] = message[:place]
        _set_named(fields, named, message)
    return fields


def _set_named(fields: Fields, named: re.Match[str], message: str) -> None:
    client, server = named.groups()
    set_address(fields, client, "source")
    if server:
        fields["nginx.error.server"] = server
    told = _TOLD.fullmatch(message, named.end(2) if server is not None else named.end(1))
    if told is None:
        return
    request, upstream, host, referrer = told.groups()
    if request:
        set_request(fields, request)
    if upstream:
        fields["nginx.error.upstream"] = upstream
    if host:
        set_host(fields, host)
    if referrer:
        fields["http.request.referrer"] = referrer


def _apache(found: re.Match[str]) -> Fields:
    _, module, level, process, thread, message = found.groups()
    fields: Fields = {"event.dataset": "apache.error", "log.level": level}
    if module:
        fields["apache.error.module"] = module
    set_number(fields, "process.pid", process or "")
    set_number(fields, "process.thread.id", thread or "")
    client = _APACHE_CLIENT.match(message)
    if client is not None:
        _set_client(fields, client[1])
        message = message[: client.start(1) - len("[client ")] + message[client.end() :]
    code = _APACHE_CODE.search(message, 0, 256)
    if code is not None:
        fields["error.code"] = code[1]
        message = message[: code.start()] + message[code.end() :]
    before, sign, referrer = message.rpartition(_REFERRER)
    if client is not None and sign and " " not in referrer:
        message, fields["http.request.referrer"] = before, unescaped(referrer)
    fields["message"] = message
    if len(message) <= LONGEST_MESSAGE and "ModSecurity" in message:
        for column, form in (("rule.id", _RULE), ("rule.name", _RULE_NAME)):
            if (told := form.search(message)) is not None:
                fields[column] = unescaped(told[1])
    return fields


def _set_client(fields: Fields, text: str) -> None:
    """Apache writes the port after the address, with nothing that would tell it from the end of an IPv6 address."""
    found = _PORT.fullmatch(text)
    if found is None or (":" in found[1] and "apache.error.module" not in fields):
        set_address(fields, text, "source")
        return
    set_address(fields, found[1], "source")
    if "source.ip" in fields:
        fields["source.port"] = int(found[2])
    else:
        fields.pop("source.domain", None)
        set_address(fields, text, "source")


def _set_login(fields: Fields, message: str) -> None:
    """Who was refused, where a message tells of a failed basic or digest authentication."""
    if not message.startswith("user "):
        return
    for form, reason in _LOGINS:
        if (found := form.fullmatch(message)) is not None:
            fields.update(_DENIED)
            fields["event.reason"] = reason
            if found[1]:
                fields["user.name"] = found[1]
            return
