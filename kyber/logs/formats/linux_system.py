"""What the kernel, systemd and cron write: their messages in, fields out.

Sources: the kernel's own log calls (mm/oom_kill, fs/ext4, block, drivers/usb, net, netfilter's LOG target), systemd's
catalogue of unit messages, vixie-cron and cronie.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kyber.logs.formats.linux_pattern import Fields, Pattern, Reader, pattern, reader, set_address

# --- kernel ----------------------------------------------------------------------------------------------------------


def _kernel(
    start: str,
    rest: str,
    action: str,
    category: str = "host",
    outcome: str = "",
    holds: str = "",
) -> Pattern:
    return pattern("kernel", start, rest, action, category, outcome, holds=holds)


_KILLED = r"(?:Killed|Kill) process (?P<pid>[0-9]+)(?:,? UID [0-9]+,?)? \((?P<process>[^\n]{0,64})\).*"
_UP = ("up", "link_up", "success")
_DOWN = ("down", "link_down", "failure")

KERNEL_PATTERNS: Final = (
    _kernel("Out of memory: ", _KILLED, "oom_kill", "process", "failure"),
    _kernel("Out of memory ", rf"\(oom_kill_allocating_task\): {_KILLED}", "oom_kill", "process", "failure"),
    _kernel("Memory cgroup out of memory: ", _KILLED, "oom_kill", "process", "failure"),
    _kernel("oom-kill:", r".*", "oom_kill_chosen", "process"),
    _kernel("", r"(?P<process>[^\n]{1,64}) invoked oom-killer: .*", "oom_killer_invoked", "process", holds=" invoked "),
    _kernel(
        "",
        r"(?P<process>[^\n]{1,64})\[(?P<pid>[0-9]{1,9})\]: segfault at (?P<address>[0-9a-f]+) ip .*",
        "segfault",
        "process",
        "failure",
        holds=": segfault at ",
    ),
    _kernel(
        "traps: ",
        r"(?P<process>[^\n]{1,64})\[(?P<pid>[0-9]{1,9})\] (?P<trap>[a-z][a-z ]{1,40}?) (?:ip:|error:|in ).*",
        "process_trapped",
        "process",
        "failure",
    ),
    _kernel(
        "INFO: task ", r"(?P<process>[^\n]{1,64}):(?P<pid>[0-9]{1,9}) blocked for more than .*", "task_hung", "process"
    ),
    _kernel("Kernel panic ", r"- not syncing: (?P<reason>.*)", "kernel_panic", "host", "failure"),
    _kernel("BUG: ", r"(?P<reason>.*)", "kernel_bug", "host", "failure"),
    _kernel("watchdog: BUG: ", r"(?P<reason>.*)", "kernel_bug", "host", "failure"),
    _kernel("Linux version ", r"(?P<version>\S+).*", "system_started", "host", "success"),
    # File systems and disks
    _kernel(
        "EXT4-fs ",
        r"\((?P<device>[^()\s]+)\): Remounting filesystem read-only",
        "filesystem_read_only",
        "host",
        "failure",
    ),
    *(
        _kernel(
            f"{kind}-fs error ",
            r"\(device (?P<device>[^()\s]+)\):? ?(?P<reason>.*)",
            "filesystem_error",
            "host",
            "failure",
        )
        for kind in ("EXT2", "EXT3", "EXT4")
    ),
    _kernel("Remounting filesystem read-only", "", "filesystem_read_only", "host", "failure"),
    _kernel(
        "XFS ",
        r"\((?P<device>[^()\s]+)\): (?P<reason>[^\n]{0,80}(?:[Cc]orrupt|I/O [Ee]rror|[Ss]hutting down|[Ss]hutdown).*)",
        "filesystem_error",
        "host",
        "failure",
    ),
    *(
        _kernel(
            f"BTRFS {kind} ",
            r"\(device (?P<device>[^()\s]+)[^()]*\):? ?(?P<reason>.*)",
            "filesystem_error",
            "host",
            "failure",
        )
        for kind in ("error", "critical")
    ),
    _kernel("Buffer I/O error ", r"on dev(?:ice)? (?P<device>[^\s,]+).*", "disk_error", "host", "failure"),
    _kernel("Aborting journal on device ", r"(?P<device>\S+)\.", "filesystem_error", "host", "failure"),
    *(
        _kernel(
            f"{start}I/O error, ",
            r"dev (?P<device>[^\s,]+), sector (?P<sector>[0-9]+).*",
            "disk_error",
            "host",
            "failure",
        )
        for start in ("", "blk_update_request: ", "end_request: ", "print_req_error: ")
    ),
    _kernel(
        "blk_update_request: ",
        r"(?P<reason>[a-z ]{1,40}) error, dev (?P<device>[^\s,]+), sector (?P<sector>[0-9]+).*",
        "disk_error",
        "host",
        "failure",
    ),
    # Devices and modules; a device names itself as its maker, or whoever rebuilt it, likes
    _kernel(
        "usb ",
        r"(?P<bus>[0-9.-]+): new (?P<speed>[A-Za-z0-9+ -]{1,40}) USB device number (?P<device>[0-9]+) using .*",
        "usb_device_added",
    ),
    _kernel(
        "usb ",
        r"(?P<bus>[0-9.-]+): New USB device found, idVendor=(?P<vendor>[0-9a-f]+), idProduct=(?P<product>[0-9a-f]+).*",
        "usb_device_found",
    ),
    _kernel(
        "usb ",
        r"(?P<bus>[0-9.-]+): USB disconnect, (?:device number|address) (?P<device>[0-9]+)",
        "usb_device_removed",
    ),
    _kernel("usb ", r"(?P<bus>[0-9.-]+): (?:Product|Manufacturer|SerialNumber): (?P<text>.*)", "usb_device_described"),
    *(
        _kernel(
            "", rf"(?P<module>[A-Za-z0-9_-]{{1,64}}){re.escape(text)}.*", "kernel_module_unsigned", "driver", holds=text
        )
        for text in (": loading out-of-tree module taints kernel", ": module verification failed: ")
    ),
    # Network
    _kernel("device ", r"(?P<interface>\S+) entered promiscuous mode", "promiscuous_mode_entered", "network"),
    _kernel("device ", r"(?P<interface>\S+) left promiscuous mode", "promiscuous_mode_left", "network"),
    *(
        _kernel("", rf"(?:\S+ \S+ )?(?P<interface>\S+){re.escape(text)}", action, "network", holds=text)
        for text, action in (
            (": entered promiscuous mode", "promiscuous_mode_entered"),
            (": left promiscuous mode", "promiscuous_mode_left"),
        )
    ),
    *(
        _kernel(
            "",
            r"(?:\S+:? )?(?:[0-9a-f:.]+ )?(?P<interface>[a-z][a-zA-Z0-9_.-]{0,31}):? "
            rf"(?:NIC )?[Ll]ink is (?i:{word})\b.*",
            action,
            "network",
            outcome,
            holds="ink is ",
        )
        for word, action, outcome in (_UP, _DOWN)
    ),
    _kernel("IPv6: ADDRCONF", r"\([A-Z_]+\): (?P<interface>\S+): link becomes ready", "link_up", "network", "success"),
    _kernel(
        "",
        r"(?:TCP: )?(?:request_sock_TCP: )?[Pp]ossible SYN flooding on port (?P<listening>\S+?)\. .*",
        "syn_flood",
        "network",
        holds="ossible SYN flooding ",
    ),
    _kernel(
        "IPv4: martian source ",
        r"(?P<target>\S+) from (?P<source>[^\s,]+), on dev (?P<interface>\S+)",
        "martian_packet",
        "network",
    ),
)
_read_kernel: Final[Reader] = reader(KERNEL_PATTERNS)
_UPTIME = re.compile(r"\[ {0,12}[0-9]{1,12}\.[0-9]{1,9}\] ?", re.ASCII)
_PACKET = re.compile(r"([^\n]{0,256}?)\bIN=(\S*) OUT=(\S*) ", re.ASCII)
_PAIR = re.compile(r" ([A-Z0-9]{2,12})=(\S*)", re.ASCII)
_BLOCKED = re.compile(r"BLOCK|DROP|REJECT|DENY|DENIED", re.IGNORECASE)
_ALLOWED = re.compile(r"ALLOW|ACCEPT|PASS", re.IGNORECASE)


def read_kernel(message: str) -> Fields | None:
    """A message of the kernel; the uptime before it is skipped."""
    uptime = _UPTIME.match(message)
    if uptime is not None:
        message = message[uptime.end() :]
    if "IN=" in message[:300] and (found := _PACKET.match(message)) is not None:
        return _packet(found[1].strip(), found[2], found[3], message[found.end() - 1 :])
    return _read_kernel(message)


def _packet(prefix: str, entered: str, left: str, rest: str) -> Fields | None:
    """A packet that netfilter logged. The packet that an ICMP error quotes, in brackets, is left out."""
    pairs: dict[str, str] = {}
    for key, value in _PAIR.findall(rest.partition(" [")[0]):
        pairs.setdefault(key, value)
    if "SRC" not in pairs or "DST" not in pairs:
        return None
    blocked, allowed = _BLOCKED.search(prefix), _ALLOWED.search(prefix)
    action = "firewall_blocked" if blocked else "firewall_allowed" if allowed else "firewall_logged"
    fields: Fields = {"event.action": action, "event.category": "network"}
    if blocked or allowed:
        fields["event.outcome"] = "failure" if blocked else "success"
    set_address(fields, pairs["SRC"], "source")
    set_address(fields, pairs["DST"], "destination")
    for key, column in (("SPT", "source.port"), ("DPT", "destination.port")):
        port = pairs.get(key, "")
        if port.isdecimal() and len(port) <= 5:
            fields[column] = int(port)
    texts = {
        "network.transport": pairs.get("PROTO", "").lower(),
        "observer.ingress.interface.name": entered,
        "observer.egress.interface.name": left,
        "linux.iptables.prefix": prefix,
        "linux.iptables.mac": pairs.get("MAC", ""),
        "linux.iptables.length": pairs.get("LEN", ""),
        "linux.iptables.ttl": pairs.get("TTL", ""),
        "linux.iptables.id": pairs.get("ID", ""),
    }
    fields.update((column, text) for column, text in texts.items() if text)
    return fields


# --- systemd ---------------------------------------------------------------------------------------------------------


def _systemd(
    start: str, rest: str, action: str, outcome: str = "", category: str = "process", holds: str = ""
) -> Pattern:
    return pattern("systemd", start, rest, action, category, outcome, holds=holds)


_KINDS = "service|socket|mount|timer|target|slice|scope|path|device|swap|automount"
_UNIT = rf"(?P<service>[A-Za-z0-9:_.\\@-]{{1,255}}\.(?:{_KINDS}))"


def _job(start: str, end: str, action: str, outcome: str = "") -> tuple[Pattern, ...]:
    """A unit's job: newer systemd names the unit and its description, older only the description."""
    return (
        _systemd(start, rf"{_UNIT}(?: - (?P<description>.*?))?{end}", action, outcome),
        _systemd(start, rf"(?P<service>.*?){end}", action, outcome),
    )


