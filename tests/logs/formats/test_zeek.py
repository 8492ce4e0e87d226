"""Zeek's logs: in its own form and as JSON, each event knows of which log it is."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.zeek import ZEEK, ZEEK_JSON, ZeekJsonParser, ZeekParser, column, detect, detect_json, kind_of
from kyber.logs.schema import table
from tests.logs.formats.asked import records

REFERENCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
DNS = (
    "#separator \\x09",
    "#set_separator\t,",
    "#empty_field\t(empty)",
    "#unset_field\t-",
    "#path\tdns",
    "#open\t2026-03-04-10-00-00",
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\tqtype_name\tAA\tZ\tanswers\tTTLs",
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tstring\tbool\tcount\tvector[string]\tvector[interval]",
)
ROW = (
    "1772619330.123456\tCa\t192.0.2.7\t50123\t192.0.2.5\t53\tudp\tx.example.org\tA\tT\t0\t192.0.2.1,192.0.2.2\t6.0,5.5"
)
BARE = "1772619331.000000\tCb\t2001:db8::7\t50124\t192.0.2.53\t53\tudp\t-\t-\tF\t1\t(empty)\t-"


def read(*lines: str) -> Parsed:
    sample = "\n".join(lines).encode()
    parser = ZeekParser(Context(reference=REFERENCE, zone=UTC, sample=sample))
    parsed = parser.feed(Chunk([line.encode() for line in lines], [0] * len(lines)))
    assert parsed.records == len(lines)
    assert parser.notes == {}
    return parsed


def test_columns_and_their_types_are_those_that_the_log_names() -> None:
    parsed = read(*DNS, ROW, BARE, "#close\t2026-03-04-11-00-00")
    first, second = parsed.events
    assert parsed.blank == len(DNS) + 1
    assert first == {
        "event.original": ROW,
        "@timestamp": 1_772_619_330_123_456,
        "_path": "dns",
        "ts": 1772619330.123456,
        "uid": "Ca",
        "id.orig_h": "192.0.2.7",
        "id.orig_p": 50123,
        "id.resp_h": "192.0.2.5",
        "id.resp_p": 53,
        "proto": "udp",
        "query": "x.example.org",
        "qtype_name": "A",
        "AA": True,
        "Z": 0,
        "answers": ["192.0.2.1", "192.0.2.2"],
        "TTLs": [6.0, 5.5],
    }
    assert second.keys() & {"query", "qtype_name", "TTLs"} == set()
    assert (second["AA"], second["answers"]) == (False, [])


def test_another_separator_is_taken_as_it_is_named() -> None:
    (found,) = read(
        "#separator ,",
        "#set_separator,|",
        "#unset_field,NIL",
        "#path,x",
        "#fields,a,b,c",
        "#types,string,set[port],int",
        "p,1|2,NIL",
    ).events
    assert {key: found[key] for key in ("_path", "a", "b")} == {"_path": "x", "a": "p", "b": [1, 2]}
    assert "c" not in found


def test_what_is_not_of_its_type_stays_text_and_no_cell_is_lost() -> None:
    (found,) = read(
        "#fields\tts\ta\tb\tc", "#types\ttime\tcount\tdouble\tbool", "soon\tmany\thigh\tperhaps\tmore"
    ).events
    assert {key: found[key] for key in ("ts", "a", "b", "c", "extra")} == {
        "ts": "soon",
        "a": "many",
        "b": "high",
        "c": "perhaps",
        "extra": ["more"],
    }
    assert "@timestamp" not in found


def test_a_line_before_any_columns_is_rejected() -> None:
    assert [one.reason for one in read("a\tb").rejects] == ["F44"]


def test_reading_may_begin_anywhere() -> None:
    sample = "\n".join((*DNS, ROW, BARE)).encode()
    parser = ZeekParser(Context(reference=REFERENCE, zone=UTC, sample=sample))
    (found,) = parser.feed(Chunk([BARE.encode()], [sample.index(BARE.encode())])).events
    assert (found["_path"], found["id.orig_h"]) == ("dns", "2001:db8::7")


# --- JSON ------------------------------------------------------------------------------------------------------------

ID = {
    "ts": 1772619330.123456,
    "uid": "Ca",
    "id.orig_h": "192.0.2.7",
    "id.orig_p": 1,
    "id.resp_h": "192.0.2.1",
    "id.resp_p": 2,
}
KINDS: dict[str, dict[str, Any]] = {
    "conn": {"proto": "tcp", "conn_state": "SF", "history": "ShADad"},
    "dns": {"query": "x.example.org", "rejected": False, "AA": False},
    "http": {"trans_depth": 1, "method": "GET", "host": "example.org", "uri": "/a", "request_body_len": 0},
    "ssl": {"version": "TLSv13", "cipher": "TLS_AES_128_GCM_SHA256", "established": True},
    "ssh": {"version": 2, "auth_attempts": 3, "auth_success": False},
    "smtp": {"trans_depth": 1, "helo": "a", "mailfrom": "x@example.org"},
    "dce_rpc": {"endpoint": "svcctl", "operation": "CreateServiceW", "named_pipe": "svcctl"},
    "kerberos": {"request_type": "TGS", "client": "liisa/EXAMPLE.ORG", "cipher": "rc4-hmac"},
    "ntlm": {"username": "liisa", "hostname": "A", "domainname": "EXAMPLE", "success": True},
    "smb_files": {"action": "SMB::FILE_OPEN", "path": "\\\\a\\ADMIN$", "name": "x.tmp", "size": 1},
    "smb_mapping": {"path": "\\\\a\\C$", "share_type": "DISK"},
    "rdp": {"cookie": "liisa", "result": "Success", "security_protocol": "HYBRID"},
    "x509": {"certificate.version": 3, "certificate.serial": "01", "certificate.subject": "CN=a"},
    "files": {"fuid": "F1", "source": "HTTP", "mime_type": "text/plain"},
    "notice": {"note": "Scan::Port_Scan", "msg": "m", "actions": ["Notice::ACTION_LOG"], "suppress_for": 3600.0},
    "weird": {"name": "bad_TCP_checksum", "notice": False, "peer": "zeek"},
    "software": {"software_type": "HTTP::BROWSER", "name": "curl"},
    "": {"something": "else"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_s_log_is_told_from_its_fields(kind: str) -> None:
    assert kind_of({**ID, **KINDS[kind]}) == kind


def test_the_log_that_an_event_names_itself_counts() -> None:
    lines = [
        json.dumps(one).encode() for one in ({**ID, **KINDS["conn"]}, {"_path": "mine", **ID, **KINDS["conn"]}, {})
    ]
    parsed = ZeekJsonParser().feed(Chunk([*lines, b"[1]", b"{"], [0] * 5))
    assert [one.get("_path") for one in parsed.events] == ["conn", "mine", None]
    assert [one.reason for one in parsed.rejects] == ["F40", "F41"]


def test_both_forms_of_ids_and_times_give_the_same_columns() -> None:
    nested = {"ts": "2026-03-04T10:15:30.123456Z", "uid": "Ca", "id": {"orig_h": "192.0.2.7", "resp_p": 2}}
    parsed = ZeekJsonParser().feed(Chunk([json.dumps(one).encode() for one in (ID, nested)], [0, 1]))
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table("zeek"), column)
    for name, value in (("source.ip", "192.0.2.7"), ("destination.port", 2), ("zeek.uid", "Ca")):
        found = batch.column(name)
        assert found is not None
        assert [found.at(row) for row in range(2)] == [value, value]
    assert batch.times.tolist() == [1_772_619_330_123_456] * 2


@pytest.mark.parametrize(
    ("sample", "sure"),
    [
        (json.dumps({**ID, **KINDS["conn"]}), 92),
        (json.dumps({"ts": 1.5, "id": {"orig_h": "192.0.2.7"}, "uid": "C"}), 92),
        (json.dumps({"ts": 1.5, "_path": "files", "fuid": "F1", "source": "HTTP"}), 92),
        (json.dumps({"ts": "2026-03-04T10:15:30Z", "level": "info", "msg": "x"}), 0),
        (json.dumps({"ts": 1.5, "uid": "7", "user": "liisa"}), 0),
        (json.dumps({"@timestamp": "x", **ID, **KINDS["conn"]}), 0),
    ],
)
def test_only_what_zeek_writes_is_taken_for_it(sample: str, sure: int) -> None:
    assert detect_json(sample.encode()) == sure


@pytest.mark.parametrize(
    ("sample", "sure"),
    [("\n".join(DNS), 99), ("\n".join(DNS[4:]), 99), ("#Fields: a b", 0), ("# a\nfields\tts", 0), ("", 0)],
)
def test_zeek_s_own_form_is_told_by_how_it_names_columns(sample: str, sure: int) -> None:
    assert detect(sample.encode()) == sure


# --- rules -----------------------------------------------------------------------------------------------------------

LOG = "\n".join((*DNS, ROW, BARE, "")).encode()
JSON = "\n".join(json.dumps({**ID, **one}) for one in KINDS.values()).encode()
AT = {kind: number for number, kind in enumerate(KINDS, start=1)}


@pytest.mark.parametrize(
    ("log", "service", "detection", "expected"),
    [
        (LOG, "dns", ("query|endswith: .example.org", "answers: 192.0.2.2", "id.resp_p: 53"), 9),
        (LOG, "dns", ("Z: 1", "id.orig_h|cidr: 2001:db8::/32", "AA: false"), 10),
        (JSON, "http", ("c-uri: /a", "cs-method: GET", "cs-host: example.org"), AT["http"]),
        (JSON, "dce_rpc", ("endpoint: svcctl", "operation: CreateServiceW"), AT["dce_rpc"]),
        (JSON, "smb_files", ("path|contains: ADMIN$", "name|endswith: .tmp"), AT["smb_files"]),
        (JSON, "kerberos", ("request_type: TGS", "cipher: rc4-hmac"), AT["kerberos"]),
        (JSON, "x509", ("certificate.serial: '01'",), AT["x509"]),
        (JSON, "rdp", ("user.name: liisa", "src_ip: 192.0.2.7"), AT["rdp"]),
    ],
)
def test_rules_for_zeek_find_what_they_look_for(
    tmp_path: Path, log: bytes, service: str, detection: tuple[str, ...], expected: int
) -> None:
    assert records(tmp_path, log, {"product": "zeek", "service": service}, detection) == [expected]


def test_rules_for_any_dns_and_proxy_find_it_too(tmp_path: Path) -> None:
    assert records(tmp_path, LOG, {"category": "dns"}, ("query: x.example.org", "record_type: A")) == [9]
    assert records(tmp_path, JSON, {"category": "proxy"}, ("c-uri: /a",)) == [AT["http"]]


# --- whatever it is fed ----------------------------------------------------------------------------------------------

LINE = st.text(st.sampled_from("#fieldstypes\t(empty)-,\\x09set[vector]0123.T"), max_size=24)


@given(st.lists(st.sampled_from(DNS) | LINE, max_size=8))
def test_whatever_stands_in_a_file_is_accounted_for(lines: list[str]) -> None:
    parsed = read(*DNS, *lines)
    assert len(parsed.events) + len(parsed.rejects) + parsed.blank == len(DNS) + len(lines)


@given(
    st.dictionaries(
        st.sampled_from(["ts", "id", "_path", "certificate", "uid", "query", "rejected"]),
        st.none()
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.none()),
    )
)
def test_whatever_an_object_holds_it_is_an_event(value: dict[str, Any]) -> None:
    record = json.dumps(value).encode()
    assert len(ZeekJsonParser().feed(Chunk([record], [0])).events) == 1
    assert 0 <= detect_json(record) <= 100


def test_the_formats_stand_under_their_names() -> None:
    assert [(one.name, one.product, one.table) for one in (ZEEK, ZEEK_JSON)] == [
        ("zeek", "zeek", "zeek"),
        ("zeek-json", "zeek", "zeek"),
    ]
