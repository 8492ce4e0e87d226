"""Audit logs of cloud services: each record of an export is an event, under the names that its rules use."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed
from kyber.logs.formats import Context, Format
from kyber.logs.formats.cloud import CLOUD
from kyber.logs.schema import table
from tests.logs.formats.asked import records, scanned

FORMS = {one.name: one for one in CLOUD}
CONTEXT = Context(reference=datetime(2026, 3, 4, 12, tzinfo=UTC), zone=UTC)
MICROSECONDS = 1_772_619_330_000_000  # 2026-03-04T10:15:30Z

TRAIL = {
    "eventVersion": "1.09",
    "eventTime": "2026-03-04T10:15:30Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "awsRegion": "eu-north-1",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "curl/8",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/liisa", "userName": "liisa"},
    "requestParameters": None,
    "responseElements": {"ConsoleLogin": "Failure"},
    "additionalEventData": {"MFAUsed": "No"},
}
BUCKET = {
    **TRAIL,
    "eventSource": "s3.amazonaws.com",
    "eventName": "PutBucketVersioning",
    "sourceIPAddress": "cloudformation.amazonaws.com",
    "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "deploy"}}},
    "requestParameters": {"bucketName": "b", "VersioningConfiguration": {"Status": "Suspended"}},
    "responseElements": None,
}
RULE = {
    "CreationTime": "2026-03-04T10:15:30",
    "Id": "7",
    "Operation": "New-InboxRule",
    "RecordType": 1,
    "ResultStatus": "True",
    "Workload": "Exchange",
    "UserId": "liisa@example.org",
    "ClientIP": "[2001:db8::7]:50123",
    "ObjectId": "rule",
    "Parameters": [{"Name": "ForwardTo", "Value": "x@example.net"}, {"Name": "DeleteMessage", "Value": "True"}],
}
LOGIN = {
    "CreationTime": "2026-03-04T10:15:30",
    "Operation": "UserLoginFailed",
    "ResultStatus": "Success",
    "Workload": "AzureActiveDirectory",
    "UserId": "matti@example.org",
    "ClientIP": "192.0.2.7:443",
    "ExtendedProperties": [{"Name": "UserAgent", "Value": "curl/8"}, {"Name": "RequestType", "Value": "Cmsi:Cmsi"}],
}
ALERT = {
    "CreationTime": "2026-03-04T10:15:30",
    "Operation": "AlertTriggered",
    "ResultStatus": "Succeeded",
    "Workload": "SecurityComplianceCenter",
    "UserId": "SecurityComplianceAlerts",
    "Name": "Impossible travel activity",
}
SIGN_IN = {
    "time": "2026-03-04T10:15:30Z",
    "operationName": "Sign-in activity",
    "category": "SignInLogs",
    "resultType": "50126",
    "resultDescription": "Invalid username or password",
    "callerIpAddress": "192.0.2.7",
    "properties": {
        "userPrincipalName": "liisa@example.org",
        "authenticationRequirement": "singleFactorAuthentication",
        "deviceDetail": {"trustType": ""},
        "userAgent": "azurehound/2",
    },
}
GRAPH = {
    "createdDateTime": "2026-03-04T10:15:30Z",
    "userPrincipalName": "liisa@example.org",
    "appDisplayName": "Portal",
    "ipAddress": "192.0.2.8",
    "status": {"errorCode": 0, "failureReason": "Other."},
}
AUDIT = {
    "TimeGenerated": "2026-03-04T10:15:30Z",
    "OperationName": "Add member to role",
    "Category": "RoleManagement",
    "LoggedByService": "Core Directory",
    "Result": "success",
    "TargetResources": '[{"id": "role-62e9", "userPrincipalName": "matti@example.org", "type": "User"}]',
    "InitiatedBy": {"user": {"userPrincipalName": "liisa@example.org", "ipAddress": "192.0.2.9"}},
}
ACTIVITY = {
    "time": "2026-03-04T10:15:30Z",
    "resourceId": "/SUBSCRIPTIONS/7/X",
    "operationName": "MICROSOFT.AUTHORIZATION/ELEVATEACCESS/ACTION",
    "category": "Administrative",
    "resultType": "Success",
    "properties": {"eventCategory": "Administrative"},
}
RISK = {"riskEventType": "leakedCredentials", "detectedDateTime": "2026-03-04T10:15:30Z", "userPrincipalName": "a"}

EVENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "cloudtrail": (TRAIL, BUCKET),
    "m365": (RULE, LOGIN, ALERT),
    "azure": (SIGN_IN, GRAPH, AUDIT, ACTIVITY, RISK),
}
LINES = {name: "\n".join(map(json.dumps, events)).encode() + b"\n" for name, events in EVENTS.items()}


def exported(*events: dict[str, Any]) -> bytes:
    held = io.StringIO()
    rows = [
        ("RecordId", "CreationDate", "Operation", "AuditData", "AssociatedAdminUnits"),
        *(("7", "2026-03-04T10:15:30.0000000Z", one["Operation"], json.dumps(one), "u-1") for one in events),
    ]
    csv.writer(held, lineterminator="\r\n").writerows(rows)
    return held.getvalue().encode()


def parse(form: Format, *lines: bytes) -> Parsed:
    parsed = form.parser(CONTEXT).feed(Chunk(list(lines), list(range(len(lines)))))
    assert parsed.records == len(lines)
    return parsed


def columns(form: Format, *events: dict[str, Any]) -> EventBatch:
    parsed = parse(form, *(json.dumps(one).encode() for one in events))
    return EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table(form.table), form.column)


def row(batch: EventBatch, at: int, *names: str) -> dict[str, Any]:
    found = {name: batch.column(name) for name in names}
    return {name: None if column is None else column.at(at) for name, column in found.items()}


# --- fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_its_time(name: str) -> None:
    assert columns(FORMS[name], *EVENTS[name]).times.tolist() == [MICROSECONDS] * len(EVENTS[name])


def test_events_of_aws_say_who_did_what_from_where_and_how_it_ended() -> None:
    batch = columns(FORMS["cloudtrail"], TRAIL, BUCKET, {**TRAIL, "errorCode": "AccessDenied"})
    names = ("user.name", "source.ip", "source.domain", "event.outcome", "event.action")
    assert row(batch, 0, *names) == {
        "user.name": "liisa",
        "source.ip": "192.0.2.7",
        "source.domain": None,
        "event.outcome": "failure",
        "event.action": "ConsoleLogin",
    }
    assert row(batch, 1, *names) == {
        "user.name": "deploy",
        "source.ip": None,
        "source.domain": "cloudformation.amazonaws.com",
        "event.outcome": "success",
        "event.action": "PutBucketVersioning",
    }
    assert row(batch, 2, "event.outcome", "error.code") == {"event.outcome": "failure", "error.code": "AccessDenied"}


def test_events_of_microsoft_365_give_addresses_without_ports_and_named_values_as_fields() -> None:
    batch = columns(FORMS["m365"], *EVENTS["m365"])
    assert row(batch, 0, "source.ip", "source.port", "m365.Parameters.ForwardTo", "event.outcome") == {
        "source.ip": "2001:db8::7",
        "source.port": 50123,
        "m365.Parameters.ForwardTo": "x@example.net",
        "event.outcome": "success",
    }
    assert row(batch, 1, "source.ip", "user.name", "user_agent.original", "event.outcome") == {
        "source.ip": "192.0.2.7",
        "user.name": "matti@example.org",
        "user_agent.original": "curl/8",
        "event.outcome": "failure",
    }
    assert row(batch, 2, "rule.name", "source.ip") == {"rule.name": "Impossible travel activity", "source.ip": None}


def test_events_of_azure_are_alike_however_they_were_exported() -> None:
    batch = columns(FORMS["azure"], *EVENTS["azure"])
    names = ("azure.log", "user.name", "source.ip", "event.outcome")
    assert [tuple(row(batch, at, *names).values()) for at in range(5)] == [
        ("signinlogs", "liisa@example.org", "192.0.2.7", "failure"),
        ("signinlogs", "liisa@example.org", "192.0.2.8", "success"),
        ("auditlogs", "liisa@example.org", "192.0.2.9", "success"),
        ("activitylogs", None, None, "success"),
        ("riskdetection", "a", None, None),
    ]
    assert row(batch, 2, "azure.targetresources.type", "user.target.name") == {
        "azure.targetresources.type": ("User",),
        "user.target.name": ("matti@example.org",),
    }


def test_the_csv_export_gives_what_its_json_holds_and_keeps_the_other_columns() -> None:
    form = FORMS["m365-csv"]
    header, *lines = exported(RULE, LOGIN).removesuffix(b"\r\n").split(b"\r\n")
    broken = b"8,2026-03-04T10:15:31Z,Op,{broken,u"
    parsed = parse(form, header, *lines, broken, b'9,2026-03-04T10:15:32Z,Op,"[1]",u')
    assert parsed.blank == 1
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table(form.table), form.column)
    assert row(batch, 0, "event.action", "source.ip", "m365.csv.AssociatedAdminUnits") == {
        "event.action": "New-InboxRule",
        "source.ip": "2001:db8::7",
        "m365.csv.AssociatedAdminUnits": "u-1",
    }
    assert row(batch, 2, "m365.AuditData", "m365.Operation") == {"m365.AuditData": "{broken", "m365.Operation": "Op"}
    assert batch.times.tolist() == [MICROSECONDS, MICROSECONDS, MICROSECONDS + 1_000_000, MICROSECONDS + 2_000_000]


# --- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"), [("cloudtrail", "Records"), ("m365", "value"), ("azure", "value"), ("m365", "")]
)
def test_each_record_of_an_export_is_an_event(tmp_path: Path, name: str, key: str) -> None:
    events = list(EVENTS[name])
    document = json.dumps({key: events} if key else events).encode()
    (account,) = scanned(tmp_path, document, {}, ("x: y",)).inputs
    assert (account.format, account.records, account.events) == (f"{name}-document", len(events), len(events))


def test_the_csv_export_is_told_by_its_column(tmp_path: Path) -> None:
    (account,) = scanned(tmp_path, exported(RULE, LOGIN), {}, ("x: y",)).inputs
    assert (account.format, account.events, account.blank) == ("m365-csv", 2, 1)


@pytest.mark.parametrize(
    "sample",
    [
        b'{"eventName": "x", "eventSource": "y"}',
        b'{"Operation": "x", "Workload": "y"}',
        b'{"time": "2026-03-04T10:15:30Z", "category": "x", "message": "y"}',
        b'{"Records": [{"a": 1}]}',
        b"[]",
        b"CreationDate,AuditDate\n1,2\n",
        b"",
    ],
)
def test_what_only_resembles_them_is_not_taken_for_them(sample: bytes) -> None:
    assert [one.detect(sample) for one in CLOUD] == [0] * len(CLOUD)


# --- rules -----------------------------------------------------------------------------------------------------------

AWS = {"product": "aws", "service": "cloudtrail"}
M365 = {"product": "m365", "service": "audit"}


@pytest.mark.parametrize(
    ("name", "logsource", "detection", "expected"),
    [
        ("cloudtrail", AWS, ("eventSource: signin.amazonaws.com", "responseElements.ConsoleLogin: Failure"), 1),
        ("cloudtrail", AWS, ("responseElements|contains: Failure", "userIdentity.type: IAMUser"), 1),
        ("cloudtrail", AWS, ("additionalEventData.MFAUsed: 'No'", "eventName: ConsoleLogin"), 1),
        ("cloudtrail", AWS, ("requestParameters|contains: Suspended", "status: success"), 2),
        ("cloudtrail", AWS, ("requestParameters.VersioningConfiguration.Status: Suspended",), 2),
        ("m365", M365, ("Operation: New-InboxRule", "Parameters|contains: ForwardTo", "Workload: Exchange"), 1),
        ("m365", M365, ("UserId: matti@example.org", "RequestType: Cmsi:Cmsi", "ResultStatus: Success"), 2),
        ("m365", {"product": "m365", "service": "exchange"}, ("eventName: New-InboxRule", "status: success"), 1),
        (
            "m365",
            {"product": "m365", "service": "threat_management"},
            ("eventSource: SecurityComplianceCenter", "eventName: Impossible travel activity", "status: success"),
            3,
        ),
        (
            "azure",
            {"product": "azure", "service": "signinlogs"},
            ("ResultType: 50126", "userAgent|contains: azurehound", "DeviceDetail.trusttype: ''"),
            1,
        ),
        ("azure", {"product": "azure", "service": "signinlogs"}, ("Status: Success", "ResultType: 0"), 2),
        (
            "azure",
            {"product": "azure", "service": "auditlogs"},
            (
                "Category: RoleManagement",
                "OperationName|contains: member to role",
                "TargetResources|contains: role-62e9",
            ),
            3,
        ),
        (
            "azure",
            {"product": "azure", "service": "activitylogs"},
            ("operationName: MICROSOFT.AUTHORIZATION/ELEVATEACCESS/ACTION",),
            4,
        ),
        ("azure", {"product": "azure", "service": "riskdetection"}, ("riskEventType: leakedCredentials",), 5),
    ],
)
def test_rules_find_what_they_look_for(
    tmp_path: Path, name: str, logsource: dict[str, str], detection: tuple[str, ...], expected: int
) -> None:
    assert records(tmp_path, LINES[name], logsource, detection) == [expected]


# --- whatever it is fed ----------------------------------------------------------------------------------------------

KEYS = st.sampled_from([*TRAIL, *RULE, *LOGIN, *SIGN_IN, *GRAPH, *AUDIT, *RISK, "Name", "Value", "errorCode", "log"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["{", "[1]", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("form", CLOUD, ids=lambda form: form.name)
@given(events=st.lists(st.dictionaries(KEYS, VALUES, max_size=8), max_size=4))
def test_whatever_events_hold_they_are_events_and_have_columns(form: Format, events: list[dict[str, Any]]) -> None:
    if form.framing == "csv":
        _, *lines = exported(*({"Operation": "x", **one} for one in events)).split(b"\r\n")
        lines = [line for line in lines if line]
        parser = form.parser(Context(reference=CONTEXT.reference, zone=UTC, sample=exported(RULE)))
        parsed = parser.feed(Chunk(lines, list(range(len(lines)))))
    else:
        parsed = parse(form, *(json.dumps(one).encode() for one in events))
    assert len(parsed.events) == len(events)
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table(form.table), form.column)
    for name in (*batch.table.columns, *batch.table.shown, *batch.names):
        assert batch.column(name) is None or batch.rows
    assert len(batch.times) == len(events)
    assert 0 <= form.detect(json.dumps(events).encode()) <= 100


def test_numbers_and_depths_beyond_measure_are_kept_without_their_text() -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    parsed = parse(FORMS["cloudtrail"], json.dumps({**BUCKET, "requestParameters": {"a": 10**30, "b": deep}}).encode())
    assert len(parsed.events) == 1
    assert "text.requestParameters" not in parsed.events[0]


def test_the_formats_are_of_their_products() -> None:
    assert {(one.product, one.table) for one in CLOUD} == {("aws", "aws"), ("m365", "m365"), ("azure", "azure")}
    assert {one.service for one in CLOUD if one.product == "aws"} == {"cloudtrail"}
