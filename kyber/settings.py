"""The settings of a workspace: `kyber.yaml` in, frozen Settings out. No secret stands in it, only where to find one."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kyber.problem import Problem, Severity
from kyber.register import Id, Part, Record, Ref, Span, Text

FILE: Final = "kyber.yaml"
LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
ADDRESS: Final = re.compile(
    r"(?=[^@]{1,64}@.{1,189}\Z)[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*",
    re.ASCII | re.IGNORECASE,
)
"""An e-mail address that every mail server takes: plain letters, nothing quoted. Source: RFC 5321, 4.1.2, 4.5.3.1."""
NAMESPACE: Final = re.compile(r"[a-z0-9_][a-z0-9_.]{0,99}", re.ASCII)
"""What can be the last part of the name of a data stream: without `-`, which parts it from what stands before."""


def shown_address(url: str) -> str:
    """An address without what may be secret in it, whatever else is wrong with it: credentials, a query, a fragment."""
    head, sign, rest = url.partition("://")
    where = re.split(r"[?#]", (rest if sign else head).rpartition("@")[2])[0]
    return f"{head}{sign}{where}" if sign else where


class RiskLevel(StrEnum):
    """How large a risk is, as the matrix says; in this order."""

    NEGLIGIBLE = "negligible"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    INTOLERABLE = "intolerable"


Matrix = tuple[tuple[int, ...], ...]
"""Rows by likelihood, columns by impact, both from the lowest; each cell is the number (from 1) of a RiskLevel."""


def _rows(*rows: str) -> Matrix:
    return tuple(tuple(int(cell) for cell in row) for row in rows)


MATRICES: Final[Mapping[str, Matrix]] = {
    "5x5": _rows("11223", "12234", "12344", "23345", "23455"),
    "4x4": _rows("1123", "1223", "2234", "2344"),
    "3x3": _rows("123", "234", "345"),
}


FREQUENCIES: Final[Mapping[int, tuple[float, ...]]] = {
    5: (0.1, 1 / 3, 1.0, 12.0),
    4: (0.1, 1.0, 12.0),
    3: (0.1, 1.0),
}
"""The bounds of the classes of likelihood, in times a year, by how many classes there are."""


def _matrix(value: object) -> object:
    if isinstance(value, str) and value in MATRICES:
        return MATRICES[value]
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 10:
        raise PydanticCustomError("matrix", "not a matrix")
    rows = [[int(cell) for cell in row] if isinstance(row, str) and row.isdecimal() else row for row in value]
    if not all(isinstance(row, list | tuple) and 2 <= len(row) <= 10 and len(row) == len(rows[0]) for row in rows):
        raise PydanticCustomError("matrix", "not a matrix")
    if not all(isinstance(cell, int) and 1 <= cell <= len(RiskLevel) for row in rows for cell in row):
        raise PydanticCustomError("matrix", "not a matrix")
    return rows


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise PydanticCustomError("timezone", "not a time zone") from None
    return value


TimeZone = Annotated[str, AfterValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Helsinki"]})]
"""A name of the IANA time-zone database."""


class Scales(Part):
    """What the rows and columns of the matrix mean."""

    likelihood: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """The frequencies, in times a year, that part one class of likelihood from the next; one fewer than the classes.
    A matrix of three, four or five rows has its own."""
    impact: tuple[Text, ...] = ("safety", "operations", "privacy", "legality", "economy", "reputation")
    """The dimensions on which impact is judged; the whole is the highest."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""One text, or several."""


class Elasticsearch(Part):
    """Where Elasticsearch is and where its credentials are found."""

    url: Texts = ()
    """The address, for example https://logs.example:9200; several where there are several nodes."""
    cloud_id: Text | None = None
    """Instead of an address: the id of a deployment in Elastic Cloud."""
    api_key_env: Text | None = None
    """The environment variable that holds the API key."""
    api_key_file: Text | None = None
    """The file that holds the API key."""
    username: Text | None = None
    """The user name, where no API key is used."""
    password_env: Text | None = None
    """The environment variable that holds the password."""
    password_file: Text | None = None
    """The file that holds the password."""
    ca_file: Text | None = None
    """The certificate of the authority that signed the server's certificate, where the system does not know it."""
    client_cert: Text | None = None
    """The certificate that kyber shows to the server, where it asks for one."""
    client_key_file: Text | None = None
    """The file that holds the key of client_cert, where it does not stand in the same file."""
    namespace: Id = "default"
    """The last part of the names of the data streams."""


class Retention(Part):
    """How long kyber keeps what it has made of logs. The logs themselves: `retention` of each log source."""

    findings: Span = Field(default="24 months", validate_default=True)
    """How long a finding is kept after its last event."""
    triage: Span = Field(default="60 months", validate_default=True)
    """How long what was decided about a finding is kept after the last decision."""


class Mail(Part):
    """The mail server that takes digests, and where its password is found."""

    host: Text
    """The name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    """The port: 587 for starttls, most often 465 for tls."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: from the first command on, from the start, or, on this machine only, not."""
    sender: Text = Field(alias="from")
    """The address that digests come from."""
    username: Text | None = None
    """The user name, where the server asks for one."""
    password_env: Text | None = None
    """The environment variable that holds the password, or the systemd credential of that name."""
    password_file: Text | None = None
    """The file that holds the password."""
    ca_file: Text | None = None
    """The certificate of the authority that signed the server's certificate, where the system does not know it."""
    fallback: Annotated[Id, Ref("role")] | None = None
    """The role that is told of what nobody owns."""


class Correlation(Part):
    """What a scan may remember for rules that look at many events."""

    occurrences: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = 5_000_000
    """How many events it holds at once; where there are more, the oldest are left out, and that is said."""


