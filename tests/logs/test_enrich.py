from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from kyber.errors import UsageError
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.enrich import COLUMNS, MAX_BROKEN, Enrichment, Network, Networks, enriched, facts_of, load
from kyber.logs.schema import table
from tests.render.results import CODE, finding

YAML = """\
assets:
  - {host: DC1, owner: it-operations, service: ad, criticality: critical}
  - {host: www1.county.example, note: behind the proxy}
users:
  - {name: Anna, department: Ward 3, privileged: true}
networks:
  - {cidr: 10.0.0.0/8, name: County, zone: inside}
  - {cidr: 10.1.0.0/16, name: Hospital}
  - {cidr: "2001:db8::/32", name: Six}
"""


def lay_out(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_csv", ".csv").replace("_yaml", ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def known(root: Path, text: str = YAML, *geoip: str) -> Enrichment:
    found, problems = load(lay_out(root, enrichment__tables_yaml=text), geoip)
    assert problems == ()
    return found


def mmdb(file: Path, networks: Mapping[str, Mapping[str, Any]], version: int = 4) -> str:
    writer = MMDBWriter(ip_version=version)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(file))
    return str(file)


def batch(*events: dict[str, Any]) -> EventBatch:
    parsed = Parsed(
        events=list(events),
        raw=[b"x"] * len(events),
        numbers=list(range(1, len(events) + 1)),
        offsets=list(range(len(events))),
    )
    return EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table("json"))


def values(made: EventBatch, name: str) -> list[Any]:
    column = made.column(name)
    return [None] * made.rows if column is None else [column.at(row) for row in range(made.rows)]


# --- looking things up -----------------------------------------------------------------------------------------------


def test_a_host_is_found_in_any_case_and_without_its_domain_only_where_the_table_gives_none(tmp_path: Path) -> None:
    found = known(tmp_path)
    expected = {"owner": "it-operations", "service": "ad", "criticality": "critical"}
    for name in ("dc1", "DC1", "dc1.county.example", "DC1.elsewhere.example"):
        assert found.host(name) == expected
    assert found.host("www1.COUNTY.example") == {"note": "behind the proxy"}
    for name in ("www1", "www1.elsewhere.example", "dc2", ""):
        assert found.host(name) == {}


def test_the_smallest_network_that_holds_an_address_counts(tmp_path: Path) -> None:
    found = known(tmp_path)
    assert found.address("10.2.3.4") == {"network.name": "County", "network.zone": "inside"}
    assert found.address("10.1.3.4") == {"network.name": "Hospital"}
    assert found.address("::ffff:10.1.3.4") == {"network.name": "Hospital"}
    assert found.address("2001:db8::1%eth0") == {"network.name": "Six"}
    for text in ("11.0.0.1", "2001:db9::1", "10.1", "-", "", "dc1"):
        assert found.address(text) == {}


ADDRESSES = st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address))
NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda pair: ip_network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1]))
    ),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda pair: ip_network((pair[0] >> (128 - pair[1]) << (128 - pair[1]), pair[1]))
    ),
)


@given(st.lists(NETWORKS, max_size=12, unique=True), st.data())
def test_networks_are_found_as_by_looking_at_each_of_them(networks: list[Any], data: st.DataObject) -> None:
    inside = [st.integers(int(one[0]), int(one[-1])).map(type(one[0])) for one in networks]
    address = data.draw(st.one_of(ADDRESSES, *inside))
    found = Networks(Network(cidr=str(one), name=str(one)) for one in networks).find(address)
    holding = [one for one in networks if one.version == address.version and address in one]
    expected = max(holding, key=lambda one: one.prefixlen, default=None)
    assert (found.cidr if found else None) == expected


# --- columns of events -----------------------------------------------------------------------------------------------


def test_events_get_columns_of_what_is_known_and_none_of_what_is_not(tmp_path: Path) -> None:
    events = (
        {"host": {"name": "dc1"}, "user": {"name": "anna"}, "source": {"ip": "10.1.0.9"}},
        {"host": {"name": "nas"}, "user": {"name": "ANNA"}, "destination": {"ip": "10.2.0.9"}},
        {"message": "nothing at all"},
        {"host": {"name": "DC1"}, "source": {"ip": ["203.0.113.1", "10.1.0.1", "10.2.0.1"]}},
    )
    made = enriched(batch(*events), known(tmp_path))
    assert values(made, "host.criticality") == ["critical", None, None, "critical"]
    assert values(made, "user.privileged") == [True, True, None, None]
    assert values(made, "source.network.name") == ["Hospital", None, None, ("Hospital", "County")]
    assert values(made, "destination.network.zone") == [None, "inside", None, None]
    assert made.column("host.note") is None
    assert made.column("source.geo.country_iso_code") is None


