"""What an organisation knows of its hosts, accounts and networks in, columns and facts about events out.

The tables are `enrichment/*.yaml`, and CSV files that these name. Where the settings name tables of MaxMind (.mmdb),
addresses get a country and a network operator too. Each distinct value of a batch is looked up once.
Source of the form of MaxMind tables: the MaxMind DB file format specification, version 2.0.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kyber.errors import UsageError
from kyber.finding import Finding
from kyber.logs.values import Value, fold, parts, shown
from kyber.people import Owner
from kyber.problem import Place, Problem, Severity
from kyber.register import Part, Record, Text, private_data, read_all, validate
from kyber.yamltext import Located

if TYPE_CHECKING:
    from maxminddb.reader import Reader

    from kyber.logs.batch import EventBatch
    from kyber.logs.column import Codes, Column

GLOB: Final = "enrichment/*.yaml"
MAX_TABLE: Final = 67_108_864
"""Bytes of a CSV table."""
MAX_BROKEN: Final = 20
"""Problems that are told of one by one of a CSV table; the others are counted."""
REMEMBERED: Final = 65_536
"""Values of each kind whose facts are kept at hand."""

Address = IPv4Address | IPv6Address
Facts = Mapping[str, Value]
"""What is known of one value, by the last part of a column's name."""


# --- the register ----------------------------------------------------------------------------------------------------


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else _no_network()
    except ValueError:
        return _no_network()


def _no_network() -> object:
    raise PydanticCustomError("network", "not a network")


Network_ = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    WithJsonSchema({"type": "string", "examples": ["10.1.0.0/16", "2001:db8::/32"]}),
]


class Criticality(StrEnum):
    """How much depends on a host; in this order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Asset(Record):
    """What is known of a host."""

    host: Text
    """The host's name as logs have it; without a domain, it stands for the host of that name in every domain."""
    owner: Owner | None = None
    """The role or person that answers for the host."""
    service: Text | None = None
    """The service of the organisation that it belongs to."""
    criticality: Criticality | None = None
    """How much depends on it."""
    note: Text | None = None
    """Anything else that helps to judge a finding."""


class User(Record):
    """What is known of an account. No more of a person than it takes to judge a finding."""

    name: Text
    """The account's name as logs have it."""
    department: Text | None = None
    """The unit that its user works in."""
    title: Text | None = None
    """The task of its user."""
    privileged: bool | None = None
    """Whether it has rights that others do not have."""


class Network(Record):
    """What is known of a network."""

    cidr: Network_
    """The network's address and length."""
    name: Text
    """The name as it is shown."""
    zone: Text | None = None
    """The zone of trust that it belongs to."""


Tabled = Asset | User | Network
_KINDS: Final[Mapping[str, tuple[type[Tabled], str]]] = {
    "assets": (Asset, "host"),
    "users": (User, "name"),
    "networks": (Network, "cidr"),
}
"""Each table: its model, and the field that names an entry."""


class CsvFiles(Part):
    """Tables that are kept as CSV: a header with the names of the fields, then a row an entry."""

    assets: Text | None = None
    """A file of hosts, from the workspace's root or absolute."""
    users: Text | None = None
    """A file of accounts."""
    networks: Text | None = None
    """A file of networks."""


class Tables(Record):
    """What is known of hosts, accounts and networks."""

    assets: tuple[Asset, ...] = ()
    """The hosts."""
    users: tuple[User, ...] = ()
    """The accounts."""
    networks: tuple[Network, ...] = ()
    """The networks; where one lies in another, the smaller one counts."""
    csv_: CsvFiles = Field(default=CsvFiles(), alias="csv")
    """The same as CSV files."""


# --- looking things up -----------------------------------------------------------------------------------------------


class Networks:
    """Networks by the addresses in them: the smallest one that holds an address counts."""

    __slots__ = ("_by_length",)

    def __init__(self, networks: Iterable[Network]) -> None:
        by_length: dict[tuple[int, int], dict[int, Network]] = {}
        for one in networks:
            key = one.cidr.version, one.cidr.prefixlen
            by_length.setdefault(key, {})[int(one.cidr.network_address) >> _host_bits(*key)] = one
        self._by_length = dict(sorted(by_length.items(), reverse=True))

    def find(self, address: Address) -> Network | None:
        """The smallest network that holds the address."""
        number = int(address)
        for (version, length), networks in self._by_length.items():
            if version == address.version:
                found = networks.get(number >> _host_bits(version, length))
                if found is not None:
                    return found
        return None

    def __bool__(self) -> bool:
        return bool(self._by_length)


def _host_bits(version: int, length: int) -> int:
    return (32 if version == 4 else 128) - length