class Settings(Record):
    """The settings of one workspace."""

    organisation: Text
    """The organisation whose workspace this is; it heads the reports."""
    language: Literal["fi", "sv", "en"] = "fi"
    """The language of reports, messages and words in the terminal."""
    timezone: TimeZone = "Europe/Helsinki"
    """The time zone in which times are shown, and read where a log gives none."""
    store: Literal["parquet", "elasticsearch"] = "parquet"
    """Where collected events are kept: in the workspace, or in Elasticsearch."""
    elasticsearch: Elasticsearch | None = None
    """Needed where events are kept in, or shipped to, Elasticsearch."""
    mail: Mail | None = None
    """Needed where digests are sent by mail."""
    geoip: Texts = ()
    """One or more MaxMind tables (.mmdb) that say in which country and network an address is."""
    retention: Retention = Field(default_factory=Retention)
    """How long findings, and what was decided about them, are kept."""
    correlation: Correlation = Correlation()
    """What a scan may remember for rules that look at many events."""
    scales: Scales = Scales()
    """What the rows and columns of the matrix mean."""
    matrix: Annotated[
        Matrix,
        BeforeValidator(_matrix),
        WithJsonSchema({"anyOf": [{"enum": list(MATRICES)}, {"type": "array", "minItems": 2, "maxItems": 10}]}),
    ] = MATRICES["5x5"]
    """`5x5`, `4x4`, `3x3`, or rows by likelihood and columns by impact, from the lowest; cells are 1 (negligible) to 5
    (intolerable)."""
    appetite: Mapping[Text, RiskLevel] = Field(default_factory=dict)
    """The highest level that is borne without treatment, per category of risk."""
    authority: Mapping[RiskLevel, Annotated[Id, Ref("role")]] = Field(default_factory=dict)
    """The role that may accept a risk of this level, and of any lower one."""
    reviews: Mapping[RiskLevel, Span] = Field(default_factory=dict)
    """How often a risk of this level is looked at, where that is not 1, 3, 6 and 12 months, from intolerable down."""

    @property
    def frequencies(self) -> tuple[float, ...]:
        """The frequencies, in times a year, that part one class of likelihood from the next."""
        return self.scales.likelihood or FREQUENCIES.get(len(self.matrix), ())

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def check_settings(settings: Settings) -> Iterator[Problem]:
    """What one field alone does not show: parts of the settings that do not fit together."""
    classes, rows = len(settings.frequencies) + 1, len(settings.matrix)
    if classes != rows:
        yield Problem(settings.where("matrix"), "S02", {"rows": rows, "classes": classes})
    if list(settings.scales.likelihood) != sorted(set(settings.scales.likelihood)):
        yield Problem(settings.where("scales", "likelihood"), "S03")
    if settings.store == "elasticsearch" and settings.elasticsearch is None:
        yield Problem(settings.where("store"), "S04")
    if settings.elasticsearch is not None:
        yield from _check_elasticsearch(settings, settings.elasticsearch)
    if settings.mail is not None:
        yield from _check_mail(settings, settings.mail)


def _check_elasticsearch(settings: Settings, found: Elasticsearch) -> Iterator[Problem]:
    place = settings.where("elasticsearch", "url")
    if bool(found.url) == (found.cloud_id is not None):
        yield Problem(settings.where("elasticsearch"), "S20")
    for url in found.url:
        try:
            address = urlsplit(url)
            usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        except ValueError:
            usable = False
        if not usable:
            yield Problem(place, "S05", {"url": shown_address(url)})
            continue
        if "@" in address.netloc or address.query or address.fragment:
            yield Problem(place, "S06")
        if address.scheme == "http" and address.hostname not in LOOPBACK:
            yield Problem(place, "S07", {"host": address.hostname}, Severity.WARNING)
    keys = [name for name in ("api_key_env", "api_key_file") if getattr(found, name) is not None]
    passwords = [name for name in ("password_env", "password_file") if getattr(found, name) is not None]
    users = ["username"] if found.username is not None else []
    if len(keys) + len(users) > 1 or len(passwords) != len(users):
        yield Problem(settings.where("elasticsearch", *[*keys, *users, *passwords][:1]), "S21")
    if found.client_key_file is not None and found.client_cert is None:
        yield Problem(settings.where("elasticsearch", "client_key_file"), "S22")
    if not NAMESPACE.fullmatch(found.namespace):
        yield Problem(settings.where("elasticsearch", "namespace"), "S23", {"namespace": found.namespace})


def _check_mail(settings: Settings, found: Mail) -> Iterator[Problem]:
    if not _is_host(found.host):
        yield Problem(settings.where("mail", "host"), "S17", {"host": found.host})
    elif found.security == "none" and found.host not in LOOPBACK:
        yield Problem(settings.where("mail", "security"), "S10", {"host": found.host})
    if not ADDRESS.fullmatch(found.sender):
        yield Problem(settings.where("mail", "from"), "S11", {"address": found.sender})
    secrets = [name for name in ("password_env", "password_file") if getattr(found, name) is not None]
    if bool(secrets) != (found.username is not None):
        yield Problem(settings.where("mail", *(secrets[:1] or ("username",))), "S12")
    if len(secrets) > 1:
        yield Problem(settings.where("mail", secrets[1]), "S13")
    if found.fallback is None:
        yield Problem(settings.where("mail"), "S16", severity=Severity.WARNING)


def _is_host(text: str) -> bool:
    if re.fullmatch(r"[a-z0-9](?:[a-z0-9_.-]{0,252}[a-z0-9])?", text, re.ASCII | re.IGNORECASE):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
