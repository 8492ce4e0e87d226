"""What services say: each message that is known, what unknown ones have in common, and that nobody forges an address.

Every message here is written for this test, after the form that the service writes.
"""

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.formats.linux import read_message
from kyber.logs.formats.services import LONGEST_COMMON, LONGEST_PAYLOAD, MESSAGES, read_service

SHORT = {
    "action": "event.action",
    "outcome": "event.outcome",
    "category": "event.category",
    "reason": "event.reason",
    "user": "user.name",
    "ip": "source.ip",
    "port": "source.port",
    "to": "destination.ip",
    "to_port": "destination.port",
    "method": "http.request.method",
    "url": "url.original",
    "status": "http.response.status_code",
    "name": "dns.question.name",
}
HERE = {"ip": "192.0.2.7"}
BAD = {"category": "authentication", "action": "login", "outcome": "failure"}
GOOD = {"category": "authentication", "action": "login", "outcome": "success"}
MATTI = {"user": "matti", **HERE}

KNOWN: list[tuple[str, str, dict[str, Any]]] = [
    # mail
    (
        "postfix: SASL",
        "warning: ws-1.example.org[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=matti",
        {**BAD, **MATTI, "source.domain": "ws-1.example.org"},
    ),
    ("postfix: SASL without a name", "warning: unknown[192.0.2.7]: SASL PLAIN authentication failed:", {**BAD, **HERE}),
    ("postfix: signed in", "4F1A2: client=ws[192.0.2.7], sasl_method=PLAIN, sasl_username=matti", {**GOOD, **MATTI}),
    (
        "postfix: rejected",
        (
            "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <x@example.net>: Relay access denied; "
            "from=<a@example.org> to=<x@example.net> proto=ESMTP helo=<ws>"
        ),
        {"action": "mail_rejected", **HERE, "email.from.address": "a@example.org", "email.to.address": "x@example.net"},
    ),
    ("postfix: rejected, in other words", "NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: 421 too many", HERE),
    ("postfix: connect", "connect from ws[192.0.2.7]", {"action": "connection_opened", **HERE}),
    ("postfix: disconnect", "disconnect from ws[192.0.2.7] ehlo=1 quit=1", {"action": "connection_closed", **HERE}),
    ("postfix: lost", "lost connection after AUTH from ws[192.0.2.7]", {"action": "connection_lost", **HERE}),
    ("postscreen", "CONNECT from [192.0.2.7]:5012 to [198.51.100.4]:25", {**HERE, "port": 5012, "to": "198.51.100.4"}),
    (
        "postscreen: greets early",
        "PREGREET 14 after 0.1 from [192.0.2.7]:5012: EHLO ws",
        {"outcome": "failure", **HERE},
    ),
    (
        "dovecot: in",
        "imap-login: Login: user=<matti>, method=PLAIN, rip=192.0.2.7, lip=198.51.100.4, mpid=12, TLS, session=<a+b>",
        {**GOOD, **MATTI, "to": "198.51.100.4"},
    ),
    (
        "dovecot: failed",
        (
            "imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<matti>, method=PLAIN, rip=192.0.2.7, "
            "lip=198.51.100.4, TLS, session=<ab>"
        ),
        {**BAD, **MATTI, "reason": "auth failed, 3 attempts in 9 secs"},
    ),
    (
        "dovecot: gone",
        "pop3-login: Disconnected (no auth attempts in 0 secs): user=<>, rip=192.0.2.7, lip=198.51.100.4, session=<a>",
        {"category": "authentication", **HERE},
    ),
    ("dovecot: auth", "auth: passwd-file(matti,192.0.2.7): unknown user", {**BAD, **MATTI}),
    ("dovecot: worker", "auth-worker(12): sql(matti,192.0.2.7,<ab>): Password mismatch", {**BAD, **MATTI}),
    (
        "exim: authenticator",
        (
            "dovecot_login authenticator failed for (ws) [192.0.2.7]:5012: 535 Incorrect authentication "
            "data (set_id=matti)"
        ),
        {**BAD, **MATTI, "port": 5012},
    ),
    (
        "exim: rejected",
        "H=(ws) [192.0.2.7]:5012 F=<a@example.org> rejected RCPT <x@example.net>: relay not permitted",
        {"action": "mail_rejected", **HERE, "port": 5012},
    ),
    (
        "exchange: SMTP failed",
        (
            r"MAIL-1\Default Frontend MAIL-1,08D9A1B2C3D4E5F6,9,198.51.100.4:25,192.0.2.7:5012,>,"
            "535 5.7.3 Authentication unsuccessful,"
        ),
        {**BAD, **HERE, "port": 5012, "to": "198.51.100.4", "to_port": 25, "reason": "Authentication unsuccessful"},
    ),
    (
        "exchange: SMTP succeeded",
        r"MAIL-1\Client Proxy,08D9A1B2C3D4E5F6,9,198.51.100.4:25,192.0.2.7:5012,>,235 2.7.0 Authentication successful,",
        {**GOOD, **HERE},
    ),
    (
        "exchange: SMTP",
        r"MAIL-1\Default,08D9A1B2C3D4E5F6,2,198.51.100.4:25,192.0.2.7:5012,<,EHLO ws-1,",
        {"action": "smtp", **HERE},
    ),
    (
        "exchange: IMAP failed",
        (
            '000000000000000A,2,198.51.100.4:143,192.0.2.7:5012,matti,12,31,31,authenticate,PLAIN,"R=""2 NO failed."";'
            'Msg=""AuthFailed:LogonDenied,User: matti""",'
        ),
        {**BAD, **MATTI, "to_port": 143},
    ),
    (
        "exchange: POP",
        "000000000000000A,1,198.51.100.4:110,192.0.2.7:5012,matti,12,31,31,stat,,R=ok,",
        {"action": "mail_access", **MATTI},
    ),
    (
        "zimbra",
        (
            "[name=matti@example.org;oip=192.0.2.7;port=5012;ua=zclient;] SoapEngine - handler "
            "exception: authentication "
            "failed for [matti@example.org], invalid password"
        ),
        {**BAD, **HERE, "user": "matti@example.org", "reason": "invalid password"},
    ),
    # databases
    ("mysql", "Access denied for user 'matti'@'192.0.2.7' (using password: YES)", {**BAD, **MATTI}),
    ("mysql: 8", "[MY-010926] [Server] Access denied for user 'matti'@'192.0.2.7' (using password: NO)", MATTI),
    (
        "postgres: password",
        'matti@app FATAL:  password authentication failed for user "matti"',
        {**BAD, "user": "matti"},
    ),
    (
        "postgres: with its client",
        'user=matti,db=app,client=192.0.2.7 FATAL:  password authentication failed for user "matti"',
        {**BAD, **MATTI},
    ),
    ("postgres: no such role", 'FATAL:  role "matti" does not exist', {**BAD, "user": "matti"}),
    (
        "postgres: not let in",
        'FATAL:  no pg_hba.conf entry for host "192.0.2.7", user "matti", database "app", no encryption',
        {**BAD, **MATTI},
    ),
    ("postgres: comes", "LOG:  connection received: host=192.0.2.7 port=5012", {**HERE, "port": 5012}),
    ("postgres: in", "LOG:  connection authorized: user=matti database=app", {**GOOD, "user": "matti"}),
    (
        "mssql: failed",
        (
            "Login failed for user 'matti'. Reason: Password did not match that for the login provided. "
            "[CLIENT: 192.0.2.7]"
        ),
        {**BAD, **MATTI},
    ),
    (
        "mssql: in",
        "Login succeeded for user 'matti'. Connection made using SQL Server authentication. [CLIENT: 192.0.2.7]",
        {**GOOD, **MATTI},
    ),
    # remote access and files
    (
        "openvpn: password",
        "matti/192.0.2.7:1194 TLS Auth Error: Auth Username/Password verification failed for peer",
        {**BAD, **MATTI, "port": 1194},
    ),
    ("openvpn: TLS", "192.0.2.7:1194 TLS Error: TLS handshake failed", {"action": "tls_error", **HERE}),
    ("openvpn: told", "matti/192.0.2.7:1194 SENT CONTROL [matti]: 'AUTH_FAILED' (status=1)", {**BAD, **MATTI}),
    ("openvpn: in", "192.0.2.7:1194 [matti] Peer Connection Initiated with [AF_INET]192.0.2.7:1194", {**GOOD, **MATTI}),
    ("openvpn: comes", "TCP connection established with [AF_INET]192.0.2.7:1194", {**HERE, "port": 1194}),
    (
        "charon: received",
        "06[NET] <road|8> received packet: from 192.0.2.7[4500] to 198.51.100.4[4500] (80 bytes)",
        {**HERE, "port": 4500, "to": "198.51.100.4", "services.charon.connection": "road|8"},
    ),
    (
        "charon: sent",
        "06[NET] sending packet: from 198.51.100.4[4500] to 192.0.2.7[4500] (80 bytes)",
        {"to": "192.0.2.7"},
    ),
    ("charon: no key", "06[IKE] <road|8> no EAP key found for hosts 'gw' - 'matti'", {**BAD, "user": "matti"}),
    ("charon: EAP", "06[IKE] <road|8> EAP method EAP_MSCHAPV2 failed for peer matti", {**BAD, "user": "matti"}),
    ("charon: failed", "06[IKE] <road|8> authentication of 'matti' with EAP failed", {**BAD, "user": "matti"}),
    ("charon: in", "06[IKE] <road|8> authentication of 'matti' with EAP successful", {**GOOD, "user": "matti"}),
    ("charon: tries", "06[IKE] <road|8> EAP-MS-CHAPv2 username: 'matti'", {"user": "matti"}),
    ("charon: anything", "06[ENC] <road|8> parsed IKE_AUTH request 2 [ EAP/RES ]", {"action": "ipsec"}),
    ("vsftpd: failed", '[pid 12] [matti] FAIL LOGIN: Client "::ffff:192.0.2.7"', {**BAD, **MATTI}),
    ("vsftpd: in", '[matti] OK LOGIN: Client "192.0.2.7"', {**GOOD, **MATTI}),
    ("vsftpd: comes", '[pid 12] CONNECT: Client "192.0.2.7"', {"action": "connection_opened", **HERE}),
    (
        "proftpd: nobody",
        "ftp (ws[192.0.2.7]): USER matti: no such user found from ws [192.0.2.7] to ::ffff:198.51.100.4:21",
        {**BAD, **MATTI},
    ),
    ("proftpd: failed", "ftp (ws[192.0.2.7]) - USER matti (Login failed): Incorrect password", {**BAD, **MATTI}),
    ("proftpd: in", "ftp (ws[192.0.2.7]) - USER matti: Login successful.", {**GOOD, **MATTI}),
    (
        "samba: failed",
        (
            r"Auth: [SMB2,(null)] user [DOM]\[matti] at [Wed, 04 Mar 2026 12:13:14.03 EET] with [NTLMv2] status "
            r"[NT_STATUS_WRONG_PASSWORD] workstation [WS] remote host [ipv4:192.0.2.7:5012] mapped to [DOM]\[matti]."
        ),
        {**BAD, **MATTI, "port": 5012, "reason": "NT_STATUS_WRONG_PASSWORD"},
    ),
    (
        "samba: in",
        (
            r"Auth: [SMB2,(null)] user [DOM]\[matti] at [Wed, 04 Mar 2026 12:13:14.03 EET] with [NTLMv2] status "
            r"[NT_STATUS_OK] workstation [WS] remote host [ipv4:192.0.2.7:5012] became [DOM]\[matti] "
            r"[S-1-5]. local host"
        ),
        {**GOOD, **MATTI},
    ),
    ("samba: full_audit", "matti|192.0.2.7|ws-1|plans|unlinkat|ok|2026/plan.docx", {"action": "file_access", **MATTI}),
    ("endlessh", "ACCEPT host=::ffff:192.0.2.7 port=5012 fd=4 n=1/4096", {**HERE, "port": 5012}),
    ("cowrie", "[cowrie.ssh.Factory] New connection: 192.0.2.7:5012 (198.51.100.4:2222) [session: ab12]", HERE),
    (
        "cowrie: tries",
        "[HoneyPotSSHTransport,1,192.0.2.7] login attempt [b'root'/b'x'] failed",
        {**HERE, "user": "root"},
    ),
    # telephones
    (
        "asterisk",
        "Registration from '\"100\" <sip:100@198.51.100.4>' failed for '192.0.2.7:5060' - Wrong password",
        {**BAD, **HERE, "user": "100", "reason": "Wrong password"},
    ),
    (
        "asterisk: security",
        (
            'SecurityEvent="InvalidPassword",Severity="Error",AccountID="100",LocalAddress="IPV4/UDP/198.51.100.4/5060",'
            'RemoteAddress="IPV4/UDP/192.0.2.7/5060"'
        ),
        {**BAD, **HERE, "user": "100", "to": "198.51.100.4", "port": 5060},
    ),
    ("freeswitch: nobody", "Can't find user [100@198.51.100.4] from 192.0.2.7", {**BAD, **HERE}),
    (
        "freeswitch",
        "SIP auth failure (REGISTER) on sofia profile 'internal' for [100@198.51.100.4] from ip 192.0.2.7",
        {**BAD, **HERE, "user": "100@198.51.100.4"},
    ),
    # names
    (
        "bind: denied",
        "client @0x7f00 192.0.2.7#5353 (example.org): query (cache) 'example.org/ANY/IN' denied",
        {"action": "dns_refused", **HERE, "port": 5353, "name": "example.org", "dns.question.type": "ANY"},
    ),
    (
        "bind: asked",
        "client @0x7f00 192.0.2.7#5353 (example.org): query: example.org IN TXT +E(0)K (198.51.100.4)",
        {"action": "dns_query", **HERE, "name": "example.org", "to": "198.51.100.4"},
    ),
    # signing on
    ("guacamole", 'Authentication attempt from [192.0.2.7, 10.0.0.1] for user "matti" failed.', {**BAD, **MATTI}),
    ("guacamole: in", 'User "matti" successfully authenticated from 192.0.2.7.', {**GOOD, **MATTI}),
    (
        "cas",
        "Wed Mar 04 12:13:14 EET 2026|CAS|[username=matti]|AUTHENTICATION_FAILED|matti|192.0.2.7|198.51.100.4",
        {**BAD, **MATTI},
    ),
    ("cas: in", "x|CAS|[username=matti]|AUTHENTICATION_SUCCESS|matti|192.0.2.7|198.51.100.4", {**GOOD, **MATTI}),
    ("hestia", "matti 192.0.2.7 failed to login", {**BAD, **MATTI}),
    (
        "proxmox",
        "authentication failure; rhost=::ffff:192.0.2.7 user=matti@pam msg=Authentication failure",
        {**BAD, **MATTI, "user.domain": "pam"},
    ),
    ("proxmox: in", "successful auth for user 'matti@pam'", {**GOOD, "user": "matti"}),
    ("zoneminder", '[192.0.2.7] [Login denied for user "matti"] at /x/auth.php line 3', {**BAD, **MATTI}),
    ("zoneminder: in", '[192.0.2.7] [Login successful for user "matti"] at /x/auth.php line 3', {**GOOD, **MATTI}),
    (
        "zoneminder: nobody",
        "[192.0.2.7] [Could not retrieve user matti details] at /x/auth.php line 3",
        {**BAD, **MATTI},
    ),
    (
        "keycloak",
        'type="LOGIN_ERROR", realmId="x", ipAddress="192.0.2.7", error="user_not_found", username="matti"',
        {**BAD, **MATTI, "reason": "user_not_found"},
    ),
    # proxies and routers
    (
        "haproxy: HTTP",
        (
            "192.0.2.7:5012 [04/Mar/2026:12:13:14.123] fe~ be/srv 0/0/1/2/3 404 512 - - ---- 1/1/0/0/0 0/0 "
            '"GET /x?a=b HTTP/1.1"'
        ),
        {**HERE, "port": 5012, "method": "GET", "url": "/x?a=b", "status": 404},
    ),
    ("haproxy: TCP", "192.0.2.7:5012 [04/Mar/2026:12:13:14.123] fe be/srv 1/1/30 231 -- 1/1/0/0/0 0/0", HERE),
    (
        "haproxy: none",
        "192.0.2.7:5012 [04/Mar/2026:12:13:14.123] fe/1: SSL handshake failure",
        {"outcome": "failure", **HERE},
    ),
    (
        "nginx proxy manager",
        '404 404 - GET https www.example.org "/x" [Client 192.0.2.7] [Length 19] [Gzip -] [Sent-to app] "curl/8" "-"',
        {**HERE, "url": "/x", "status": 404, "url.domain": "www.example.org", "user_agent.original": "curl/8"},
    ),
    ("gin", '401 |     1.2ms |       192.0.2.7 | POST     "/login"', {**HERE, "status": 401, "url": "/login"}),
    (
        "zoraxy",
        "[router:host-http] [origin:example.org] [client: 192.0.2.7] [useragent: curl/8] GET /.env 404",
        {**HERE, "url": "/.env", "status": 404},
    ),
    ("traefik", "Handling TCP connection from 192.0.2.7:5012 to 10.0.0.1:443", {**HERE, "to": "10.0.0.1"}),
    (
        "mikrotik: packet",
        (
            "drop-in input: in:ether1 out:(unknown 0), connection-state:new src-mac 00:00:5e:00:53:01, "
            "proto TCP (SYN), "
            "192.0.2.7:5012->198.51.100.4:22, len 60"
        ),
        {**HERE, "to": "198.51.100.4", "to_port": 22, "network.transport": "tcp"},
    ),
    ("mikrotik", "login failure for user matti from 192.0.2.7 via ssh", {**BAD, **MATTI}),
    ("mikrotik: in", "user matti logged in from 192.0.2.7 via winbox", {**GOOD, **MATTI}),
]

