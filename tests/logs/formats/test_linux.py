"""What programs of a Linux host say: each message that is known, and that nobody forges another's address.

Every message here is written for this test, after the form that the program writes.
"""

import json
import os
import re
import tarfile
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.formats import linux, linux_accounts, linux_ssh, linux_system
from kyber.logs.formats.linux import LONGEST_MESSAGE, PROGRAMS, read_message

ALL_PATTERNS = (
    *linux_ssh.PATTERNS,
    *linux_accounts.PAM_PATTERNS,
    *linux_accounts.SU_PATTERNS,
    *linux_accounts.PKEXEC_PATTERNS,
    *linux_accounts.LOGIN_PATTERNS,
    *linux_accounts.FTP_PATTERNS,
    *linux_accounts.KLOGIN_PATTERNS,
    *linux_accounts.LOGIND_PATTERNS,
    *linux_accounts.ACCOUNT_PATTERNS,
    *linux_system.KERNEL_PATTERNS,
    *linux_system.SYSTEMD_PATTERNS,
)
CATEGORIES = {"authentication", "session", "network", "process", "iam", "host", "driver", "configuration", ""}


def fields(**named: Any) -> dict[str, Any]:
    """Short names for the fields that most messages have."""
    short = {
        "action": "event.action",
        "outcome": "event.outcome",
        "category": "event.category",
        "user": "user.name",
        "effective": "user.effective.name",
        "target": "user.target.name",
        "group": "group.name",
        "ip": "source.ip",
        "domain": "source.domain",
        "port": "source.port",
        "command": "process.command_line",
        "cwd": "process.working_directory",
        "service": "service.name",
    }
    return {short.get(name, name.replace("__", ".")): value for name, value in named.items()}