SYSTEMD_PATTERNS: Final = (
    _systemd(
        "Started ",
        r"(?:session-\S+\.scope - )?Session (?P<session>\S+) of [Uu]ser (?P<user>[^\s]+?)\.",
        "session_opened",
        "success",
        "session",
    ),
    *_job("Failed to start ", r"\.", "service_failed", "failure"),
    *_job("Started ", r"\.", "service_started", "success"),
    *_job("Finished ", r"\.", "service_finished", "success"),
    *_job("Starting ", r"\.\.\.", "service_starting"),
    *_job("Stopped ", r"\.", "service_stopped", "success"),
    *_job("Stopping ", r"\.\.\.", "service_stopping"),
    *_job("Reloaded ", r"\.", "service_reloaded", "success"),
    _systemd("Failed to mount ", r"(?P<service>.*?)\.", "service_failed", "failure"),
    _systemd("Dependency failed for ", r"(?P<service>.*?)\.", "service_failed", "failure"),
    _systemd("Timed out waiting for device ", r"(?P<service>.*?)\.", "service_failed", "failure"),
    *(
        _systemd("", rf"(?:Unit )?{_UNIT}:? {rest}", action, outcome, holds=text)
        for text, rest, action, outcome in (
            ("Failed with result '", r"Failed with result '(?P<result>[a-z-]{1,40})'\.", "service_failed", "failure"),
            (" entered failed state.", r"(?:Unit )?entered failed state\.", "service_failed", "failure"),
            ("repeated too quickly.", r"[Ss]tart request repeated too quickly\.", "service_failed", "failure"),
            (": Watchdog timeout ", r"Watchdog timeout .*", "service_failed", "failure"),
            (
                "killed by the OOM killer.",
                r"A process of this unit has been killed by the OOM killer\.",
                "oom_kill",
                "failure",
            ),
            (": Succeeded.", r"Succeeded\.", "service_stopped", "success"),
            (": Deactivated ", r"Deactivated successfully\.", "service_stopped", "success"),
            (
                " process exited, code=",
                (
                    r"(?P<process>[Mm]ain|[Cc]ontrol) process exited, code=(?P<code>[a-z]{1,20}),? "
                    r"status=(?P<status>[0-9]{1,9})(?:/(?P<status_name>[A-Za-z0-9_/]{1,40}))?"
                ),
                "service_process_exited",
                "",
            ),
            (
                ": Scheduled restart job",
                r"Scheduled restart job, restart counter is at (?P<count>[0-9]{1,9})\.",
                "service_restart_scheduled",
                "",
            ),
        )
    ),
)
read_systemd: Final[Reader] = reader(SYSTEMD_PATTERNS)