COMMON: list[tuple[str, dict[str, Any]]] = [
    ('Failed login attempt for username "matti" from ip 192.0.2.7 (Invalid password)', {**BAD, **MATTI}),
    ("Incorrect username or password for user matti. IP=192.0.2.7", {**BAD, **MATTI}),
    ("AUTH-ERROR: 192.0.2.7 - Invalid username or password entered.", {**BAD, **HERE}),
    ("Username or password is incorrect. Try again. IP: 192.0.2.7. Username: matti@example.org.", {**BAD, **HERE}),
    ("Login failed for user `matti` from private IP `2001:db8::7`.", {**BAD, "user": "matti", "ip": "2001:db8::7"}),
    ("Authentication request for “x” has been denied", {**BAD}),
    ("failed to validate user credentials (invalid format) ip=192.0.2.7:5012 subsystem=sftp username=matti", MATTI),
    ("User [matti] from [192.0.2.7] failed to log in via [DSM] due to authorization failure.", {**BAD, **MATTI}),
    ("Successful 1FA authentication attempt made by user 'matti'", {**GOOD, "user": "matti"}),
    ("User matti logged out from 192.0.2.7", {"action": "logout", **MATTI}),
    ("Login failed: matti (Remote IP: 192.0.2.7)", {**BAD, **MATTI}),
    ("WebAPI login failure. Reason: invalid credentials, IP: 192.0.2.7, username: matti", {**BAD, **MATTI}),
    ('login refused {"ip":"192.0.2.7","email":"matti@example.org","type":"LOGIN_FAILED"}', {**BAD, **HERE}),
    ('{"req":{"remoteAddress":"192.0.2.7","method":"get"},"statusCode":401}', {**HERE, "status": 401, "method": "GET"}),
]
SAMPLES = [(name, text) for name, text, _ in KNOWN] + [(text[:30], text) for text, _ in COMMON]