IP = {"ip": "192.0.2.7"}
MESSAGES: list[tuple[str, str, dict[str, Any]]] = [
    # sshd
    (
        "sshd",
        "Accepted password for alice from 192.0.2.7 port 50022 ssh2",
        fields(action="ssh_login", outcome="success", category="authentication", user="alice", port=50022, **IP)
        | {"linux.sshd.method": "password"},
    ),
    (
        "sshd",
        "Accepted publickey for alice from 2001:db8::7 port 50022 ssh2: ED25519 SHA256:abc/def",
        fields(action="ssh_login", outcome="success", user="alice", ip="2001:db8::7", port=50022)
        | {"linux.sshd.method": "publickey", "linux.sshd.key_type": "ED25519", "linux.sshd.key": "SHA256:abc/def"},
    ),
    (
        "sshd-session",
        "Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: RSA-CERT SHA256:a ID al (serial 5) CA RSA b",
        fields(action="ssh_login", outcome="success", user="alice", port=50022, **IP),
    ),
    (
        "sshd",
        "Failed password for root from ::ffff:192.0.2.7 port 50022 ssh2",
        fields(action="ssh_login", outcome="failure", user="root", port=50022, **IP),
    ),
    (
        "sshd",
        "Failed password for invalid user  0 from 192.0.2.7 port 50022 ssh2",
        fields(action="ssh_login", outcome="failure", user=" 0", **IP) | {"linux.sshd.invalid_user": True},
    ),
    (
        "sshd",
        "message repeated 3 times: [ Failed password for root from 192.0.2.7 port 50022 ssh2]",
        fields(action="ssh_login", outcome="failure", user="root", **IP) | {"linux.syslog.repeated": 3},
    ),
    ("sshd", "Invalid user bob from 192.0.2.7", fields(action="ssh_invalid_user", outcome="failure", user="bob", **IP)),
    ("sshd", "Invalid user  from 192.0.2.7 port 5", fields(action="ssh_invalid_user", port=5, **IP)),
    ("sshd", "input_userauth_request: invalid user bob [preauth]", fields(action="ssh_invalid_user", user="bob")),
    (
        "sshd",
        "User bob from 192.0.2.7 not allowed because not listed in AllowUsers",
        fields(action="ssh_not_allowed", user="bob", **IP) | {"linux.sshd.reason": "not listed in AllowUsers"},
    ),
    (
        "sshd",
        "error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.7 port 5 ssh2 [preauth]",
        fields(action="ssh_max_auth_attempts", outcome="failure", user="bob", port=5, **IP),
    ),
    (
        "sshd",
        "Disconnecting authenticating user root 192.0.2.7 port 5: Too many authentication failures [preauth]",
        fields(action="ssh_max_auth_attempts", user="root", port=5, **IP),
    ),
    (
        "sshd",
        "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        fields(action="ssh_login", outcome="failure", user="root", **IP) | {"linux.sshd.attempts": 2},
    ),
    (
        "sshd",
        "Connection closed by authenticating user root 192.0.2.7 port 5 [preauth]",
        fields(action="ssh_connection_closed", user="root", port=5, **IP),
    ),
    ("sshd", "Connection closed by 192.0.2.7 [preauth]", fields(action="ssh_connection_closed", **IP)),
    ("sshd", "Connection reset by 192.0.2.7 port 5", fields(action="ssh_connection_closed", port=5, **IP)),
    (
        "sshd",
        "Disconnected from user alice 192.0.2.7 port 5",
        fields(action="ssh_disconnected", user="alice", port=5, category="session", **IP),
    ),
    (
        "sshd",
        "Received disconnect from 192.0.2.7 port 5:11: Bye from 203.0.113.1: 12: x",
        fields(action="ssh_disconnected", port=5, **IP),
    ),
    (
        "sshd",
        "error: Received disconnect from 2001:11:22::5: 3: com.example: Auth fail [preauth]",
        fields(action="ssh_disconnected", ip="2001:11:22::5") | {"linux.sshd.reason": "com.example: Auth fail"},
    ),
    ("sshd", "Did not receive identification string from 192.0.2.7", fields(action="ssh_no_identification", **IP)),
    (
        "sshd",
        "reverse mapping checking getaddrinfo for bad.example.net [192.0.2.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
        fields(action="ssh_reverse_mapping_failed", domain="bad.example.net", **IP),
    ),
    (
        "sshd",
        "Unable to negotiate with 192.0.2.7 port 5: no matching MAC found. Their offer: hmac-x [preauth]",
        fields(action="ssh_negotiation_failed", port=5, **IP),
    ),
    (
        "sshd",
        "Bad protocol version identification 'GET / from 203.0.113.1' from 192.0.2.7 port 5",
        fields(action="ssh_bad_identification", port=5, **IP),
    ),
    ("sshd", "fatal: Timeout before authentication for 192.0.2.7 port 5", fields(action="ssh_login_timeout", **IP)),
    ("sshd", "refused connect from h.example (192.0.2.7)", fields(action="ssh_connection_refused", **IP)),
    ("sshd", "Server listening on 0.0.0.0 port 22.", fields(action="service_started")),
    # PAM
    (
        "sshd",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        fields(action="pam_authentication", outcome="failure", user="root", **IP)
        | {"linux.pam.module": "pam_unix", "linux.pam.service": "sshd", "linux.pam.phase": "auth", "linux.pam.uid": 0},
    ),
    (
        "sshd(pam_unix)",
        "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=h1.example.net ",
        fields(action="pam_authentication", domain="h1.example.net")
        | {"linux.pam.module": "pam_unix", "linux.pam.service": "sshd", "process.name": "sshd"},
    ),
    ("su(pam_unix)", "check pass; user unknown", fields(action="pam_user_unknown", outcome="failure")),
    (
        "sudo",
        "pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)",
        fields(action="session_opened", user="root", category="session")
        | {"linux.pam.by": "alice", "linux.pam.by_uid": 1000},
    ),
    ("login(pam_unix)", "session opened for user root by LOGIN(uid=0)", fields(action="session_opened", user="root")),
    ("sshd", "pam_unix(sshd:session): session closed for user alice", fields(action="session_closed", user="alice")),
    (
        "passwd",
        "pam_unix(passwd:chauthtok): password changed for alice",
        fields(action="password_changed", user="alice", category="iam"),
    ),
    (
        "sshd",
        "pam_faillock(sshd:auth): Consecutive login failures for user bob account temporarily locked",
        fields(user="bob"),
    ),
    # sudo, su, pkexec
    (
        "sudo",
        "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update ; id",
        fields(
            action="sudo_command",
            outcome="success",
            user="alice",
            effective="root",
            cwd="/home/alice",
            command="/usr/bin/apt update ; id",
        )
        | {"linux.sudo.tty": "pts/0"},
    ),
    (
        "sudo",
        "alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        fields(action="sudo_authentication", outcome="failure", user="alice", effective="root", command="/bin/sh")
        | {"linux.sudo.attempts": 3},
    ),
    (
        "sudo",
        "bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        fields(action="sudo_not_allowed", outcome="failure", user="bob"),
    ),
    (
        "sudo",
        "bob : HOST=web1 ; TTY=unknown ; PWD=/ ; USER=www ; GROUP=adm ; ENV=A=1 ; COMMAND=/bin/true",
        fields(action="sudo_command", outcome="success", effective="www", command="/bin/true")
        | {"linux.sudo.host": "web1"},
    ),
    ("sudo", "alice : (command continued) more text", fields(action="sudo_command_continued", user="alice")),
    ("su", "(to root) alice on pts/0", fields(action="su", outcome="success", user="alice", effective="root")),
    (
        "su",
        "FAILED SU (to root) alice on pts/0",
        fields(action="su", outcome="failure", user="alice", effective="root"),
    ),
    ("su", "Successful su for root by alice", fields(outcome="success", user="alice", effective="root")),
    ("su", "+ /dev/pts/0 alice:root", fields(outcome="success", user="alice", effective="root")),
    ("su", "- ??? alice:root", fields(outcome="failure", user="alice", effective="root")),
    ("su", "'su root' failed for alice on /dev/pts/8", fields(outcome="failure", user="alice", effective="root")),
    ("su", "BAD SU alice to root on /dev/ttyp0", fields(outcome="failure", user="alice", effective="root")),
    ("su", "alice to root on /dev/ttyp0", fields(outcome="success", user="alice", effective="root")),
    (
        "pkexec",
        "alice: Executing command [USER=root] [TTY=unknown] [CWD=/tmp] [COMMAND=/bin/sh -c [x]]",
        fields(action="pkexec_command", user="alice", effective="root", cwd="/tmp", command="/bin/sh -c [x]"),
    ),
    # cron
    (
        "CRON",
        "(root) CMD (   cd / && run-parts /etc/cron.hourly)",
        fields(action="cron_command", user="root", command="cd / && run-parts /etc/cron.hourly"),
    ),
    (
        "/usr/sbin/cron",
        "(bob) CMD (x)",
        fields(user="bob") | {"process.name": "cron", "process.executable": "/usr/sbin/cron"},
    ),
    ("crontab", "(bob) REPLACE (alice)", fields(action="crontab_replaced", user="bob", target="alice")),
    ("crontab", "(bob) BEGIN EDIT (bob)", fields(action="crontab_edit_begun", user="bob")),
    ("CRON", "(CRON) error (grandchild #5 failed with exit status 1)", fields(action="cron_failed", outcome="failure")),
    # kernel
    (
        "kernel",
        "[12345.678901] Out of memory: Killed process 4711 (java (x)) total-vm:1kB, anon-rss:2kB",
        fields(action="oom_kill", category="process") | {"linux.kernel.pid": 4711, "linux.kernel.process": "java (x)"},
    ),
    (
        "kernel",
        "Memory cgroup out of memory: Kill process 12 (python3) score 900 or sacrifice child",
        fields(action="oom_kill") | {"linux.kernel.process": "python3"},
    ),
    ("kernel", "java invoked oom-killer: gfp_mask=0x0", fields(action="oom_killer_invoked")),
    (
        "kernel",
        "[ 12.5] prog[77]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so.6[7f+1]",
        fields(action="segfault") | {"linux.kernel.process": "prog", "linux.kernel.pid": 77},
    ),
    ("kernel", "EXT4-fs error (device sda1): ext4_find_entry:1: inode #2", fields(action="filesystem_error")),
    ("kernel", "EXT4-fs (sda1): Remounting filesystem read-only", fields(action="filesystem_read_only")),
    (
        "kernel",
        "blk_update_request: I/O error, dev sdb, sector 5",
        fields(action="disk_error") | {"linux.kernel.device": "sdb"},
    ),
    ("kernel", "Buffer I/O error on dev sdb1, logical block 5, async page read", fields(action="disk_error")),
    ("kernel", "usb 1-1.2: new high-speed USB device number 5 using xhci_hcd", fields(action="usb_device_added")),
    ("kernel", "usb 1-1: new SuperSpeed Gen 1 USB device number 5 using xhci_hcd", fields(action="usb_device_added")),
    (
        "kernel",
        "usb 1-1: New USB device found, idVendor=abcd, idProduct=0001, bcdDevice= 1.00",
        fields(action="usb_device_found") | {"linux.kernel.vendor": "abcd", "linux.kernel.product": "0001"},
    ),
    ("kernel", "usb 1-1: USB disconnect, device number 5", fields(action="usb_device_removed")),
    ("kernel", "e1000e: eth0 NIC Link is Up 1000 Mbps", fields(action="link_up") | {"linux.kernel.interface": "eth0"}),
    (
        "kernel",
        "e1000e 0000:00:1f.6 eth0: NIC Link is Down",
        fields(action="link_down") | {"linux.kernel.interface": "eth0"},
    ),
    ("kernel", "device eth0 entered promiscuous mode", fields(action="promiscuous_mode_entered")),
    ("kernel", "veth1: left promiscuous mode", fields(action="promiscuous_mode_left")),
    (
        "kernel",
        "evil: module verification failed: signature and/or required key missing",
        fields(action="kernel_module_unsigned"),
    ),
    ("kernel", "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.", fields(action="syn_flood")),
    (
        "kernel",
        "[ 1.5] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=192.0.2.7 DST=198.51.100.1 LEN=40 TTL=43 PROTO=TCP SPT=5 DPT=22",
        fields(action="firewall_blocked", outcome="failure", port=5, **IP)
        | {"destination.ip": "198.51.100.1", "destination.port": 22, "network.transport": "tcp"}
        | {"observer.ingress.interface.name": "eth0", "linux.iptables.prefix": "[UFW BLOCK]"},
    ),
    (
        "kernel",
        "IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 PROTO=ICMP TYPE=3 [SRC=203.0.113.9 DST=203.0.113.8 PROTO=UDP ]",
        fields(action="firewall_logged", **IP) | {"network.transport": "icmp", "destination.ip": "198.51.100.1"},
    ),
    # systemd
    ("systemd", "Started nginx.service - A web server.", fields(action="service_started", service="nginx.service")),
    ("systemd", "Started Daily apt activities.", fields(action="service_started", service="Daily apt activities")),
    ("systemd", "Stopped nginx.service - A web server.", fields(action="service_stopped", service="nginx.service")),
    ("systemd", "Failed to start nginx.service - A web server.", fields(action="service_failed", outcome="failure")),
    (
        "systemd",
        "nginx.service: Failed with result 'exit-code'.",
        fields(action="service_failed", service="nginx.service", outcome="failure")
        | {"linux.systemd.result": "exit-code"},
    ),
    (
        "systemd",
        "nginx.service: Main process exited, code=exited, status=203/EXEC",
        fields(action="service_process_exited", service="nginx.service") | {"linux.systemd.status": 203},
    ),
    (
        "systemd",
        "nginx.service: Scheduled restart job, restart counter is at 5.",
        fields(action="service_restart_scheduled", service="nginx.service") | {"linux.systemd.count": 5},
    ),
    ("systemd", "nginx.service: Start request repeated too quickly.", fields(action="service_failed")),
    ("systemd", "Unit nginx.service entered failed state.", fields(action="service_failed", service="nginx.service")),
    ("systemd", "nginx.service: Deactivated successfully.", fields(action="service_stopped", service="nginx.service")),
    ("systemd", "Started Session 5 of user alice.", fields(action="session_opened", user="alice")),
    ("systemd-logind", "New session 5 of user alice.", fields(action="session_opened", user="alice")),
    ("systemd-logind", "New session '5' of user 'al.ice' with class 'user' and type 'tty'.", fields(user="al.ice")),
    ("systemd-logind", "Removed session 5.", fields(action="session_closed")),
    # accounts
    (
        "useradd",
        "new user: name=eve, UID=0, GID=10, home=/home/eve, shell=/bin/bash, from=/dev/pts/0",
        fields(action="user_added", outcome="success", category="iam", target="eve")
        | {"linux.account.uid": 0, "linux.account.gid": 10, "linux.account.shell": "/bin/bash"},
    ),
    ("useradd", "failed adding user 'eve', exit code: 9", fields(action="user_added", outcome="failure", target="eve")),
    ("usermod", "add 'eve' to group 'sudo'", fields(action="user_added_to_group", target="eve", group="sudo")),
    ("usermod", "change user 'eve' UID from '1000' to '0'", fields(action="user_changed", target="eve")),
    ("userdel", "delete user 'eve'", fields(action="user_deleted", target="eve")),
    ("groupadd", "new group: name=staff, GID=1005", fields(action="group_added", group="staff")),
    ("gpasswd", "user eve added by root to group wheel", fields(target="eve", user="root", group="wheel")),
    ("passwd", "password for 'eve' changed by 'root'", fields(action="password_changed", target="eve", user="root")),
    # logging in
    (
        "login",
        "FAILED LOGIN 1 FROM 192.0.2.7 FOR bob, Authentication failure",
        fields(outcome="failure", user="bob", **IP),
    ),
    ("login", "ROOT LOGIN ON tty1", fields(action="login", outcome="success", user="root")),
    ("ftpd", "connection from 192.0.2.7 (h.example) at Fri Jun 17 07:07:00 2005 ", fields(domain="h.example", **IP)),
    ("", "last message repeated 4 times", {"linux.syslog.repeated": 4}),
]


