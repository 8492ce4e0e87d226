"""What a web server's log says of a request: its line, target, agent and status in, fields with ECS names out.

Sources: RFC 9110 and 9112 (request line, forms of a target), RFC 3986; ECS. `web.uri_query` is for Sigma's
`cs-uri-query`: rules mean the query by it, or the whole target, so it holds both.
"""

import re
from typing import Final

from kyber.logs.formats.linux_pattern import Fields

LONGEST_TARGET: Final = 65_536
"""Characters; a longer request is kept, but not taken apart."""

_METHOD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}"
_REQUEST = re.compile(rf"({_METHOD}) +(\S(?:.*\S)?) +HTTP/([0-9](?:\.[0-9])?)", re.DOTALL)
_REQUEST_0_9 = re.compile(r"([A-Z]{3,16}) (/\S*)")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/?#:]*)(?::([0-9]{1,5}))?")
_AUTHORITY = re.compile(r"(\[[^\]/?#]*\]|[^/?#:]+):([0-9]{1,5})")
_EXTENSION = re.compile(r"[^/]\.([A-Za-z0-9]{1,12})\Z")
_ESCAPES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_CHARACTER = re.compile(r'\\(["\\])')
_LONGEST_NUMBER: Final = 18


def set_request(fields: Fields, line: str) -> None:
    """A request's line. One that is none, such as a scanner for other protocols sends, is kept as `web.request`."""
    if line in ("", "-"):
        return
    found = _REQUEST.fullmatch(line) if len(line) <= LONGEST_TARGET else None
    if found is not None:
        fields["http.request.method"], target, fields["http.version"] = found.groups()
    else:
        found = _REQUEST_0_9.fullmatch(line) if len(line) <= LONGEST_TARGET else None
        if found is None:
            fields["web.request"] = line
            return
        fields["http.request.method"], target = found.groups()
    set_target(fields, target)


def set_target(fields: Fields, target: str) -> None:
    """A request's target: the path and query, a whole URL (as proxies are asked for), or a host and port."""
    fields["url.original"] = target
    rest = target
    if not target.startswith("/"):
        found = _ABSOLUTE.match(target)
        if found is not None:
            fields["url.scheme"] = found[1].lower()
            rest = target[found.end() :] or "/"
        elif fields.get("http.request.method") == "CONNECT":
            found = _AUTHORITY.fullmatch(target)
            rest = "" if found is not None else target
        if found is not None:
            *_, host, port = found.groups()
            if host:
                set_host(fields, f"{host}:{port}" if port else host)
    set_path(fields, *rest.partition("?")[::2])


def set_host(fields: Fields, host: str) -> None:
    """The host that a request was for, with its port where that is said."""
    found = _AUTHORITY.fullmatch(host)
    fields["url.domain"] = (host if found is None else found[1]).strip("[]").lower()
    if found is not None:
        fields["url.port"] = int(found[2])


def set_path(fields: Fields, path: str, query: str) -> None:
    """A target's parts; what is empty is left out."""
    if path:
        fields["url.path"] = path
        if (found := _EXTENSION.search(path[-64:])) is not None:
            fields["url.extension"] = found[1].lower()
    original = fields.get("url.original")
    if query:
        fields["url.query"] = query
        fields["web.uri_query"] = [query, original]
    elif original:
        fields["web.uri_query"] = original


def set_status(fields: Fields, digits: str) -> None:
    """The status of a response, and whether the request succeeded."""
    if digits.isdecimal() and digits.isascii() and len(digits) == 3:
        status = int(digits)
        fields["http.response.status_code"] = status
        if status:
            fields["event.outcome"] = "success" if status < 400 else "failure"


def set_number(fields: Fields, column: str, digits: str) -> None:
    """A count that is whole and not absurd; nothing otherwise, as for the sign of a value that is not there."""
    if digits.isdecimal() and digits.isascii() and len(digits) <= _LONGEST_NUMBER:
        fields[column] = int(digits)


def unescaped(text: str) -> str:
    r"""A text as it was before the server escaped it for its log: `\"`, `\\`, and `\xhh` where those are printable."""
    if "\\" not in text:
        return text
    return _CHARACTER.sub(r"\1", _ESCAPES.sub(_characters, text))


def _characters(escapes: re.Match[str]) -> str:
    try:
        plain = bytes.fromhex(escapes[0].replace("\\x", "")).decode()
    except UnicodeDecodeError:
        return escapes[0]
    # A backslash stays escaped here, for what follows not to be taken as escaped by it.
    return plain.replace("\\", "\\\\") if plain.isprintable() else escapes[0]
