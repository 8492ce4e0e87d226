"""Audit logs of cloud services, as JSON -> events by the services' own names: AWS CloudTrail, Microsoft 365, Azure.

Sources: the CloudTrail record contents; Microsoft's schema of the Office 365 Management Activity API; the schemas of
the sign-in and audit logs of Entra ID and of the Azure activity log, as diagnostic settings, Graph and Log Analytics
write them. One event a line, or documents in which arrays hold them (`{"Records": [...]}`, `{"value": [...]}`,
`[...]`); from Microsoft 365 also the CSV export whose column `AuditData` holds JSON.

Fields are `aws.cloudtrail.`, `m365.` and `azure.` and their own names; of Azure in lower case and without
`properties.`, since every way of export writes them otherwise. What rules look for as text, though it is an object or
an array, is under `text.` too. An address with its port is taken apart.

Codes: F40, F41 as in JSON.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.delimited import cells, records
from kyber.logs.formats import Format
from kyber.logs.formats.delimited import DelimitedParser
from kyber.logs.formats.json import JsonParser, first_objects, whole
from kyber.logs.formats.line import Event
from kyber.logs.formats.names import peer
from kyber.logs.records import ENVELOPE

__all__ = ["CLOUD", "CloudParser", "M365CsvParser"]

MOST_NAMED: Final = 64
"""Pairs of a name and a value, in an array of such, that become fields of their own."""
AUDIT_DATA: Final = "AuditData"

_OWN: Final = frozenset(
    ("event.original", "event.outcome", "source.ip", "source.port", "source.domain", "csv.extra", "@timestamp")
)
"""Fields that are given here, and so have their ECS names already."""

Prepare = Callable[[dict[str, Any]], None]
"""Adds to an event what its rules and findings need beside its own fields."""


def _set_text(event: dict[str, Any], *names: str) -> None:
    """Objects and arrays as JSON, under `text.`."""
    for name in names:
        value = event.get(name)
        if isinstance(value, dict | list) and value:
            try:
                event[f"text.{name}"] = orjson.dumps(value).decode()
            except TypeError:  # too deep, or a number too large, for that
                continue


def _set_source(event: dict[str, Any], *names: str) -> None:
    """The first of the fields that holds an address, or the name of a service."""
    for name in names:
        value = event.get(name)
        if not isinstance(value, str) or not value:
            continue
        found = peer(value)
        if found is None:
            event.setdefault("source.domain", value)
            continue
        event["source.ip"] = found[0]
        if found[1] is not None:
            event["source.port"] = found[1]
        event.pop("source.domain", None)
        return


def _set_outcome(event: dict[str, Any], success: bool) -> None:
    event["event.outcome"] = "success" if success else "failure"


def _inner(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


# --- AWS -------------------------------------------------------------------------------------------------------------

_CLOUDTRAIL: Final = frozenset(("eventVersion", "eventSource", "eventName", "awsRegion"))


def _prepare_aws(event: dict[str, Any]) -> None:
    _set_text(event, "requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
    _set_source(event, "sourceIPAddress")
    failed = event.get("errorCode") or _inner(event, "responseElements").get("ConsoleLogin") == "Failure"
    _set_outcome(event, not failed)


# --- Microsoft 365 ---------------------------------------------------------------------------------------------------

_AUDIT: Final = frozenset(("CreationTime", "Operation", "Workload"))
_NAMED: Final = ("ExtendedProperties", "Parameters", "OperationProperties", "DeviceProperties")
_SUCCESS: Final = frozenset(("success", "succeeded", "true", "partiallysucceeded"))
_FAILURE: Final = frozenset(("failed", "failure", "false", "userloginfailed"))


def _prepare_m365(event: dict[str, Any]) -> None:
    _set_text(event, *_NAMED, "ModifiedProperties")
    for name in _NAMED:
        pairs = event.get(name)
        for pair in pairs[:MOST_NAMED] if isinstance(pairs, list) else ():
            if isinstance(pair, dict) and isinstance(key := pair.get("Name"), str) and key and "Value" in pair:
                event.setdefault(f"{name}.{key}", pair["Value"])
    _set_source(event, "ClientIP", "ClientIPAddress", "ActorIpAddress", "SenderIp")
    status = str(event.get("ResultStatus", "")).lower()
    operation = event.get("Operation")
    if status in _FAILURE or operation == "UserLoginFailed":
        _set_outcome(event, False)
    elif status in _SUCCESS:
        _set_outcome(event, True)


class M365CsvParser(DelimitedParser):
    """Reads the CSV export. An event is what `AuditData` holds, with the other columns under `csv.`."""

    def event(self, row: list[str]) -> Event:
        """The event of a record's cells: these themselves where `AuditData` is not JSON."""
        outer = super().event(row)
        try:
            event = orjson.loads(str(outer.get(AUDIT_DATA, "")))
        except orjson.JSONDecodeError:
            return outer
        if not isinstance(event, dict):
            return outer
        _prepare_m365(event)
        if "CreationTime" not in event and "@timestamp" in outer:
            event["@timestamp"] = outer["@timestamp"]
        for name, cell in outer.items():
            if name not in (AUDIT_DATA, "@timestamp", "csv.extra"):
                event[f"csv.{name}"] = cell
        return event


def _detect_csv(sample: bytes) -> int:
    found = records(sample, ",", 1)
    return 94 if found and AUDIT_DATA in cells(",")(found[0]) else 0


# --- Entra ID and Azure ----------------------------------------------------------------------------------------------

