"""Logs of web servers: whatever is sent to a port becomes an event, and nobody can forge who sent it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.linux import read_message
from kyber.logs.formats.web import WEB, WebParser, detect
from kyber.logs.formats.web_error import read_error
from tests.data import outside
from tests.logs.formats.asked import records, scanned

CONTEXT = Context(reference=datetime(2026, 3, 4, 12, tzinfo=UTC), zone=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = "[04/Mar/2026:12:15:30 +0200]"
WHEN = datetime(2026, 3, 4, 10, 15, 30, tzinfo=UTC)
COMBINED = f'192.0.2.7 - liisa {TIME} "GET /asiakas/7.html?haku=a&x=1 HTTP/1.1" 200 512 "https://example.org/" "curl/8"'


def read(*lines: str, context: Context = CONTEXT) -> tuple[Parsed, dict[str, int]]:
    parser = WebParser(context)
    parsed = parser.feed(Chunk([line.encode() for line in lines], list(range(len(lines)))))
    assert parsed.records == len(lines)
    assert parser.finish().records == 0
    return parsed, dict(parser.notes)


def event(line: str, context: Context = CONTEXT) -> dict[str, object]:
    parsed, _ = read(line, context=context)
    assert not parsed.rejects
    (found,) = parsed.events
    assert found.pop("event.original") == line
    return found


def within(found: dict[str, object], expected: dict[str, object]) -> dict[str, object]:
    """Of what was found, the fields that are expected."""
    return {name: value for name, value in found.items() if name in expected}


def when(found: dict[str, object]) -> datetime:
    micros = found["@timestamp"]
    assert isinstance(micros, int)
    return EPOCH + timedelta(microseconds=micros)


# --- access logs -----------------------------------------------------------------------------------------------------


def test_a_line_in_the_combined_format_is_taken_apart() -> None:
    found = event(COMBINED)
    assert when(found) == WHEN
    del found["@timestamp"]
    assert found == {
        "event.dataset": "web.access",
        "event.category": "web",
        "event.outcome": "success",
        "source.ip": "192.0.2.7",
        "user.name": "liisa",
        "http.request.method": "GET",
        "http.version": "1.1",
        "http.response.status_code": 200,
        "http.response.body.bytes": 512,
        "http.request.referrer": "https://example.org/",
        "url.original": "/asiakas/7.html?haku=a&x=1",
        "url.path": "/asiakas/7.html",
        "url.extension": "html",
        "url.query": "haku=a&x=1",
        "web.uri_query": ["haku=a&x=1", "/asiakas/7.html?haku=a&x=1"],
        "user_agent.original": "curl/8",
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'192.0.2.7 - - {TIME} "GET / HTTP/1.0" 304 -', {"source.ip": "192.0.2.7", "url.path": "/"}),
        (f'2001:db8::7 - - {TIME} "GET / HTTP/2.0" 200 5 "-" "-"', {"source.ip": "2001:db8::7"}),
        (f'::ffff:192.0.2.7 - - {TIME} "GET / HTTP/2.0" 200 5', {"source.ip": "192.0.2.7"}),
        (f'client.example.org - - {TIME} "GET / HTTP/2.0" 200 5', {"source.domain": "client.example.org"}),
        (f'192.0.2.7:50123 - - {TIME} "GET / HTTP/2.0" 200 5', {"source.ip": "192.0.2.7", "source.port": 50123}),
        (
            f'www.example.org:443 192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "-"',
            {"url.domain": "www.example.org", "url.port": 443, "source.ip": "192.0.2.7"},
        ),
        (
            f'www.example.org:80 client.example.org - - {TIME} "GET / HTTP/1.1" 200 5',
            {"url.domain": "www.example.org", "url.port": 80, "source.domain": "client.example.org"},
        ),
        (
            f'www.example.org 192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5',
            {"url.domain": "www.example.org", "source.ip": "192.0.2.7"},
        ),
        (f'192.0.2.7 - liisa virtanen {TIME} "GET / HTTP/1.1" 200 5', {"user.name": "liisa virtanen"}),
        (f'192.0.2.7 - "" {TIME} "GET / HTTP/1.1" 401 5', {"source.ip": "192.0.2.7", "event.outcome": "failure"}),
        (f'192.0.2.7 - req-7 - {TIME} "GET / HTTP/1.1" 200 5', {"web.extra": ["req-7"]}),
        (f'192.0.2.7 - req-7 - {TIME} "GET / HTTP/1.1" 200 5 "-" "-" x', {"web.extra": ["req-7", "x"]}),
        (
            f'198.51.100.9, 192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5',
            {"source.ip": "192.0.2.7", "web.forwarded_for": ["198.51.100.9", "192.0.2.7"]},
        ),
        (
            f'192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "-" "198.51.100.9, 203.0.113.2" 0.250 pool [web] "x y"',
            {
                "web.forwarded_for": ["198.51.100.9", "203.0.113.2"],
                "event.duration": 250_000_000,
                "web.extra": ["pool", "web", "x y"],
            },
        ),
        (f'192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5 17 0.001', {"web.extra": ["17"], "event.duration": 1_000_000}),
        (
            f'192.0.2.7 - - {TIME} "GET http://Example.net:8080/a?b HTTP/1.1" 200 5',
            {
                "url.scheme": "http",
                "url.domain": "example.net",
                "url.port": 8080,
                "url.path": "/a",
                "url.query": "b",
                "url.original": "http://Example.net:8080/a?b",
            },
        ),
        (
            f'192.0.2.7 - - {TIME} "CONNECT mail.example.net:25 HTTP/1.1" 405 5',
            {"url.domain": "mail.example.net", "url.port": 25, "http.request.method": "CONNECT"},
        ),
        (f'192.0.2.7 - - {TIME} "GET /a b c HTTP/1.1" 400 5', {"url.original": "/a b c"}),
        (f'192.0.2.7 - - {TIME} "GET /old" 200 5', {"url.original": "/old", "http.request.method": "GET"}),
        (f'192.0.2.7 - - {TIME} "OPTIONS * HTTP/1.1" 200 5', {"url.original": "*"}),
    ],
)
def test_the_forms_of_access_logs_are_read(line: str, expected: dict[str, object]) -> None:
    found = event(line)
    assert found["event.dataset"] == "web.access"
    assert when(found) == WHEN
    assert within(found, expected) == expected
    if "user.name" not in expected:
        assert "user.name" not in found


@pytest.mark.parametrize(
    "request_line",
    [
        r"\x16\x03\x01\x02\x00\x01\x00",
        r"\x00",
        "SSH-2.0-Go",
        r"t3 12.1.2\n",
        "hello",
        r"\n",
        "GET",
        "a b c d",
        "0" * 9_000,
    ],
)
def test_what_is_no_request_is_an_event_like_the_others(request_line: str) -> None:
    found = event(f'192.0.2.7 - - {TIME} "{request_line}" 400 157 "-" "-"')
    assert (found["web.request"], found["source.ip"]) == (request_line, "192.0.2.7")
    assert (found["http.response.status_code"], found["event.outcome"]) == (400, "failure")
    assert "url.original" not in found


@pytest.mark.parametrize("nothing", ["-", ""])
def test_a_request_that_never_came_leaves_no_field(nothing: str) -> None:
    found = event(f'192.0.2.7 - - {TIME} "{nothing}" 408 - "-" "-"')
    assert found.keys() & {"web.request", "url.original", "user_agent.original", "http.request.referrer"} == set()
    assert found["http.response.status_code"] == 408


def test_escapes_are_undone_where_they_stand_for_what_can_be_printed() -> None:
    found = event(rf'192.0.2.7 - - {TIME} "GET /\xC3\xA4\x22 HTTP/1.1" 200 5 "\\a\"b" "\x5Cx41 \x1b[0m \xff"')
    assert found["url.original"] == '/ä"'
    assert found["http.request.referrer"] == '\\a"b'
    assert found["user_agent.original"] == r"\x41 \x1b[0m \xff"


@pytest.mark.parametrize(
    "user",
    [
        r"x [01/Jan/2020:00:00:00 +0000] \"GET /forged HTTP/1.1\" 200 5 \"-\" \"-\"",
        "x [01/Jan/2020:00:00:00 +0000]",
        r"x\" \"",
    ],
)
def test_a_user_s_name_cannot_forge_the_rest_of_the_line(user: str) -> None:
    found = event(f'192.0.2.7 - {user} {TIME} "GET /real HTTP/1.1" 401 5 "-" "-"')
    assert (found["source.ip"], found["url.original"], found["http.response.status_code"]) == (
        "192.0.2.7",
        "/real",
        401,
    )
    assert when(found) == WHEN


def test_a_time_that_does_not_exist_rejects_the_line() -> None:
    parsed, notes = read('192.0.2.7 - - [31/Feb/2026:12:15:30 +0200] "GET / HTTP/1.1" 200 5')
    assert [(one.reason, one.facts) for one in parsed.rejects] == [("F14", {"time": "2026-02-31T12:15:30+02:00"})]
    assert notes == {}


# --- error logs ------------------------------------------------------------------------------------------------------

NGINX = "2026/03/04 12:15:30 [error] 7#8: *34 "


def test_an_error_of_nginx_is_taken_apart() -> None:
    line = (
        f'{NGINX}open() "/srv/www/a" failed (2: No such file), client: 192.0.2.7, server: www.example.org, '
        'request: "GET /a?b=1 HTTP/1.1", upstream: "http://127.0.0.1:81/a", host: "example.org:8080", referrer: "http://r/"'
    )
    found = event(line, Context(reference=CONTEXT.reference, zone=ZoneInfo("Europe/Helsinki")))
    assert when(found) == WHEN
    del found["@timestamp"]
    assert found == {
        "event.dataset": "nginx.error",
        "log.level": "error",
        "message": 'open() "/srv/www/a" failed (2: No such file)',
        "process.pid": 7,
        "process.thread.id": 8,
        "nginx.error.connection_id": 34,
        "nginx.error.server": "www.example.org",
        "nginx.error.upstream": "http://127.0.0.1:81/a",
        "source.ip": "192.0.2.7",
        "http.request.method": "GET",
        "http.version": "1.1",
        "http.request.referrer": "http://r/",
        "url.domain": "example.org",
        "url.port": 8080,
        "url.original": "/a?b=1",
        "url.path": "/a",
        "url.query": "b=1",
        "web.uri_query": ["b=1", "/a?b=1"],
    }


FORGED = ", client: 198.51.100.66, server: _"


@pytest.mark.parametrize(
    ("message", "address"),
    [
        ("bind() to 0.0.0.0:80 failed", None),
        ("connect() failed, client: 192.0.2.7, server: 0.0.0.0:443", "192.0.2.7"),
        ("SSL_do_handshake() failed, client: 2001:db8::7, server: [::]:443", "2001:db8::7"),
        (f'open() "/srv/x{FORGED}" failed, client: 192.0.2.7, server: _, request: "GET /s HTTP/1.1"', "192.0.2.7"),
        (f'open() "/srv/x" failed, client: 192.0.2.7, server: _, request: "GET /s{FORGED} HTTP/1.1"', "192.0.2.7"),
        (f'open() "/srv/x" failed, client: 192.0.2.7, server: _, request: "GET /s{FORGED}", host: "x"', "192.0.2.7"),
        (
            "timed out, client: 192.0.2.7, server: x, bytes from/to client:5/0, bytes from/to upstream:0/5",
            "192.0.2.7",
        ),
        (f'a failed, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1", referrer: "a{FORGED}, host: "b"', None),
        (f'open() "/x{FORGED}, request: "GET / HTTP/1.1" failed, client: 192.0.2.7, server: _, host: "b"', None),
        (f"x{FORGED * 20}", None),
    ],
)
def test_the_client_of_an_error_of_nginx_is_the_true_one_or_none(message: str, address: str | None) -> None:
    found = event(NGINX + message)
    assert found.get("source.ip") == address
    assert str(found["message"]) in message


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["", FORGED, f'{FORGED}"', f'"{FORGED}']))
def test_nothing_in_a_request_makes_nginx_name_another_client(path: str, referrer: str, forged: str) -> None:
    line = (
        f'{NGINX}open() "{path}{forged}" failed, client: 192.0.2.7, server: _, '
        f'request: "GET {path}{forged} HTTP/1.1", host: "h", referrer: "{referrer}{forged}"'
    )
    found = read_error(line.replace("\n", ""))
    assert found is not None
    assert found[1].get("source.ip") in (None, "192.0.2.7")


APACHE = "[Wed Mar 04 10:15:30.123456 2026] "


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            APACHE
            + "[core:error] [pid 7:tid 1408] (13)Permission denied: [client 192.0.2.7:5678] AH00037: Symbolic link "
            "not allowed: /srv/x, referer: http://r/",
            {
                "apache.error.module": "core",
                "process.pid": 7,
                "process.thread.id": 1408,
                "source.ip": "192.0.2.7",
                "source.port": 5678,
                "error.code": "AH00037",
                "http.request.referrer": "http://r/",
                "message": "(13)Permission denied: Symbolic link not allowed: /srv/x",
            },
        ),
        (
            APACHE + "[ssl:warn] [pid 7] AH01909: www.example.org:443:0 server certificate does NOT include an ID",
            {"error.code": "AH01909", "log.level": "warn", "apache.error.module": "ssl"},
        ),
        (
            APACHE + "[proxy:error] [pid 7:tid 8] [client 2001:db8::7:5678] AH00898: Error reading from remote server",
            {"source.ip": "2001:db8::7", "source.port": 5678},
        ),
        (
            "[Wed Mar 04 10:15:30 2026] [error] [client ::1] File does not exist: /srv/x",
            {"source.ip": "::1", "message": "File does not exist: /srv/x"},
        ),
        (
            "[Wed Mar 04 10:15:30 2026] [notice] caught SIGTERM, shutting down",
            {"message": "caught SIGTERM, shutting down"},
        ),
        (
            APACHE + '[security2:error] [pid 7:tid 8] [client 192.0.2.7:5678] ModSecurity: Warning. [id "930100"] '
            '[msg "Path \\"..\\" attack"]',
            {"rule.id": "930100", "rule.name": 'Path ".." attack'},
        ),
    ],
)
def test_the_forms_of_apache_s_errors_are_read(line: str, expected: dict[str, object]) -> None:
    found = event(line)
    assert found["event.dataset"] == "apache.error"
    assert when(found).replace(microsecond=0) == WHEN
    assert within(found, expected) == expected


@pytest.mark.parametrize(
    ("line", "user", "reason"),
    [
        (f'{NGINX}user "liisa": password mismatch, client: 192.0.2.7, server: _', "liisa", "password mismatch"),
        (f'{NGINX}user "x" was not found in "/etc/p", client: 192.0.2.7, server: _', "x", "unknown user"),
        (
            f'{APACHE}[a:error] [client 192.0.2.7:9] user liisa: authentication failure for "/": Password Mismatch',
            "liisa",
            "password mismatch",
        ),
        ("[Wed Mar 04 10:15:30 2026] [error] [client 192.0.2.7] user x not found: /a", "x", "unknown user"),
    ],
)
def test_a_refused_login_names_the_user_and_the_address(line: str, user: str, reason: str) -> None:
    found = event(line)
    expected = {
        "user.name": user,
        "event.reason": reason,
        "event.outcome": "failure",
        "event.category": "authentication",
        "source.ip": "192.0.2.7",
    }
    assert within(found, expected) == expected


def test_zones_that_had_to_be_assumed_are_counted() -> None:
    _, notes = read(COMBINED, NGINX + "x", APACHE + "[core:notice] [pid 7] y")
    assert notes == {"F21": 2}


def test_what_other_programs_write_into_an_error_log_is_kept_as_text_and_said() -> None:
    parsed, notes = read(COMBINED, "sh: 1: foo: not found", "httpd: Assertion `a == b' failed.", "a\0b")
    assert [one["message"] for one in parsed.events[1:]] == [
        "sh: 1: foo: not found",
        "httpd: Assertion `a == b' failed.",
    ]
    assert [one.reason for one in parsed.rejects] == ["F44"]
    assert notes == {"F42": 2}


# --- telling ---------------------------------------------------------------------------------------------------------


def test_logs_of_web_servers_are_told_even_when_they_are_mixed_or_cut() -> None:
    mixed = "\n".join((COMBINED, NGINX + "x", APACHE + "[core:notice] [pid 7] y", COMBINED[:30]))
    assert detect(mixed.encode()) == detect(COMBINED.encode()) == 96


@pytest.mark.parametrize(
    "line",
    [
        f"Mar  4 10:15:30 web-1 nginx[7]: {COMBINED}",
        f"2026-03-04T10:15:30+02:00 web-1 nginx: {COMBINED}",
        f"<190>Mar  4 10:15:30 web-1 nginx: {COMBINED}",
        f"{TIME} GET / 200",
        "[error] something",
    ],
)
def test_what_only_resembles_them_is_not_taken_for_them(line: str) -> None:
    assert detect(line.encode()) == 0


def test_what_a_web_server_says_by_syslog_is_taken_apart_too() -> None:
    assert read_message("nginx", COMBINED).items() >= {"source.ip": "192.0.2.7", "user.name": "liisa"}.items()
    assert read_message("httpd", APACHE + "[core:error] [pid 7] [client 192.0.2.7:9] x")["source.ip"] == "192.0.2.7"
    assert read_message("apache2", "something else") == {}


# --- whatever it is fed ----------------------------------------------------------------------------------------------

LINES = (
    COMBINED,
    NGINX + f'x, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1"{FORGED}',
    APACHE + "[a:error] [client 1]",
)
PIECES = st.sampled_from(['"', "\\", "[", "]", ", client: ", " ", ":", "\0", "\\x", '", host: "', "-"]) | st.text(
    max_size=4
)


@given(st.sampled_from(LINES), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9), PIECES), max_size=4))
def test_a_damaged_line_is_an_event_or_a_reject(line: str, changes: list[tuple[int, int, str]]) -> None:
    for at, length, put in changes:
        line = line[:at] + put + line[at + length :]
    parsed, notes = read(line.replace("\n", " ").replace("\r", " "))
    assert len(parsed.events) + len(parsed.rejects) + parsed.blank == 1
    assert set(notes) <= {"F21", "F42"}


@pytest.mark.parametrize(
    "piece", ['", host: "', ", client: ", "\\", '\\"', " [04/Mar/2026:12:15:30 +0200]", "a ", "[", "::1,"]
)
@pytest.mark.parametrize("start", ["192.0.2.7 - ", NGINX, APACHE + "[a:error] "])
def test_a_long_hostile_line_is_read_at_once(start: str, piece: str) -> None:
    started = datetime.now(UTC)
    read(start + piece * (200_000 // len(piece)))
    assert datetime.now(UTC) - started < timedelta(seconds=2)


# --- rules -----------------------------------------------------------------------------------------------------------

LOG = "\n".join(
    (
        f'192.0.2.1 - - {TIME} "GET /ecp/x.aspx HTTP/1.1" 200 5 "-" "Mozilla/5.0"',
        f'192.0.2.2 - SRV$ {TIME} "POST /a.php?cmd=id HTTP/1.1" 200 5 "http://r/" "sqlmap/1.8"',
        f'192.0.2.3 - - {TIME} "GET http://paste.example.net/x.exe HTTP/1.1" 200 5 "-" "certutil"',
        f"{NGINX}worker process 9 exited on signal 6 (core dumped)",
        f"{APACHE}[core:notice] [pid 7] AH00052: child pid 9 exit signal Segmentation Fault (11)",
        "",
    )
).encode()
WEBSERVER = {"category": "webserver"}


@pytest.mark.parametrize(
    ("logsource", "detection", "expected"),
    [
        (WEBSERVER, ("cs-uri-query|contains: /ecp/",), [1]),
        (WEBSERVER, ("cs-uri-query|startswith: cmd=", "cs-method: POST", "sc-status: 200"), [2]),
        (WEBSERVER, ("cs-uri-stem|endswith: .php", "cs-username|endswith: $"), [2]),
        (WEBSERVER, ("cs-user-agent|contains: sqlmap", "cs-referer: http://r/", "c-ip: 192.0.2.2"), [2]),
        (WEBSERVER, ("cs-uri|contains: /ecp/", "src_ip|cidr: 192.0.2.0/24", "cs-referer: null"), [1]),
        ({"category": "proxy"}, ("c-uri|contains: paste", "c-uri-extension: exe", "c-useragent: certutil"), [3]),
        ({"category": "proxy"}, ("cs-host|endswith: example.net", "cs-method: GET"), [3]),
        ({"service": "nginx"}, ("- core dumped",), [4]),
        ({"service": "apache"}, ("- Segmentation Fault",), [5]),
    ],
)
def test_rules_find_what_they_look_for(
    tmp_path: Path, logsource: dict[str, str], detection: tuple[str, ...], expected: list[int]
) -> None:
    assert records(tmp_path, LOG, logsource, detection) == expected


def test_a_request_that_no_proxy_is_asked_is_not_a_proxy_s(tmp_path: Path) -> None:
    result = scanned(tmp_path, LOG, {"category": "proxy"}, ("c-useragent|contains: sqlmap",))
    assert result.findings == ()


# --- real logs -------------------------------------------------------------------------------------------------------


def test_each_of_apache_s_real_errors_has_its_time() -> None:
    lines = (outside("linux") / "Apache_2k.log").read_bytes().decode().splitlines()
    assert detect("\n".join(lines).encode()) == 96
    parsed, notes = read(*lines)
    assert len(parsed.events) == len(lines) == 2_000
    assert notes == {"F21": 2_000}
    for line, found in zip(lines, parsed.events, strict=True):
        assert when(found).strftime("[%a %b %d %H:%M:%S %Y]") == line[:26]
        assert f"[{found['log.level']}] " in line
        assert line.endswith(str(found["message"]))
    clients = [line for line in lines if "[client " in line]
    assert clients
    assert all(
        f"[client {one['source.ip']}]" in line
        for line, one in zip(lines, parsed.events, strict=True)
        if line in clients
    )


def test_the_format_stands_under_its_name() -> None:
    assert (WEB.name, WEB.table, WEB.framing, WEB.product) == ("web", "web", "lines", None)