@pytest.mark.parametrize(
    ("program", "message", "expected"), MESSAGES, ids=[f"{one[0]}-{one[1][:40]}" for one in MESSAGES]
)
def test_a_known_message_gives_its_fields(program: str, message: str, expected: dict[str, Any]) -> None:
    found = read_message(program, message)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("program", ["unknown", *PROGRAMS])
def test_a_message_that_no_pattern_holds_for_has_no_fields(program: str) -> None:
    assert dict(read_message(program, "nobody ever wrote this")) == {}


def test_a_message_beyond_the_limit_is_not_taken_apart() -> None:
    message = f"Invalid user {'a' * LONGEST_MESSAGE} from 192.0.2.7 port 5"
    assert dict(read_message("sshd", message)) == {}


def test_every_outcome_and_category_is_one_of_the_few() -> None:
    for one in ALL_PATTERNS:
        assert one.fixed["event.action"]
        assert one.fixed.get("event.outcome", "") in {"success", "failure", ""}
        assert one.fixed.get("event.category", "") in CATEGORIES


# --- nobody forges ---------------------------------------------------------------------------------------------------

ATTACKER = "198.51.100.66"
FORGED = "1.2.3.4"
FORGERIES = [
    f"root from {FORGED} port 22 ssh2",
    f"root from {FORGED} port 22",
    f"root from {FORGED}",
    f"root {FORGED} port 22 [preauth]",
    f"root {FORGED} port 22",
    f"x from {FORGED} port 22 ssh2: RSA SHA256:abc",
    f"x from {FORGED} port 22 ssh2: RSA-CERT SHA256:q ID y (serial 0) CA RSA SHA256:abc",
    f"x rhost={FORGED}  user=root",
    f"x from {FORGED} not allowed because not listed in AllowUsers",
    f"x' from {FORGED} port 5",
]
SSH_MESSAGES = [
    "Failed password for invalid user {user} from {ip} port 50022 ssh2",
    "Failed publickey for invalid user {user} from {ip} port 50022 ssh2: RSA SHA256:real",
    "Failed none for {user} from {ip} port 50022 ssh2",
    "Invalid user {user} from {ip} port 50022",
    "Invalid user {user} from {ip}",
    "Connection closed by invalid user {user} {ip} port 50022 [preauth]",
    "Connection reset by authenticating user {user} {ip} port 50022 [preauth]",
    "Disconnected from invalid user {user} {ip} port 50022 [preauth]",
    "Disconnecting invalid user {user} {ip} port 50022: Too many authentication failures [preauth]",
    "error: maximum authentication attempts exceeded for invalid user {user} from {ip} port 50022 ssh2 [preauth]",
    "error: PAM: Authentication failure for illegal user {user} from {ip}",
    "Bad protocol version identification '{user}' from {ip} port 50022",
    "User {user} from {ip} not allowed because not listed in AllowUsers",
    "Failed publickey for invalid user {user} from {ip} port 5 ssh2: RSA-CERT SHA256:a ID b (serial 0) CA RSA SHA256:c",
]


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("message", SSH_MESSAGES[:-1])
def test_a_user_name_that_reads_like_an_address_forges_none(message: str, name: str) -> None:
    found = read_message("sshd", message.format(user=name, ip=ATTACKER))
    assert found["source.ip"] == ATTACKER
    assert found.get("source.port", 50022) == 50022
    if "user.name" in found:
        assert found["user.name"] == name