@dataclass(frozen=True, slots=True)
class Geo:
    """One table of MaxMind."""

    file: str
    reader: "Reader"

    def facts(self, address: Address) -> Facts:
        """What the table says of an address. Raises UsageError where the table is damaged."""
        from maxminddb import InvalidDatabaseError

        try:
            found = self.reader.get(address)
        except InvalidDatabaseError:
            raise UsageError(f"{self.file} is damaged: fetch the table again, or take it out of geoip") from None
        except ValueError:  # an address of version 6 in a table for version 4
            found = None
        if not isinstance(found, dict):
            return {}
        country = found.get("country")
        facts = {
            "geo.country_iso_code": country.get("iso_code") if isinstance(country, dict) else None,
            "as.number": found.get("autonomous_system_number"),
            "as.organization.name": found.get("autonomous_system_organization"),
        }
        return {name: value for name, value in facts.items() if isinstance(value, str | int) and value != ""}


@dataclass(frozen=True)
class Enrichment:
    """What is known, ready to be looked up. Names of hosts and accounts are found in any case."""

    assets: Mapping[str, Asset] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    networks: Networks = field(default_factory=lambda: Networks(()))
    geo: tuple[Geo, ...] = ()
    columns: "Mapping[str, Callable[[EventBatch], Column | None]]" = field(init=False, repr=False, compare=False)
    """The columns that events get, each worked out from another one when it is asked for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(_columns(self)))

    def host(self, name: str) -> Facts:
        """`owner`, `service`, `criticality` and `note` of a host."""
        folded = fold(name)
        found = self.assets.get(folded) or self.assets.get(folded.partition(".")[0])
        return {} if found is None else _given(found, "owner", "service", "criticality", "note")

    def user(self, name: str) -> Facts:
        """`department`, `title` and `privileged` of an account."""
        found = self.users.get(fold(name))
        return {} if found is None else _given(found, "department", "title", "privileged")

    def address(self, text: str) -> Facts:
        """What networks and tables say of an address, by the names that stand in COLUMNS."""
        try:
            address = ip_address(text.strip())
        except ValueError:
            return {}
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        found = self.networks.find(address)
        facts: dict[str, Value] = {}
        for geo in self.geo:
            facts |= geo.facts(address)
        if found is not None:
            facts |= {f"network.{name}": value for name, value in _given(found, "name", "zone").items()}
        return facts


def enriched(batch: "EventBatch", enrichment: Enrichment) -> "EventBatch":
    """The batch, in which the columns of the enrichment can be asked for like any other."""
    batch.derived = {**batch.derived, **enrichment.columns}
    return batch


def facts_of(finding: Finding, enrichment: Enrichment) -> Mapping[str, str]:
    """What is known of a finding's host, account and addresses, by the names of the columns that events get."""
    known: dict[str, str] = {}
    for base, prefix, find in _bases(enrichment):
        value = finding.group.get(base) or finding.sample.fields.get(base, "")
        known |= {f"{prefix}.{name}": shown(fact) for name, fact in find(value).items()}
    return known


_ADDRESS: Final = ("network.name", "network.zone", "geo.country_iso_code", "as.number", "as.organization.name")
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "host": ("owner", "service", "criticality", "note"),
    "user": ("department", "title", "privileged"),
    "source": _ADDRESS,
    "destination": _ADDRESS,
}
COLUMNS: Final = tuple(f"{prefix}.{name}" for prefix, names in _NAMES.items() for name in names)
"""Every column that events may get."""


def _bases(enrichment: Enrichment) -> Iterator[tuple[str, str, Callable[[str], Facts]]]:
    """What is looked up, as far as anything is known: a column, the beginning of the names of its facts, and how."""
    if enrichment.assets:
        yield "host.name", "host", enrichment.host
    if enrichment.users:
        yield "user.name", "user", enrichment.user
    if enrichment.networks or enrichment.geo:
        yield "source.ip", "source", enrichment.address
        yield "destination.ip", "destination", enrichment.address


def _columns(enrichment: Enrichment) -> "Iterator[tuple[str, Callable[[EventBatch], Column | None]]]":
    for base, prefix, find in _bases(enrichment):
        remembered = lru_cache(REMEMBERED)(find)
        for name in _NAMES[prefix]:
            yield f"{prefix}.{name}", partial(_looked_up, base=base, name=name, find=remembered)


def _looked_up(batch: "EventBatch", *, base: str, name: str, find: Callable[[str], Facts]) -> "Column | None":
    """One fact about each distinct value of a column; absent where nothing is known."""
    import numpy as np

    from kyber.logs.column import ABSENT, Column

    column = batch.column(base)
    if column is None:
        return None
    values: list[Value] = []
    codes: list[int] = []
    for value in column.values:
        facts = [fact for part in parts(value) if isinstance(part, str) and (fact := find(part).get(name)) is not None]
        codes.append(len(values) if facts else ABSENT)
        if facts:
            values.append(tuple(each for fact in facts for each in parts(fact)) if len(facts) > 1 else facts[0])
    if not values:
        return None
    table: Codes = np.array([*codes, ABSENT], dtype=np.int32)  # the last one is for rows without the column
    return Column(table[column.codes], values)


def _given(record: Record, *names: str) -> Facts:
    found = ((name, getattr(record, name)) for name in names)
    return {
        name: value.value if isinstance(value, Criticality) else value for name, value in found if value is not None
    }