def test_each_distinct_value_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    look = Enrichment.address
    monkeypatch.setattr(Enrichment, "address", lambda self, text: asked.append(text) or look(self, text))
    found = known(tmp_path)
    for _ in range(3):
        made = enriched(batch(*({"source": {"ip": f"10.1.0.{n % 5}"}} for n in range(100))), found)
        assert values(made, "source.network.name") == ["Hospital"] * 100
        assert made.column("source.network.zone") is None
    assert sorted(asked) == [f"10.1.0.{n}" for n in range(5)]


def test_without_tables_there_are_no_columns(tmp_path: Path) -> None:
    found, problems = load(tmp_path)
    assert (dict(found.columns), problems) == ({}, ())
    made = batch({"host": {"name": "dc1"}})
    assert enriched(made, found).derived == {}
    assert facts_of(finding(), found) == {}


def test_every_column_that_events_get_is_listed(tmp_path: Path) -> None:
    assert set(known(tmp_path).columns) == set(COLUMNS)


# --- facts about a finding -------------------------------------------------------------------------------------------


def test_a_finding_gets_facts_about_its_host_account_and_addresses_as_text(tmp_path: Path) -> None:
    geo = mmdb(tmp_path / "country.mmdb", {"198.51.100.0/24": {"country": {"iso_code": "SE"}}})
    one = replace(
        finding(group={"host.name": "dc1.county.example", "user.name": "anna", "source.ip": "10.1.2.3"}),
        sample=replace(finding().sample, fields={"destination.ip": "198.51.100.7"}),
    )
    assert facts_of(one, known(tmp_path, YAML, geo)) == {
        "host.owner": "it-operations",
        "host.service": "ad",
        "host.criticality": "critical",
        "user.department": "Ward 3",
        "user.privileged": "true",
        "source.network.name": "Hospital",
        "destination.geo.country_iso_code": "SE",
    }
    assert facts_of(finding(group={}, fields={}), known(tmp_path)) == {}


# --- tables of MaxMind -----------------------------------------------------------------------------------------------


def test_an_address_has_a_country_and_an_operator_where_tables_say_so(tmp_path: Path) -> None:
    country = mmdb(tmp_path / "country.mmdb", {"198.51.100.0/24": {"country": {"iso_code": "SE"}}})
    operator = mmdb(
        tmp_path / "asn.mmdb",
        {"2001:db8::/32": {"autonomous_system_number": 64_500, "autonomous_system_organization": "Example Net"}},
        version=6,
    )
    found = known(tmp_path, "{}\n", "country.mmdb", operator)
    assert found.address("198.51.100.9") == {"geo.country_iso_code": "SE"}
    assert found.address("2001:db8::9") == {"as.number": 64_500, "as.organization.name": "Example Net"}
    assert found.address("203.0.113.9") == {}
    made = enriched(batch({"source": {"ip": "198.51.100.9"}}), found)
    assert values(made, "source.geo.country_iso_code") == ["SE"]
    assert country.endswith(".mmdb")


@pytest.mark.parametrize("record", [{"country": "SE"}, {"country": {}}, {"country": {"iso_code": ["x"]}}, {"other": 1}])
def test_a_table_of_another_kind_says_nothing(record: Mapping[str, Any], tmp_path: Path) -> None:
    geo = mmdb(tmp_path / "odd.mmdb", {"198.51.100.0/24": record})
    assert known(tmp_path, "{}\n", geo).address("198.51.100.9") == {}


def test_a_table_that_is_missing_or_broken_is_told_of_and_the_rest_is_used(tmp_path: Path) -> None:
    mmdb(tmp_path / "good.mmdb", {"198.51.100.0/24": {"country": {"iso_code": "SE"}}})
    (tmp_path / "broken.mmdb").write_bytes(b"nothing of the kind")
    found, problems = load(tmp_path, ("none.mmdb", "broken.mmdb", "good.mmdb"))
    assert [(one.code, Path(one.place.file).name) for one in problems] == [("S18", "none.mmdb"), ("S18", "broken.mmdb")]
    assert found.address("198.51.100.9") == {"geo.country_iso_code": "SE"}