@pytest.mark.parametrize("name", FORGERIES)
def test_where_two_addresses_could_be_meant_none_is_given(name: str) -> None:
    found = read_message("sshd", SSH_MESSAGES[-1].format(user=name, ip=ATTACKER))
    assert found["event.outcome"] == "failure"
    assert found.get("source.ip") in {None, ATTACKER}


@pytest.mark.parametrize("key_id", [f"b from {FORGED} port 5 ssh2", f"b from {FORGED} port 5 ssh2: RSA SHA256:x"])
def test_a_certificates_id_forges_no_address(key_id: str) -> None:
    message = (
        f"publickey for root from {ATTACKER} port 5 ssh2: RSA-CERT SHA256:a ID {key_id} (serial 0) CA RSA SHA256:c"
    )
    for verb, outcome in (("Accepted", "success"), ("Failed", "failure")):
        found = read_message("sshd", f"{verb} {message}")
        assert found["event.outcome"] == outcome
        assert found.get("source.ip") in {None, ATTACKER}


NAMES = st.text(
    st.sampled_from("ab :;'[]0.=") | st.characters(exclude_categories=("Cs", "Cc")), max_size=30
) | st.sampled_from(FORGERIES)


@given(st.lists(NAMES, max_size=3).map(" ".join), st.sampled_from(SSH_MESSAGES))
def test_no_user_name_changes_the_address_that_sshd_wrote(name: str, message: str) -> None:
    found = read_message("sshd", message.format(user=name, ip=ATTACKER))
    assert found.get("source.ip") in {None, ATTACKER}
    assert "source.domain" not in found