def full(expected: dict[str, Any]) -> dict[str, Any]:
    return {SHORT.get(name, name): value for name, value in expected.items()}


@pytest.mark.parametrize(("name", "text", "expected"), KNOWN, ids=[name for name, _, _ in KNOWN])
def test_a_message_says_who_from_where_and_what(name: str, text: str, expected: dict[str, Any]) -> None:
    fields = read_service(text)
    assert fields is not None
    assert {key: fields.get(key) for key in full(expected)} == full(expected)


@pytest.mark.parametrize(("text", "expected"), COMMON)
def test_a_message_of_a_service_that_is_not_known_is_read_by_its_words(text: str, expected: dict[str, Any]) -> None:
    fields = read_service(text)
    assert fields is not None
    assert {key: fields.get(key) for key in full(expected)} == full(expected)


def test_each_kind_of_message_is_tried() -> None:
    kinds = list(enumerate(MESSAGES))
    read = {next((at for at, one in kinds if one.holds in text and one.read(text)), None) for _, text in SAMPLES}
    assert [one.form.pattern for at, one in kinds if at not in read] == []


@pytest.mark.parametrize(
    "text",
    [
        "the backup took 12 minutes",
        "listening on 198.51.100.4:8443",
        "user interface started",
        "",
        "=" * 50,
    ],
)
def test_an_ordinary_message_signs_nobody_in(text: str) -> None:
    fields = read_service(text) or {}
    assert "event.outcome" not in fields
    assert "user.name" not in fields
    assert "source.ip" not in fields