_SIGN_INS: Final = "signinlogs"
_ACTIVITIES: Final = frozenset(
    ("administrative", "security", "servicehealth", "alert", "recommendation", "policy", "autoscale", "resourcehealth")
)
_AZURE: Final[tuple[frozenset[str], ...]] = tuple(
    frozenset(fields.split())
    for fields in (
        "time operationname category properties",
        "time operationname resourceid",
        "timegenerated operationname category",
        "timegenerated operationnamevalue categoryvalue",
        "eventtimestamp operationname resourceid",
        "createddatetime userprincipalname appdisplayname",
        "activitydatetime activitydisplayname category",
        "riskeventtype detecteddatetime",
    )
)


def _prepare_azure(event: dict[str, Any]) -> None:
    for name in [name for name, value in event.items() if isinstance(value, str) and value[:1] in ("{", "[")]:
        try:
            event[name] = orjson.loads(event[name])
        except orjson.JSONDecodeError:
            continue
    for name in ("properties", "Properties"):
        if isinstance(inner := event.get(name), dict):
            del event[name]
            for key, value in inner.items():
                event[f"properties.{key}" if key in event else key] = value
    folded = {key.lower(): value for key, value in event.items()}
    event["log"] = _azure_log(folded)
    for name in ("targetResources", "TargetResources", "initiatedBy", "InitiatedBy", "networkLocationDetails"):
        _set_text(event, name)
    _set_source(event, *(key for key in event if key.lower() in ("ipaddress", "calleripaddress")))
    status = _inner(folded, "status")
    code = status.get("errorCode", folded.get("resulttype") if event["log"] == _SIGN_INS else None)
    result = str(folded.get("result", folded.get("resulttype", folded.get("activitystatusvalue", "")))).lower()
    if code is not None:
        _set_outcome(event, str(code) == "0")
    elif result in ("success", "succeeded", "start", "accept"):
        _set_outcome(event, True)
    elif result in ("failure", "failed", "timeout", "clienterror"):
        _set_outcome(event, False)


def _azure_log(folded: Mapping[str, Any]) -> str:
    """Which of the logs an event is of, as Sigma calls them."""
    category = str(folded.get("category", folded.get("categoryvalue", ""))).lower()
    if "riskeventtype" in folded:
        return "riskdetection"
    if category.endswith(_SIGN_INS) or folded.keys() >= {"createddatetime", "userprincipalname", "appdisplayname"}:
        return _SIGN_INS
    if category == "auditlogs" or "loggedbyservice" in folded or "activitydatetime" in folded:
        return "auditlogs"
    return "activitylogs" if category in _ACTIVITIES or "resourceid" in folded else ""


# --- formats ---------------------------------------------------------------------------------------------------------


class CloudParser(JsonParser):
    """One JSON object a record, prepared as its service's events need it."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    def feed(self, chunk: Chunk) -> Parsed:
        """Every record becomes an event, a reject, or is blank."""
        parsed = super().feed(chunk)
        for event in parsed.events:
            self._prepare(event)
        return parsed


def _is_cloudtrail(event: Mapping[str, Any]) -> bool:
    return event.keys() >= _CLOUDTRAIL


def _is_audit(event: Mapping[str, Any]) -> bool:
    return event.keys() >= _AUDIT


def _is_azure(event: Mapping[str, Any]) -> bool:
    held = {key.lower() for key in event}
    return any(fields <= held for fields in _AZURE)


def _detector(is_one: Callable[[Mapping[str, Any]], bool], sure: int, spans: bool) -> Callable[[bytes], int]:
    def detect(sample: bytes) -> int:
        start = sample.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start[:1] not in (b"{", b"["):
            return 0
        wrapped = ENVELOPE.match(start)
        if spans:
            objects = whole(start[wrapped.end() :] if wrapped else start)
        else:
            objects = [] if wrapped else first_objects(sample)
        return sure if objects and sum(map(is_one, objects)) * 2 > len(objects) else 0

    return detect


def _formats(
    name: str, title: str, product: str, prefix: str, prepare: Prepare, is_one: Callable[[Mapping[str, Any]], bool]
) -> tuple[Format, Format]:
    """A service's events one a line, and in documents."""

    def column(path: str) -> str:
        return path if path in _OWN else f"{prefix}.{path}"

    def azure_column(path: str) -> str:
        return path if path in _OWN else f"{prefix}.{path.lower().removeprefix('properties.')}"

    named = azure_column if product == "azure" else column
    parser = lambda _: CloudParser(prepare)  # noqa: E731 - a name for what both share
    lines = Format(
        name=name,
        title=f"{title} as JSON lines",
        detect=_detector(is_one, 92, False),
        parser=parser,
        product=product,
        service="cloudtrail" if product == "aws" else None,
        table=product,
        column=named,
    )
    document = Format(
        name=f"{name}-document",
        title=f"{title} as JSON documents, arrays of events",
        framing="envelope",
        detect=_detector(is_one, 91, True),
        parser=parser,
        product=product,
        service=lines.service,
        table=product,
        column=named,
    )
    return lines, document


_M365: Final = _formats("m365", "Microsoft 365 audit log", "m365", "m365", _prepare_m365, _is_audit)
CLOUD: Final[tuple[Format, ...]] = (
    *_formats("cloudtrail", "AWS CloudTrail", "aws", "aws.cloudtrail", _prepare_aws, _is_cloudtrail),
    *_M365,
    Format(
        name="m365-csv",
        title="Microsoft 365 audit log as CSV (with AuditData)",
        framing="csv",
        detect=_detect_csv,
        parser=M365CsvParser,
        product="m365",
        table="m365",
        column=_M365[0].column,
    ),
    *_formats("azure", "Entra ID sign-in and audit logs, Azure activity", "azure", "azure", _prepare_azure, _is_azure),
)