@pytest.mark.parametrize(
    "names",
    [("", f"root rhost={FORGED}"), (f"root rhost={FORGED}  user=x", ""), (f"x rhost={FORGED}", f"y rhost={FORGED}")],
)
def test_a_name_given_to_pam_forges_no_address(names: tuple[str, str]) -> None:
    remote, user = names
    found = read_message(
        "vsftpd",
        f"pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={remote} rhost={ATTACKER}"
        f"  user={user}",
    )
    assert (found["event.action"], found["event.outcome"]) == ("pam_authentication", "failure")
    assert found.get("source.ip") in {None, ATTACKER}


@pytest.mark.parametrize(
    ("cwd", "command"),
    [
        ("/tmp/x ; USER=nobody ; COMMAND=/bin/true", "/bin/sh"),
        ("/tmp/x ; USER=nobody", "/bin/sh"),
        ("/tmp", "/bin/sh -c a ; USER=nobody ; COMMAND=/bin/true"),
        ("/tmp", "/bin/sh -c a ; COMMAND=/bin/true"),
    ],
)
def test_a_directory_or_a_command_forges_no_user_of_sudo(cwd: str, command: str) -> None:
    found = read_message("sudo", f"eve : TTY=pts/0 ; PWD={cwd} ; USER=root ; COMMAND={command}")
    assert (found["event.action"], found["user.name"]) == ("sudo_command", "eve")
    assert found.get("user.effective.name") in {None, "root"}
    assert command in str(found["process.command_line"])