# --- reading the tables ----------------------------------------------------------------------------------------------

T = TypeVar("T", bound=Tabled)


def load(root: Path, geoip: Iterable[str] = ()) -> tuple[Enrichment, tuple[Problem, ...]]:
    """What the workspace at `root` knows, and what is to be mended. `geoip`: the settings' tables of MaxMind."""
    files, problems = read_all(root, GLOB, Tables)
    entries, found = _gathered(files, root)
    geo, missing = _geo(root, geoip)
    known: Any = entries
    enrichment = Enrichment(
        assets=known["assets"], users=known["users"], networks=Networks(known["networks"].values()), geo=geo
    )
    return enrichment, (*problems, *found, *missing)


def hosts(files: Iterable[Tables], root: Path) -> Mapping[str, Asset]:
    """What tables that were read already say of hosts, by name; see `load`."""
    known: Any = _gathered(files, root)[0]
    found: Mapping[str, Asset] = known["assets"]
    return found


def check_tables(files: Iterable[Tables], root: Path, geoip: Iterable[str]) -> Iterator[Problem]:
    """What is to be mended in tables beyond their own YAML: in CSV files and tables of MaxMind, and K01."""
    yield from _gathered(files, root)[1]
    yield from _geo(root, geoip)[1]


def _gathered(files: Iterable[Tables], root: Path) -> tuple[Mapping[str, Mapping[str, Tabled]], list[Problem]]:
    """The entries by table and name. Where two have one name, the first counts and the other is K01."""
    found: list[Problem] = []
    entries: dict[str, dict[str, Tabled]] = {kind: {} for kind in _KINDS}
    places: dict[tuple[str, str], Place] = {}
    for file in files:
        for kind, (model, name) in _KINDS.items():
            listed = [(one, file.where(kind, at, name)) for at, one in enumerate(getattr(file, kind))]
            path = getattr(file.csv_, kind)
            if path is not None:
                rows, broken = read_csv(root / path, model, file.where("csv", kind))
                listed += [(one, one.at) for one in rows]
                found += broken
            for one, place in listed:
                key = fold(str(getattr(one, name)))
                if key in entries[kind]:
                    found.append(Problem(place, "K01", {"id": key, "first": places[kind, key]}))
                else:
                    entries[kind][key], places[kind, key] = one, place
    return entries, found


def read_csv(file: Path, model: type[T], named_at: Place) -> tuple[tuple[T, ...], tuple[Problem, ...]]:
    """The entries of a CSV table, each with its place, and what is to be mended in it.

    Commas or semicolons part the cells, whichever the header has more of. An empty cell is an absent one.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_TABLE + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return (), (Problem(named_at, "K83", {"reason": f"{file}: {reason}"}),)
    if len(raw) > MAX_TABLE:
        return (), (Problem(Place(str(file)), "K93", {"limit": MAX_TABLE}),)
    problems = list(private_data(raw, str(file)))
    rows: list[T] = []
    broken: list[Problem] = []
    try:
        text = raw.decode("utf-8-sig")
        head = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
        names = [name.strip() for name in next(reader, [])]
        known = tuple(model.model_fields)
        for name in filter(None, names):
            if name not in known:
                problems.append(Problem(Place(str(file), 1), "K90", {"key": name, "known": known}, Severity.WARNING))
        for line, cells in _numbered(reader):
            entry, wrong = validate(_row(names, cells, known, line), str(file), model)
            broken += wrong
            if entry is not None:
                rows.append(entry)
    except (UnicodeDecodeError, csv.Error) as error:
        problems.append(Problem(Place(str(file)), "K83", {"reason": str(error)}))
    if len(broken) > MAX_BROKEN:
        more = len(broken) - MAX_BROKEN
        broken[MAX_BROKEN:] = [Problem(broken[MAX_BROKEN].place, "K83", {"reason": f"{more} more values are wrong"})]
    return tuple(rows), (*problems, *broken)


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with its line."""
    line = reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _row(names: list[str], cells: list[str], known: tuple[str, ...], line: int) -> Located:
    """A row as a mapping. What stands beyond the header has no name, so that it is told of as a field not known."""
    named = zip(names, cells, strict=False)
    made = Located({name: cell.strip() for name, cell in named if name in known and cell.strip()})
    made |= {f"column {at}": cell for at, cell in enumerate(cells[len(names) :], len(names) + 1) if cell.strip()}
    made.line, made.lines = line, dict.fromkeys(made, line)
    return made


def _geo(root: Path, geoip: Iterable[str]) -> tuple[tuple[Geo, ...], list[Problem]]:
    paths = [root / path for path in geoip]
    if not paths:
        return (), []
    try:
        import maxminddb
    except ImportError:
        return (), [Problem(Place(str(paths[0])), "S19")]
    found, problems = [], []
    for path in paths:
        try:
            found.append(Geo(str(path), maxminddb.open_database(path)))
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            problems.append(Problem(Place(str(path)), "S18", {"file": path, "reason": reason}))
    return tuple(found), problems