def test_a_table_that_turns_out_to_be_damaged_is_no_silent_miss(tmp_path: Path) -> None:
    file = mmdb(tmp_path / "cut.mmdb", {"198.51.100.0/24": {"country": {"iso_code": "SE"}}})
    whole = Path(file).read_bytes()
    at = whole.index(b"iso_code") - 20
    Path(file).write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
    found = known(tmp_path, "{}\n", "cut.mmdb")
    with pytest.raises(UsageError, match=r"cut\.mmdb is damaged"):
        found.address("198.51.100.9")


# --- reading the tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("comma", [",", ";"])
def test_tables_are_read_from_csv_too_with_commas_or_semicolons(comma: str, tmp_path: Path) -> None:
    rows = ["host,service,criticality,owner", "dc1,ad,critical,", "", '"www1",web,,it-operations']
    lay_out(
        tmp_path,
        enrichment__tables_yaml="csv: {assets: assets.csv, users: users.csv, networks: networks.csv}\n",
        assets_csv="\ufeff" + "\r\n".join(rows).replace(",", comma),
        users_csv=f"name{comma}privileged\nanna{comma}yes\neero{comma}false\n",
        networks_csv=f"cidr{comma}name\n10.1.0.0/16{comma}Hospital\n",
    )
    found, problems = load(tmp_path)
    assert problems == ()
    assert found.host("DC1") == {"service": "ad", "criticality": "critical"}
    assert found.host("www1") == {"service": "web", "owner": "it-operations"}
    assert (found.user("anna"), found.user("eero")) == ({"privileged": True}, {"privileged": False})
    assert found.address("10.1.1.1") == {"network.name": "Hospital"}


def test_what_is_wrong_in_a_table_is_told_with_its_line_and_the_rest_is_used(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        enrichment__a_yaml="csv: {assets: a.csv}\nnetworks: [{cidr: 10.0.0.1/8, name: x}]\n",
        enrichment__b_yaml=(
            "assets: [{host: dc1}]\nusers: [{name: anna}, {name: ANNA}]\ncsv: {users: none.csv, networks: n.csv}\n"
        ),
        a_csv="host,service,colour\ndc1,ad,red\n,web,\nwww1,,,more\nnas,,\n",
        n_csv="cidr,name\n10.0.0.0/8,County\nnowhere,x\n",
    )
    found, problems = load(tmp_path)
    told = {(one.code, Path(one.place.file).name, one.place.line) for one in problems}
    assert told == {
        ("K81", "a.yaml", 2),
        ("K83", "b.yaml", 3),
        ("K81", "n.csv", 3),
        ("K01", "b.yaml", 2),
    }
    assert found.user("anna") == {}
    assert found.address("10.9.9.9") == {"network.name": "County"}
    lay_out(tmp_path, enrichment__a_yaml="csv: {assets: a.csv}\n")
    found, problems = load(tmp_path)
    told = {(one.code, Path(one.place.file).name, one.place.line) for one in problems}
    assert {("K90", "a.csv", 1), ("K80", "a.csv", 3), ("K90", "a.csv", 4), ("K01", "b.yaml", 1)} <= told
    assert found.host("dc1") == {"service": "ad"}


def test_of_many_wrong_values_some_are_told_one_by_one_and_the_others_counted(tmp_path: Path) -> None:
    rows = "".join(f"host{number},soon\n" for number in range(100))
    lay_out(tmp_path, enrichment__a_yaml="csv: {assets: a.csv}\n", a_csv=f"host,criticality\n{rows}last,low\n")
    found, problems = load(tmp_path)
    assert [one.code for one in problems] == ["K07"] * MAX_BROKEN + ["K83"]
    assert problems[-1].facts == {"reason": f"{100 - MAX_BROKEN} more values are wrong"}
    assert found.host("last") == {"criticality": "low"}


def test_an_identity_code_in_a_table_is_an_error_and_is_not_shown(tmp_path: Path) -> None:
    lay_out(tmp_path, enrichment__a_yaml="csv: {users: u.csv}\n", u_csv=f"name,title\nanna,{CODE}\n")
    _, problems = load(tmp_path)
    assert [(one.code, one.place.line) for one in problems] == [("K08", 2)]
    assert CODE not in str(problems)


@given(st.binary(max_size=300))
def test_no_csv_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = tmp_path_factory.mktemp("csv")
    lay_out(root, enrichment__a_yaml="csv: {networks: n.csv}\n")
    (root / "n.csv").write_bytes(b"cidr,name\n203.0.113.0/24,Good\n" + raw)
    found, problems = load(root)
    unreadable = "K83" in [one.code for one in problems]
    assert unreadable or found.address("203.0.113.1") == {"network.name": "Good"}