def test_a_sudo_line_without_a_reason_is_no_failure_whatever_the_directory_is_called() -> None:
    found = read_message("sudo", "eve : TTY=pts/0 ; PWD=/user NOT in sudoers ; USER=root ; COMMAND=/bin/sh")
    assert found["event.outcome"] == "success"


# --- any text --------------------------------------------------------------------------------------------------------


@given(st.sampled_from([*PROGRAMS, "x(pam_unix)", "/", "()", "", "pam"]), st.text(max_size=200))
def test_no_message_raises(program: str, message: str) -> None:
    assert all(isinstance(value, str | int) for value in read_message(program, message).values())


@given(st.sampled_from(MESSAGES), st.integers(0, 200), st.text(max_size=20))
def test_no_broken_message_raises(known: tuple[str, str, dict[str, Any]], at: int, text: str) -> None:
    program, message, _ = known
    for broken in (message[:at], message[at:], message[:at] + text + message[at:]):
        assert all(isinstance(value, str | int) for value in read_message(program, broken).values())


def pieces(one: Any) -> set[str]:
    """The plain texts of a pattern, and what its groups may be filled with."""
    plain = re.split(r"\\.|\(\?P<\w+>|[\[\]()?*+|^$]|\{[^}]*\}", one.form.pattern)
    return {piece for piece in plain if len(piece) > 1} | {"a", " ", "1", "a ", " from ", " port 1"}