# --- cron ------------------------------------------------------------------------------------------------------------


_CRON: Final[Mapping[str, tuple[str, str, str, str]]] = MappingProxyType(
    {  # what cron says: action, category, outcome, and the column of what stands in the brackets
        "CMD": ("cron_command", "process", "success", "process.command_line"),
        "CMDEND": ("cron_command_ended", "process", "", "process.command_line"),
        "CMDOUT": ("cron_command_output", "process", "", "linux.cron.text"),
        "BEGIN EDIT": ("crontab_edit_begun", "configuration", "", "user.target.name"),
        "END EDIT": ("crontab_edit_ended", "configuration", "", "user.target.name"),
        "REPLACE": ("crontab_replaced", "configuration", "success", "user.target.name"),
        "DELETE": ("crontab_deleted", "configuration", "success", "user.target.name"),
        "LIST": ("crontab_listed", "configuration", "success", "user.target.name"),
        "RELOAD": ("crontab_reloaded", "configuration", "success", "linux.cron.file"),
        "AUTH": ("crontab_refused", "configuration", "failure", "linux.cron.reason"),
        "FAILED": ("cron_failed", "process", "failure", "linux.cron.reason"),
        "ERROR": ("cron_failed", "process", "failure", "linux.cron.reason"),
        "BAD FILE MODE": ("cron_failed", "process", "failure", "linux.cron.file"),
        "ORPHAN": ("cron_failed", "process", "failure", "linux.cron.reason"),
        "INFO": ("cron_info", "process", "", "linux.cron.text"),
    }
)
_CRON_FORM = re.compile(r"\(([^()\s]{1,256})\) ([A-Za-z][A-Za-z ]{0,31}) \((.*)\)", re.DOTALL | re.ASCII)


def read_cron(message: str) -> Fields | None:
    """`(user) WHAT (text)`."""
    found = _CRON_FORM.fullmatch(message)
    known = _CRON.get(found[2].upper()) if found else None
    if found is None or known is None:
        return None
    action, category, outcome, column = known
    fields: Fields = {"event.action": action, "event.category": category, "user.name": found[1]}
    if outcome:
        fields["event.outcome"] = outcome
    if text := found[3].strip():
        fields[column] = text
    return fields
