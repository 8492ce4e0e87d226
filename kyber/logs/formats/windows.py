"""Windows events -> events under `winlog.*`, from EVTX and from every JSON form in which they are exported.

The forms: evtx_dump and Chainsaw (`Event.System`, `Event.EventData`), Winlogbeat (`winlog.*`, ECS beside it), NXLog and
other flat forms (`EventID`, `Channel` and the event's data side by side), an Elasticsearch hit (`_source`) around any.
They differ in their keys only, so a record is parsed as JSON and its keys are named here, once per distinct key.
Field names lose their spaces, as Sigma's taxonomy wants it.
"""

from typing import Any

from kyber.logs.formats import Format
from kyber.logs.formats.json import document, first_objects, json_parser

_SYSTEM = {
    "Provider.#attributes.Name": "winlog.provider_name",
    "Provider_attributes.Name": "winlog.provider_name",
    "Provider.Name": "winlog.provider_name",
    "Provider.@Name": "winlog.provider_name",
    "Provider.#attributes.EventSourceName": "winlog.event_source_name",
    "Provider_attributes.EventSourceName": "winlog.event_source_name",
    "Provider.#attributes.Guid": "winlog.provider_guid",
    "Provider_attributes.Guid": "winlog.provider_guid",
    "Provider.Guid": "winlog.provider_guid",
    "EventID": "winlog.event_id",
    "EventID.#text": "winlog.event_id",
    "EventID.Value": "winlog.event_id",
    "Version": "winlog.version",
    "Level": "winlog.level",
    "Task": "winlog.task",
    "Opcode": "winlog.opcode",
    "Keywords": "winlog.keywords",
    "EventRecordID": "winlog.record_id",
    "Channel": "winlog.channel",
    "Computer": "winlog.computer_name",
    "TimeCreated.#attributes.SystemTime": "winlog.time_created",
    "TimeCreated_attributes.SystemTime": "winlog.time_created",
    "TimeCreated.SystemTime": "winlog.time_created",
    "TimeCreated.@SystemTime": "winlog.time_created",
    "Execution.#attributes.ProcessID": "winlog.process.pid",
    "Execution_attributes.ProcessID": "winlog.process.pid",
    "Execution.#attributes.ThreadID": "winlog.process.thread.id",
    "Execution_attributes.ThreadID": "winlog.process.thread.id",
    "Security.#attributes.UserID": "winlog.user.identifier",
    "Security_attributes.UserID": "winlog.user.identifier",
    "Correlation.#attributes.ActivityID": "winlog.activity_id",
    "Correlation_attributes.ActivityID": "winlog.activity_id",
}

_FLAT = {
    "EventID": "winlog.event_id",
    "EventId": "winlog.event_id",
    "Channel": "winlog.channel",
    "SourceName": "winlog.provider_name",
    "ProviderName": "winlog.provider_name",
    "Provider": "winlog.provider_name",
    "Provider_Name": "winlog.provider_name",
    "ProviderGuid": "winlog.provider_guid",
    "Hostname": "winlog.computer_name",
    "Computer": "winlog.computer_name",
    "MachineName": "winlog.computer_name",
    "RecordNumber": "winlog.record_id",
    "EventRecordID": "winlog.record_id",
    "Keywords": "winlog.keywords",
    "Task": "winlog.task",
    "Level": "winlog.level",
    "Opcode": "winlog.opcode_name",
    "OpcodeValue": "winlog.opcode",
    "Version": "winlog.version",
    "ExecutionProcessID": "winlog.process.pid",
    "ThreadID": "winlog.process.thread.id",
    "TimeCreated": "winlog.time_created",
    "SystemTime": "winlog.time_created",
    "EventTime": "winlog.event_time",
    "EventReceivedTime": "winlog.received_time",
    "UserID": "winlog.user.identifier",
    "AccountName": "winlog.account_name",
    "AccountType": "winlog.account_type",
    "Domain": "winlog.account_domain",
    "ActivityID": "winlog.activity_id",
    "Message": "message",
    "message": "message",
    "@timestamp": "@timestamp",
    "@version": "labels.version",
    "tags": "tags",
    "host": "observer.hostname",
    "port": "observer.port",
}


def column(path: str) -> str:
    """The column of a key's path in any of the forms."""
    path = path.replace(" ", "").removeprefix("_source.")
    head, _, rest = path.removeprefix("Event.").partition(".")
    if head == "System" and rest:
        return _SYSTEM.get(rest, f"winlog.system.{rest}")
    if head == "EventData":
        if rest in ("", "Data", "Data.#text"):
            return "winlog.event_data.Data"
        return f"winlog.event_data.{rest.removesuffix('.#text')}"
    if head == "UserData" and rest:
        inner = rest.partition(".")[2] or rest
        return f"winlog.user_data.{inner.removesuffix('.#text')}"
    if path.startswith("Event.") or head in ("Event", "Event_attributes"):
        return f"winlog.xml.{path}"
    if rest and head.islower():  # ECS beside the event, `winlog.*` included; event data is not nested
        return path
    return _FLAT.get(path) or f"winlog.event_data.{path}"


_MARKS = ("Channel", "SourceName", "ProviderName", "Provider_Name", "ProviderGuid", "Computer", "Hostname", "Image")


def _is_event(value: dict[str, Any]) -> bool:
    inner = value.get("_source")
    value = inner if isinstance(inner, dict) else value
    if isinstance(value.get("winlog"), dict) or "winlog.event_id" in value or "winlog.channel" in value:
        return True
    event = value.get("Event", value)
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return "EventID" in event["System"] or "Channel" in event["System"]
    return ("EventID" in value or "EventId" in value) and any(mark in value for mark in _MARKS)


def _detect(objects: list[dict[str, Any]]) -> int:
    return 90 if objects and sum(map(_is_event, objects)) * 2 > len(objects) else 0


EVTX = Format(
    name="evtx",
    own_identity=True,
    title="Windows event log (EVTX)",
    framing="evtx",
    detect=lambda sample: 100 if sample.startswith(b"ElfFile\x00") else 0,
    parser=json_parser,
    json=True,
    product="windows",
    table="windows",
    column=column,
)
WINDOWS = Format(
    name="windows",
    title="Windows events as JSON lines (evtx_dump, Winlogbeat/ECS, NXLog, flat)",
    detect=lambda sample: _detect(first_objects(sample)),
    parser=json_parser,
    json=True,
    product="windows",
    table="windows",
    column=column,
)
WINDOWS_DOCUMENT = Format(
    name="windows-document",
    title="Windows events as JSON over several lines, or in one array",
    framing="json",
    detect=document(_detect),
    parser=json_parser,
    json=True,
    product="windows",
    table="windows",
    column=column,
)