@pytest.mark.parametrize("one", ALL_PATTERNS, ids=[f"{number}-{one.start}" for number, one in enumerate(ALL_PATTERNS)])
def test_no_pattern_needs_more_than_the_messages_length(one: Any) -> None:
    for piece in pieces(one):
        text = one.start + piece * (LONGEST_MESSAGE // len(piece))
        begun = process_time()
        one.read(text)
        one.read(f"{text}\n\0")
        assert process_time() - begun < 2, piece  # a hundredth of it is usual; a quadratic one takes minutes


# --- against another reader of the same messages ---------------------------------------------------------------------


def test_ssh_messages_give_the_users_and_addresses_that_crowdsec_finds() -> None:
    folder = os.environ.get("KYBER_TEST_DATA")
    if folder is None:
        pytest.skip("KYBER_TEST_DATA does not say where the outside data is")
    path = Path(folder) / "crowdsec-cases.tar.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with tarfile.open(path) as archive:
        member = archive.extractfile(next(one for one in archive.getmembers() if one.name.endswith("cases.jsonl")))
        assert member is not None
        cases = [json.loads(line) for line in member.read().splitlines()]
    compared = 0
    for case in cases:
        for name, parsed in case.get("parsed", {}).items():
            if not name.startswith("crowdsecurity/sshd-logs") or "message" not in parsed:
                continue
            found = linux.read_message(parsed["program"], parsed["message"])
            assert found.get("source.ip") == parsed["meta.source_ip"], parsed["message"]
            if "meta.target_user" in parsed:
                assert found.get("user.name") == parsed["meta.target_user"], parsed["message"]
            compared += 1
    assert compared >= 20
