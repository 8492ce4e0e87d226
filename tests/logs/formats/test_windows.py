"""Windows events: one and the same event is the same event in whatever form it was exported."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin
from kyber.logs.formats import Context, Format
from kyber.logs.formats.known import detect
from kyber.logs.formats.windows import EVTX, WINDOWS, WINDOWS_DOCUMENT, column
from kyber.logs.inputs import Input
from kyber.logs.records import FRAMINGS
from kyber.logs.schema import table
from kyber.logs.stream import Stream
from kyber.logs.values import Value, text
from tests.data import unpacked

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TIME = "2026-03-04T10:15:30.123456Z"
Made = dict[str, Any]

PROCESS: Made = {
    "system": {
        "provider": "Microsoft-Windows-Sysmon",
        "id": 1,
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "computer": "ws-17.tampere.example",
        "record": 4711,
        "pid": 2204,
        "sid": "S-1-5-18",
    },
    "data": {
        "UtcTime": "2026-03-04 10:15:30.120",
        "ProcessId": 6612,
        "Image": "C:\\Windows\\System32\\cmd.exe",
        "CommandLine": 'cmd.exe /c "echo ääkköset & whoami"',
        "CurrentDirectory": "C:\\Users\\liisa\\",
        "User": "KUNTA\\liisa",
        "LogonId": "0x3e7",
        "IntegrityLevel": "High",
        "Hashes": "SHA1=0123,MD5=4567",
        "ParentImage": "C:\\Windows\\explorer.exe",
        "ParentCommandLine": "explorer.exe",
        "OriginalFileName": "Cmd.Exe",
    },
}
LOGON: Made = {
    "system": {
        "provider": "Microsoft-Windows-Security-Auditing",
        "id": 4625,
        "channel": "Security",
        "computer": "dc-1.tampere.example",
        "record": 99,
        "pid": 612,
        "sid": None,
    },
    "data": {
        "SubjectUserName": "-",
        "TargetUserName": "matti",
        "IpAddress": "192.0.2.7",
        "IpPort": "50123",
        "LogonType": 3,
        "Status": "0xc000006d",
    },
}
DEFENDER: Made = {
    "system": {
        "provider": "Microsoft-Windows-Windows Defender",
        "id": 1116,
        "channel": "Microsoft-Windows-Windows Defender/Operational",
        "computer": "ws-17.tampere.example",
        "record": 5,
        "pid": 3000,
        "sid": "S-1-5-18",
    },
    "data": {"Threat Name": "Virus:DOS/EICAR_Test_File", "Severity Name": "Severe", "Path": "file:_C:\\eicar.com"},
}
EVENTS = (PROCESS, LOGON, DEFENDER)

# --- the forms -------------------------------------------------------------------------------------------------------


def evtx_dump(event: Made) -> Made:
    system = event["system"]
    return {
        "Event": {
            "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
            "System": {
                "Provider": {"#attributes": {"Name": system["provider"], "Guid": "11"}},
                "EventID": system["id"],
                "Level": 4,
                "TimeCreated": {"#attributes": {"SystemTime": TIME}},
                "EventRecordID": system["record"],
                "Execution": {"#attributes": {"ProcessID": system["pid"], "ThreadID": 3}},
                "Channel": system["channel"],
                "Computer": system["computer"],
                "Security": {"#attributes": {"UserID": system["sid"]}},
            },
            "EventData": event["data"],
        }
    }


def qualified(event: Made) -> Made:
    """As evtx_dump writes the ids of older providers."""
    made = evtx_dump(event)
    system = made["Event"]["System"]
    system["EventID"] = {"#attributes": {"Qualifiers": 16384}, "#text": system["EventID"]}
    return made


def separate_attributes(event: Made) -> Made:
    """As evtx_dump with attributes apart, and Chainsaw."""
    made = evtx_dump(event)["Event"]
    system = {}
    for key, value in made["System"].items():
        if isinstance(value, dict):
            system[f"{key}_attributes"] = value["#attributes"]
        else:
            system[key] = value
    return {"Event": {"System": system, "EventData": made["EventData"]}, "Event_attributes": made["#attributes"]}


def xml_to_json(event: Made) -> Made:
    """As general converters of XML write attributes."""
    made = evtx_dump(event)
    system = made["Event"]["System"]
    system["Provider"] = {"@Name": event["system"]["provider"]}
    system["TimeCreated"] = {"@SystemTime": TIME}
    return made


def winlogbeat(event: Made) -> Made:
    system, data = event["system"], event["data"]
    return {
        "@timestamp": TIME,
        "agent": {"type": "winlogbeat", "hostname": "collector"},
        "ecs": {"version": "8.0.0"},
        "event": {"code": str(system["id"]), "provider": system["provider"], "kind": "event"},
        "host": {"name": "collector"},
        "log": {"level": "information"},
        "message": "Process Create:\nRuleName: -",
        "user": {"name": str(data.get("User", "")).rpartition("\\")[2]},
        "winlog": {
            "channel": system["channel"],
            "computer_name": system["computer"],
            "event_id": str(system["id"]),
            "event_data": data,
            "provider_name": system["provider"],
            "record_id": system["record"],
            "process": {"pid": system["pid"], "thread": {"id": 3}},
            "user": {"identifier": system["sid"]},
        },
    }


def dotted(event: Made) -> Made:
    """As winlogbeat, with the paths of keys written out."""
    found: Made = {}

    def add(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{path}.{key}" if path else key, inner)
        else:
            found[path] = value

    add("", winlogbeat(event))
    return found


def nxlog(event: Made) -> Made:
    system = event["system"]
    return {
        "EventTime": "2026-03-04 12:15:30",
        "Hostname": system["computer"],
        "Keywords": -9223372036854775808,
        "EventID": system["id"],
        "SourceName": system["provider"],
        "ProviderGuid": "{11}",
        "Channel": system["channel"],
        "RecordNumber": system["record"],
        "ExecutionProcessID": system["pid"],
        "UserID": system["sid"],
        "Opcode": "Info",
        "host": "collector",
        "port": 6514,
        "tags": ["mordor"],
        "@timestamp": TIME,
        "@version": "1",
        **event["data"],
    }


def hit(form: Callable[[Made], Made]) -> Callable[[Made], Made]:
    def made(event: Made) -> Made:
        return {"_index": "winlogbeat-8", "_id": "abc", "_score": 1.0, "_source": form(event)}

    made.__name__ = f"hit_of_{form.__name__}"
    return made


PLAIN = (evtx_dump, qualified, separate_attributes, xml_to_json, winlogbeat, dotted, nxlog)
FORMS = (*PLAIN, hit(winlogbeat), hit(nxlog), hit(evtx_dump))
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


# --- reading ---------------------------------------------------------------------------------------------------------


def batches(path: Path, form: Format | None = None) -> Iterator[tuple[Format, EventBatch]]:
    stream = Stream(Input(path.name, path, path.stat().st_size, NOW))
    try:
        form = form or detect(stream.sample)
        parser = form.parser(Context(reference=NOW, zone=UTC))
        for chunk in FRAMINGS[form.framing](stream):
            parsed = parser.feed(chunk)
            assert parsed.records == len(chunk.records)
            yield form, made(parsed, form)
    finally:
        stream.close()


def made(parsed: Any, form: Format = WINDOWS, zone: Any = UTC) -> EventBatch:
    return EventBatch(parsed, Origin("s", "f", b"", zone), LogSource(), table(form.table), form.column, form.json)


def batch_of(*events: Made, zone: Any = UTC) -> EventBatch:
    records = [json.dumps(event).encode() for event in events]
    parser = WINDOWS.parser(Context(reference=NOW, zone=UTC))
    return made(parser.feed(Chunk(records, list(range(len(records))))), zone=zone)


def first(batch: EventBatch, *names: str) -> list[Value]:
    """What the columns hold, as text, one by one; None where a column is absent."""
    found = (batch.column(name) for name in names)
    return [None if one is None or one.codes[0] < 0 else text(one.at(0)) for one in found]  # type: ignore[arg-type]


def sigma(batch: EventBatch, field: str) -> str | None:
    found = batch.first_of(batch.table.where_is(field))
    return None if found is None or found.codes[0] < 0 else text(found.at(0))  # type: ignore[arg-type]


COLUMNS = {
    "winlog.event_id": "1",
    "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
    "winlog.provider_name": "Microsoft-Windows-Sysmon",
    "winlog.computer_name": "ws-17.tampere.example",
    "winlog.record_id": "4711",
    "winlog.process.pid": "2204",
    "winlog.user.identifier": "S-1-5-18",
    "host.name": "ws-17.tampere.example",
    "event.code": "1",
    "user.name": "liisa",
    "user.domain": "KUNTA",
    "process.executable": "C:\\Windows\\System32\\cmd.exe",
    "process.command_line": 'cmd.exe /c "echo ääkköset & whoami"',
    "process.working_directory": "C:\\Users\\liisa\\",
    "process.parent.executable": "C:\\Windows\\explorer.exe",
    "process.pid": "6612",
    "process.pe.original_file_name": "Cmd.Exe",
    "winlog.event_data.Hashes": "SHA1=0123,MD5=4567",
}


@each_form
def test_an_event_has_the_same_columns_in_every_form(form: Callable[[Made], Made]) -> None:
    batch = batch_of(form(PROCESS))
    assert dict(zip(COLUMNS, first(batch, *COLUMNS), strict=True)) == COLUMNS
    assert batch.times.tolist() == [1_772_619_330_123_456]


@each_form
def test_a_logon_names_who_and_from_where_in_every_form(form: Callable[[Made], Made]) -> None:
    names = ("user.name", "source.ip", "source.port", "host.name", "winlog.event_data.LogonType")
    assert first(batch_of(form(LOGON)), *names) == ["matti", "192.0.2.7", "50123", "dc-1.tampere.example", "3"]


@each_form
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["system"]["id"]))
def test_sigma_finds_each_field_in_every_form(form: Callable[[Made], Made], event: Made) -> None:
    batch, system = batch_of(form(event)), event["system"]
    asked = {"EventID": system["id"], "Channel": system["channel"], "Provider_Name": system["provider"]}
    asked |= {"Computer": system["computer"]} | {key.replace(" ", ""): value for key, value in event["data"].items()}
    assert {field: sigma(batch, field) for field in asked} == {key: str(value) for key, value in asked.items()}


@each_form
def test_the_logsource_of_an_event_is_known_in_every_form(form: Callable[[Made], Made]) -> None:
    batch = batch_of(form(PROCESS), form(LOGON), form(DEFENDER))
    held = {
        name: np_or([batch.where(one) for one in conditions])
        for name, conditions in (*batch.table.services.items(), *batch.table.categories.items())
    }
    assert {name for name, rows in held.items() if rows[0]} == {"sysmon", "process_creation"}
    assert {name for name, rows in held.items() if rows[1]} == {"security"}
    assert {name for name, rows in held.items() if rows[2]} == {"windefend", "antivirus"}


def np_or(rows: list[Any]) -> list[bool]:
    return [any(one) for one in zip(*(each.tolist() for each in rows), strict=True)]


def test_forms_beside_each_other_in_one_file_make_one_column() -> None:
    batch = batch_of(*(form(PROCESS) for form in FORMS))
    for name, value in COLUMNS.items():
        found = batch.column(name)
        assert found is not None
        assert {text(found.at(row)) for row in range(batch.rows)} == {value}, name  # type: ignore[arg-type]


# --- what forms do not share -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [["one", "two"], {"#text": ["one", "two"]}])
def test_data_without_names_is_an_array(data: Any) -> None:
    batch = batch_of(evtx_dump({**LOGON, "data": {"Data": data, "Binary": "FF"}}))
    found = batch.first_of(batch.table.where_is("Data"))
    assert found is not None
    assert found.at(0) == ("one", "two")


def test_data_that_is_one_text_is_found_as_data() -> None:
    for data in ("one", {"Data": "one"}, {"Data": {"#text": "one"}}):
        assert sigma(batch_of(evtx_dump({**LOGON, "data": data})), "Data") == "one"


@pytest.mark.parametrize("attributes", [{"#attributes": {"xmlns": "x"}}, {}])
def test_user_data_is_found_under_the_names_of_its_fields(attributes: Made) -> None:
    event = evtx_dump(LOGON)
    del event["Event"]["EventData"]
    event["Event"]["UserData"] = {"LogFileCleared": {**attributes, "SubjectUserName": "matti", "Channel": "System"}}
    batch = batch_of(event)
    assert sigma(batch, "SubjectUserName") == "matti"
    assert first(batch, "user.name", "winlog.channel", "winlog.user_data.Channel") == ["matti", "Security", "System"]


def test_who_printed_a_document_is_its_user() -> None:
    channel = "Microsoft-Windows-PrintService/Operational"
    printed = evtx_dump({**LOGON, "system": {**LOGON["system"], "id": 307, "channel": channel}, "data": {}})
    other = evtx_dump({**LOGON, "system": {**LOGON["system"], "id": 842, "channel": channel}, "data": {}})
    for event in (printed, other):
        event["Event"]["UserData"] = {"DocumentPrinted": {"Param1": 7, "Param3": "matti", "Param8": 12}}
    assert first(batch_of(printed), "user.name") == ["matti"]
    assert first(batch_of(other), "user.name") == [None]


def test_an_event_without_data_is_an_event() -> None:
    for empty in (None, {}, ""):
        assert first(batch_of(evtx_dump({**LOGON, "data": empty})), "winlog.event_id") == ["4625"]


def test_times_without_an_offset_are_read_in_the_zone_of_the_source() -> None:
    event = nxlog(LOGON)
    del event["@timestamp"]
    found = batch_of(event, zone=timezone(timedelta(hours=2))).times.tolist()
    assert found == [1_772_619_330_000_000]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Event.System.Something", "winlog.system.Something"),
        ("Event.EventData.Threat Name", "winlog.event_data.ThreatName"),
        ("Threat Name", "winlog.event_data.ThreatName"),
        ("Event.EventData.Field.#text", "winlog.event_data.Field"),
        ("Event.UserData.EventXML.Param1", "winlog.user_data.Param1"),
        ("_source.winlog.event_data.Image", "winlog.event_data.Image"),
        ("_source.Event.EventData.Image", "winlog.event_data.Image"),
        ("Event.#attributes.xmlns", "winlog.xml.Event.#attributes.xmlns"),
        ("process.command_line", "process.command_line"),
        ("Image", "winlog.event_data.Image"),
        ("Message", "message"),
        ("", "winlog.event_data."),
    ],
)
def test_a_key_has_its_column(path: str, name: str) -> None:
    assert column(path) == name


# --- detection -------------------------------------------------------------------------------------------------------


@each_form
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["system"]["id"]))
def test_each_form_is_told_as_windows_whatever_its_layout(form: Callable[[Made], Made], event: Made) -> None:
    value = form(event)
    compact, wide = json.dumps(value), json.dumps(value, indent=2)
    assert detect(f"{compact}\n{compact}\n".encode()) is WINDOWS
    assert detect(f"broken\n{compact}\n".encode()) is WINDOWS
    layouts = (wide, f"[{compact},{compact}]", json.dumps([value, value], indent=4), f"{wide}\n{wide}")
    assert [detect(one.encode()) for one in layouts] == [WINDOWS_DOCUMENT] * 4
    assert detect(f"Record 1\n{wide}\nRecord 2\n{wide}\n".encode()) is WINDOWS_DOCUMENT


def test_an_event_as_long_as_windows_allows_is_told_still(tmp_path: Path) -> None:
    long = {**PROCESS, "data": {"ScriptBlockText": "ä" * 32_000}}
    path = tmp_path / "long.json"
    path.write_text(f"{json.dumps(evtx_dump(long))}\n" * 3, encoding="utf-8")
    ((form, batch),) = batches(path)
    assert (form, batch.rows) == (WINDOWS, 3)


@pytest.mark.parametrize(
    "other",
    [
        {"a": 1},
        {"EventID": 5, "what": "of another kind"},
        {"eventName": "ConsoleLogin", "eventSource": "signin"},
        {"Event": {"System": "a text"}},
        {"Event": "x", "System": {"name": "y"}},
        {"winlog": "x"},
        {"_source": {"message": "x"}},
    ],
)
def test_other_json_is_not_told_as_windows(other: Made) -> None:
    assert detect(json.dumps(other).encode()).name == "json"
    assert detect(json.dumps([other], indent=1).encode()).name == "json-document"


def test_an_event_log_is_told_by_how_it_begins() -> None:
    assert detect(b"ElfFile\0" + bytes(100)) is EVTX


# --- the binary form -------------------------------------------------------------------------------------------------

SAMPLES = ("LM_5145_Remote_FileCopy.evtx", "rogue_msi_url_1040_1042.evtx", "etw_rpc_zerologon.evtx")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("layout", ["lines", "array", "numbered"])
def test_an_event_log_and_its_own_dump_agree(name: str, layout: str, tmp_path: Path) -> None:
    (log,) = unpacked("evtx-samples.tar.gz").rglob(name)
    ((form, binary),) = batches(log)
    values = [json.loads(record) for record in binary.raw]
    wide = [json.dumps(value, indent=2) for value in values]
    dump = tmp_path / "dump.json"
    dump.write_bytes(
        {
            "lines": b"".join(one + b"\n" for one in binary.raw),
            "array": json.dumps(values, indent=2).encode(),
            "numbered": "".join(f"Record {number}\n{one}\n" for number, one in enumerate(wide, 1)).encode(),
        }[layout]
    )
    ((other_form, other),) = batches(dump)
    assert (form, other_form) == (EVTX, WINDOWS if layout == "lines" else WINDOWS_DOCUMENT)
    assert (binary.rows, set(binary.names)) == (other.rows, set(other.names))
    assert (binary.times == other.times).all()
    for field in (*binary.names, *binary.table.columns):
        here, there = binary.column(field), other.column(field)
        assert (here is None) == (there is None)
        if here is not None and there is not None:
            assert [here.at(row) for row in range(binary.rows)] == [there.at(row) for row in range(other.rows)]