# --- nobody forges an address ----------------------------------------------------------------------------------------

FORGED = "203.0.113.66"


@pytest.mark.parametrize(
    "user",
    [
        f"a from {FORGED}",
        f"a' from {FORGED} ",
        f'a" from {FORGED}',
        f"a' failed for '{FORGED}' - Wrong password",
        f"a'@'{FORGED}' (using password: YES)",
        f"x ip={FORGED}",
        f"x rhost={FORGED} user=y",
        f"[{FORGED}]",
        f"x, rip={FORGED}, lip={FORGED}",
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "Access denied for user '{}'@'192.0.2.7' (using password: YES)",
        "Login failed for user '{}'. Reason: Password did not match. [CLIENT: 192.0.2.7]",
        "warning: ws[192.0.2.7]: SASL LOGIN authentication failed: x, sasl_username={}",
        "login failure for user {} from 192.0.2.7 via ssh",
        "Registration from '\"{}\" <sip:100@198.51.100.4>' failed for '192.0.2.7:5060' - Wrong password",
        'Authentication attempt from 192.0.2.7 for user "{}" failed.',
        "Failed login attempt for username {} from ip 192.0.2.7 (Invalid password)",
        "authentication failure; rhost=192.0.2.7 user={} msg=no such user",
        '[192.0.2.7] [Login denied for user "{}"] at /x/auth.php line 3',
        'FATAL:  no pg_hba.conf entry for host "192.0.2.7", user "{}", database "app", no encryption',
        '[pid 1] [{}] FAIL LOGIN: Client "192.0.2.7"',
        (
            r"Auth: [SMB2,(null)] user []\[{}] at [x] with [NTLMv2] status [NT_STATUS_NO_SUCH_USER] workstation [] "
            r"remote host [ipv4:192.0.2.7:1] mapped to []\[x]."
        ),
    ],
)
def test_a_name_that_reads_like_an_address_gives_none(form: str, user: str) -> None:
    assert (read_service(form.format(user)) or {}).get("source.ip") in {"192.0.2.7", None}


