"""What the messages of services say: a message without its header in, fields with ECS names out.

Two ways, tried in this order. MESSAGES is a table of what well-known services write (`service_mail`,
`service_access`, `service_network`). A message of a service that is not in the table is read by what such messages
have in common: words of a sign-in that failed or succeeded, a user, an address after a word such as `from`, and
`key=value` pairs.

Parts of a message are chosen by whoever talks to the service. A pattern of the table holds for the whole message, and
finds the address where the service itself writes it. The common way gives an address only where the message names no
other, and takes no value from a key that stands there twice with different values.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import DESTINATION, NAMES, SOURCE, fill, named, peer
from kyber.logs.formats.service_access import DATABASES, REMOTE, SIGN_ON, TELEPHONES
from kyber.logs.formats.service_mail import MAIL
from kyber.logs.formats.service_network import NAME_SERVERS, NETWORK, WEB

LONGEST_PAYLOAD: Final = 65_536
"""Characters of a message that is taken apart by the table or as JSON."""
LONGEST_COMMON: Final = 8_192
"""Characters of a message that is read by what such messages have in common."""
MAX_NESTED: Final = 6
"""Levels of JSON in which keys are looked for."""

MESSAGES: Final = (*MAIL, *DATABASES, *REMOTE, *TELEPHONES, *NAME_SERVERS, *SIGN_ON, *WEB, *NETWORK)
"""The first that a message is of, in this order, reads it."""

# --- what such messages have in common -------------------------------------------------------------------------------

_SUBJECTS: Final = ("auth", "log", "sign", "passw", "credential", "otp", "2fa")
_BADS: Final = (
    *("fail", "den", "reject", "invalid", "unsucc", "incorrect", "wrong", "error", "unknown", "not ", "n't", "no such"),
    *("unable", "bad", "block", "lock", "nonexist", "non-exist", "refused", "forbidden", "rate-limit", "attempt"),
    *("exceed", "mismatch", "unauthori", "illegal"),
)
_GOODS: Final = ("succe", "accepted", "logged", "signed", "authenticated", "granted")
"""Texts in lower case without which there is no such word as the expressions below look for: cheaper to look for."""
_SUBJECT = (
    r"(?:authenticat|authoriz|log(?:ged)?[ -]?(?:in|on)\b|sign(?:ed)?[ "
    r"-]?in|passw|credential|\bauth\b|\botp\b|\btotp\b|2fa)"
)
_BAD = (
    r"(?:fail|denied|deny|reject|invalid|unsuccess|incorrect|wrong|\berror|unknown|not "
    r"found|does ?n[o']t (?:exist|match)|unable|could not|"
    r"bad\b|blocked|locked\b|non-?existent|refused|forbidden|rate-limit|attempt(?:s)? from|exceed|mismatch|"
    r"unauthori[sz]ed|can(?:not|'t))"
)
_GOOD = r"(?:success|succeed|accepted|logged[ -]?in|signed[ -]?in|authenticated\b|granted)"
_FAILURE = re.compile(rf"{_SUBJECT}[^\n]{{0,60}}?{_BAD}|{_BAD}[^\n]{{0,60}}?{_SUBJECT}", re.IGNORECASE | re.ASCII)
_NO_USER = re.compile(
    (
        r"(?:unknown|invalid|no such|illegal) user\b|user(?:name)? .{0,80}?"
        r"(?:not found|unknown|invalid|not exist)|auth(?:entication)?-(?:fail|error)"
    ),
    re.I | re.A,
)
_SUCCESS = re.compile(
    rf"{_SUBJECT}[^\n]{{0,60}}?{_GOOD}|{_GOOD}[^\n]{{0,60}}?{_SUBJECT}|logged[ -]?in\b|signed[ -]?in\b",
    re.IGNORECASE | re.ASCII,
)
_OUT = re.compile(r"log(?:ged|ging)?[ -]?out|logoff|sign(?:ed)?[ -]?out", re.IGNORECASE | re.ASCII)

_ADDRESS = re.compile(
    r"(?<![\w.:/-])(\[[0-9A-Fa-f:.]{3,45}\](?::[0-9]{1,5})?"
    r"|(?:::ffff:)?[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:[:#][0-9]{1,5})?(?!\w|\.[0-9])"
    r"|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,43}(?![\w:]))",
    re.ASCII,
)
_MARKED = re.compile(
    r"(?:\bfrom|\bclient|\bremote|\brhost|\bip|\bpeer|\bsource|\bhost|\baddr"
    r"(?:ess)?|\bvan|\bvon|\b(?:from|private|public|remote|client|source) (?:ip|host|address|addr))"
    r"(?: address)?[\s=:\[\"'`(<]{1,4}$",
    re.IGNORECASE | re.ASCII,
)
_BEFORE_ADDRESS: Final = 32
_QUOTED = re.compile(
    r"\b(?:user(?:[ _-]?names?)?|account|login|identifier|e-?mail|identity|name)"
    r"(?: (?:named|id|input|name|with username input|with name|account|address))?[\s:=]{0,3}"
    r"(?:\"([^\"\n]{1,256})\"|'([^'\n]{1,256})'|`([^`\n]{1,256})[`']|\[([^\[\]\n]{1,256})\]|<([^<>\n]{1,256})>)",
    re.IGNORECASE | re.ASCII,
)
_FOR_QUOTED = re.compile(
    r"\b(?:for|of|by|as|failed:) (?:\"([^\"\n]{1,256})\"|'([^'\n]{1,256})'|`([^`\n]{1,256})[`'])",
    re.IGNORECASE | re.ASCII,
)
_KEYED = re.compile(
    r"\b(?:user[ _-]?name|user|login|account|e-?mail)[:=] ?([^\s,;:()\[\]\"'=]{1,128})", re.IGNORECASE | re.ASCII
)
_BARE = re.compile(
    r"\b(?:for|of|by|as)(?: (?:invalid|unknown|illegal|nonexistent))?(?: (?:user|username|account))? "
    r"([^\s,;:()\[\]\"'`]{1,128}?)(?= from\b| at\b| has\b| against\b| \(|[,;:]|\.?$|\. )",
    re.IGNORECASE | re.ASCII,
)
_WORDED = re.compile(
    r"\b(?:user|username|account) ([^\s,;:()\[\]\"'`]{1,128}?)\.?(?= |[,;:(]|$)", re.IGNORECASE | re.ASCII
)
_BEGINNING = re.compile(r"(?:failed: )([^\s,;:()\[\]\"'`]{1,128}) \(", re.IGNORECASE | re.ASCII)
_NO_NAME_WORDS: Final = (
    "a an and any are as at be been but by can cannot could denied details does doesn't error exist failed "
    "failure for from found had has have id in input invalid ip is it logged login name no none not of on or "
    "password rate rejected request session successful successfully that the this to tried unknown user username "
    "via was were which with you your action api authentication account attempt access web admin-panel client "
    "using while host address due"
)
_NO_NAMES: Final = frozenset(_NO_NAME_WORDS.split())
_REASON = re.compile(r"\breason: ?([^,;.\n]{2,160})", re.IGNORECASE | re.ASCII)
_LAST = re.compile(r"\(([A-Za-z][A-Za-z _-]{2,80})\)\.?$", re.ASCII)
_PAIR = re.compile(
    r"(?:^|[\s,;\[({])([A-Za-z][A-Za-z0-9_.-]{0,40})=(\"[^\"\n]{0,512}\"|'[^'\n]{0,512}'|<[^<>\n]{0,256}>|[^\s,;\"]{1,512})",
    re.ASCII,
)
PAIRED: Final = frozenset(
    {
        SOURCE,
        DESTINATION,
        "source.port",
        "destination.port",
        "user.name",
        "user.target.name",
        "event.reason",
        "http.request.method",
        "http.response.status_code",
        "url.original",
        "user_agent.original",
    }
)
_IN_TEXT: Final[Mapping[str, str]] = {
    key: column for key, column in NAMES.items() if column in PAIRED and key not in {"request", "path", "status", "t"}
}
_EVENT_TYPES: Final = (
    # What stands as `type` or `SecurityEvent` or the like, part of it, and what it means
    ("LOGIN_ERROR", "failure"),
    ("LOGIN_FAILED", "failure"),
    ("login_failed", "failure"),
    ("invalid_login", "failure"),
    ("InvalidPassword", "failure"),
    ("InvalidAccountID", "failure"),
    ("ChallengeResponseFailed", "failure"),
    ("FailedACL", "failure"),
    ("SuccessfulAuth", "success"),
    ("LOGIN_SUCCESS", "success"),
)


def read_service(text: str) -> Fields | None:
    """The fields of one message; None where nothing in it is known."""
    if len(text) > LONGEST_PAYLOAD:
        return None
    text = text.strip()
    for one in MESSAGES:
        if one.holds in text and (fields := one.read(text)) is not None:
            return fields
    payload = read_payload(text)
    if payload:
        return payload
    return _common(text) if len(text) <= LONGEST_COMMON else None


def _common(text: str) -> Fields | None:
    fields = _paired(text) if "=" in text else {}
    outcome = _outcome(text)
    if outcome:
        fields["event.category"] = "authentication"
        fields.setdefault("event.action", "logout" if outcome == "out" else "login")
        if outcome != "out":
            fields["event.outcome"] = outcome
    _set_address(fields, text, bool(outcome))
    if outcome and "user.name" not in fields and (user := _user(text)):
        fields["user.name"] = user
    if outcome == "failure" and "event.reason" not in fields and (told := _REASON.search(text) or _LAST.search(text)):
        fill(fields, "event.reason", told[1])
    return fields or None


def _outcome(text: str) -> str:
    """`failure` or `success` of a sign-in, `out` for the end of a session, or nothing."""
    for word, outcome in _EVENT_TYPES:
        if word in text:
            return outcome
    low = text.lower()
    if "user" not in low and not any(one in low for one in _SUBJECTS):
        return ""
    if any(one in low for one in _BADS) and (_FAILURE.search(text) or _NO_USER.search(text)):
        return "failure"
    if any(one in low for one in _GOODS) and _SUCCESS.search(text):
        return "success"
    return "out" if ("out" in low or "logoff" in low) and _OUT.search(text) else ""


def _paired(text: str) -> Fields:
    """What `key=value` pairs in a message say. A key that has two values has none."""
    values: dict[str, str] = {}
    twice = set()
    for key, value in _PAIR.findall(text):
        key, value = key.lower(), value.strip("\"'<>")
        if key in _IN_TEXT and values.setdefault(key, value) != value:
            twice.add(key)
    return named(((key, value) for key, value in values.items() if key not in twice), _IN_TEXT)


def _set_address(fields: Fields, text: str, signing_in: bool) -> None:
    """The address that a message names, if it is one: after a word such as `from`, at its start, or of a sign-in.

    One that a key gave stays only if no such word gives another.
    """
    every: dict[str, int | None] = {}
    marked: dict[str, int | None] = {}
    for found in _ADDRESS.finditer(text):
        known = peer(found[1])
        if known is None:
            continue
        before = text[max(0, found.start() - _BEFORE_ADDRESS) : found.start()]
        if _MARKED.search(before) is not None or (not every and not before.strip("[(<\"' ")):
            marked[known[0]] = marked.get(known[0]) or known[1]
        every[known[0]] = every.get(known[0]) or known[1]
    if "source.ip" in fields:
        if marked.keys() - {fields["source.ip"], fields.get("destination.ip")}:
            del fields["source.ip"]
            fields.pop("source.port", None)
        return
    chosen = marked or every if signing_in else marked if len(every) == 1 else {}
    if len(chosen) == 1:
        ((address, port),) = chosen.items()
        fields["source.ip"] = address
        if port is not None:
            fields.setdefault("source.port", port)


def _user(text: str) -> str | None:
    for form in (_QUOTED, _FOR_QUOTED, _KEYED, _BARE, _WORDED, _BEGINNING):
        for found in form.finditer(text):
            name = next((one for one in found.groups() if one), "").strip().rstrip(".")
            if name and name.lower() not in _NO_NAMES and peer(name) is None:
                return name
    return None


# --- JSON within a message -------------------------------------------------------------------------------------------


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < MAX_NESTED:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list):
        if value and not isinstance(value[0], (dict, list)):
            yield path, str(value[0])
    elif value is not None and not isinstance(value, (bool, dict)):
        yield path, str(value)


def of_json(event: Mapping[str, Any]) -> Fields:
    """What the keys of a JSON object say: those at its top first, then those within, by their last part."""
    leaves = list(_leaves(event, "", 0))
    fields = named(leaves)
    nested = [(path.rpartition(".")[2], value) for path, value in leaves if "." in path]
    for column, value in named(nested).items():
        if column not in {"message", "host.name", "event.action", "log.level", "process.name", "event.reason"}:
            fields.setdefault(column, value)
    for _, value in leaves:
        if len(value) < 64 and (outcome := next((what for word, what in _EVENT_TYPES if word in value), None)):
            fields |= {"event.category": "authentication", "event.outcome": outcome}
            break
    return _signed_in(fields)


def read_payload(text: str) -> Fields | None:
    """What a JSON object says that is a message, or stands in one after a few words; None where there is none."""
    start = text.find("{", 0, 200)
    if start < 0:
        return None
    try:
        event = orjson.loads(text[start : text.rfind("}") + 1])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict) or not event:
        return None
    fields = of_json(event)
    said = event.get("message", event.get("msg"))
    if isinstance(said, str) and not said.lstrip().startswith("{"):
        for column, value in (read_service(said) or {}).items():
            fields.setdefault(column, value)
    for column, value in (_common(text[:start]) or {}).items() if start else ():
        fields.setdefault(column, value)
    fields.pop("message", None)
    return _signed_in(fields)


def _signed_in(fields: Fields) -> Fields:
    """Of a sign-in, the address for mail is the user's name where no other is told."""
    if fields.get("event.category") == "authentication" and "user.email" in fields:
        fields.setdefault("user.name", fields["user.email"])
    return fields