def test_two_addresses_after_such_words_give_none() -> None:
    assert "source.ip" not in (read_service(f"login failed from 192.0.2.7, forwarded from {FORGED}") or {})


def test_a_key_with_two_values_gives_none() -> None:
    assert "source.ip" not in (read_service(f"login failed user=a ip=192.0.2.7 ip={FORGED}") or {})


# --- whatever it is fed ----------------------------------------------------------------------------------------------

PIECES = ("a", "1", "[", '"', ":", "|", ", ", " ", "a=b ", "192.0.2.7 ", "user 'a' ", "failed login ")


@pytest.mark.parametrize(("name", "text"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_no_message_takes_long(name: str, text: str) -> None:
    started = process_time()
    count = 0
    for piece in PIECES:
        stuffing = piece * (3_000 // len(piece))
        for at in (len(text) // 4, len(text) - 2):
            read_service(text[:at] + stuffing + text[at:])
            count += 1
    assert (process_time() - started) / count < 0.02


def test_a_message_that_is_too_long_is_left_whole() -> None:
    assert read_service("login failed from 192.0.2.7 " + "x" * LONGEST_COMMON) is None
    assert read_service("matti 192.0.2.7 failed to login" + " " * LONGEST_PAYLOAD) is None


@given(
    text=st.sampled_from([text for _, text in SAMPLES]),
    changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9), st.text(max_size=5)), max_size=4),
)
def test_whatever_it_is_fed_it_gives_fields_or_none(text: str, changes: list[tuple[int, int, str]]) -> None:
    for at, length, put in changes:
        text = text[:at] + put + text[at + length :]
    fields = read_service(text)
    assert fields is None or all(type(value) in {str, int} for value in fields.values())


@given(st.text(max_size=200))
def test_any_text_at_all_is_taken(text: str) -> None:
    assert read_service(text) is None or read_service(text) == read_service(text)


def test_syslog_reads_what_programs_it_does_not_know_say() -> None:
    text = "warning: ws[192.0.2.7]: SASL LOGIN authentication failed: x"
    assert read_message("postfix/smtpd", text)["source.ip"] == "192.0.2.7"
    assert read_message("an-app", "Login failed for user 'matti' from 192.0.2.7")["user.name"] == "matti"
