"""Proof: how much kyber understands, without a hint, of the logs of many services.

In: CrowdSec's own test cases (`crowdsec-cases.tar.gz` of the outside data). A case is a log file of one service; for
some there is what CrowdSec's parsers made of each line (`parsed`: parser `#` number of the line, from 0), for others
only which addresses or accounts attacked (`sources`). Out: a Proof with a table, a row a service. kyber reads each
file as `kyber scan` would: it tells the format itself.

The cases that kyber was improved with are those whose name's SHA-256, as a number, is divisible by 4; the rest are held
out, and are read only when asked for (`held_out`, or `--all` of `python -m tests.prove.crowdsec`) and told apart.

**Lines understood**: all but blank ones, rejects, and lines kept as text (F42).

**Fields that agree**: CrowdSec's names stand for kyber's columns as SAME says; where several columns are named, one
must agree. All are compared as text, but for addresses (in their shortest form; an IPv4 address that is mapped into
IPv6 is that address), times (as moments; where CrowdSec kept no zone, kyber's has to be UTC, and where it kept no year
or date, the rest has to agree), and words that are written in either case (IGNORE_CASE). A field that CrowdSec found
empty or `-` is not compared. Not compared either, and listed on the page: what is CrowdSec's own (its names for the
service and the kind of event, where the line was read, the name of the acquisition that stands as `program` unless it
comes by syslog), parts of what is compared whole (day, month, year of a time), and fields that have no name in ECS.

**Attackers found**: each of a case's `sources` is, in some event, the source address, a user or the parent process.
"""

import contextlib
import json
import re
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from kyber.logs.batch import EventBatch
from kyber.logs.parse import Tally
from kyber.logs.values import NO_TIME, as_datetime, texts
from tests.data import outside
from tests.prove.both import File, batches_of
from tests.prove.page import Proof, table

CASES = "crowdsec-cases.tar.gz"
DIVISOR = 4

TIME = "@timestamp"
_USER = ("user.name", "user.target.name")
_PATH = ("url.path", "url.original")
_DOMAIN = ("url.domain", "destination.domain", "host.name", "server.address")
SAME: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("source_ip", "meta.source_ip", "remote_addr", "client_ip", "remote_ip", "cas_client_ip", "src_ip"),
        ("source.ip",),
    ),
    **dict.fromkeys(
        ("source_port", "client_port", "src_port", "remote_port", "meta.source_port", "sport"), ("source.port",)
    ),
    **dict.fromkeys(("target_ip", "dst_ip", "server_ip", "destination_ip", "meta.dst_ip"), ("destination.ip",)),
    **dict.fromkeys(
        ("target_port", "dst_port", "meta.dst_port", "server_port", "destination_port"), ("destination.port",)
    ),
    **dict.fromkeys(
        (
            "username",
            "meta.username",
            "user",
            "meta.user",
            "target_user",
            "meta.target_user",
            "source_user",
            "meta.source_user",
            "cas_invalid_user",
            "invalid_user",
            "pgsql_user",
            "pgsql_target_user",
            "remote_user",
            "sshd_invalid_user",
            "sshd_valid_user",
        ),
        _USER,
    ),
    **dict.fromkeys(("http_user_agent", "meta.http_user_agent"), ("user_agent.original",)),
    **dict.fromkeys(("verb", "http_verb", "meta.http_verb", "meta.verb", "request_type"), ("http.request.method",)),
    **dict.fromkeys(("request", "meta.http_path", "http_request", "endpoint"), _PATH),
    **dict.fromkeys(("status", "meta.http_status", "http_status_code"), ("http.response.status_code",)),
    **dict.fromkeys(("body_bytes_sent", "bytes_read"), ("http.response.body.bytes", "http.response.bytes")),
    "http_version": ("http.version",),
    "http_referer": ("http.request.referrer",),
    **dict.fromkeys(("target_fqdn", "meta.target_fqdn"), _DOMAIN),
    "scheme": ("url.scheme",),
    **dict.fromkeys(("log_level", "loglevel", "level", "meta.log_level"), ("log.level",)),
    **dict.fromkeys(("reason", "fail_reason", "meta.error", "smtp_message", "meta.smtp_message"), ("event.reason",)),
    "meta.machine": ("host.name",),
    "program": ("process.name",),
    **dict.fromkeys(("pid", "PID"), ("process.pid", "linux.kernel.pid")),
    "proto": ("network.transport",),
    "if_in": ("observer.ingress.interface.name",),
    "if_out": ("observer.egress.interface.name",),
    "syslog_priority": ("log.syslog.priority",),
    "syslog_version": ("log.syslog.version",),
    **dict.fromkeys(
        (
            "timestamp",
            "timestamp8601",
            "time",
            "datetime",
            "ts",
            "date",
            "time_local",
            "time_stamp",
            "fastly_timestamp",
            "accept_date",
        ),
        (TIME,),
    ),
}
"""CrowdSec's name -> kyber's columns."""

ONLY_IN_SYSLOG = frozenset(("program", "meta.machine", "pid"))
"""What CrowdSec takes from a syslog header; of other files it says the name that the user gave the acquisition."""
IGNORE_CASE = frozenset(("network.transport", "log.level", "http.request.method"))
ADDRESSES = frozenset(("source.ip", "destination.ip"))
NOTHING = frozenset(("", "-"))

_FORMS: Final = (
    ("%d/%b/%Y:%H:%M:%S %z", True),
    ("%d/%b/%Y:%H:%M:%S.%f", True),
    ("%d/%b/%Y:%H:%M:%S", True),
    ("%d-%b-%Y %H:%M:%S.%f", True),
    ("%Y/%m/%d %H:%M:%S.%f", True),
    ("%Y/%m/%d %H:%M:%S", True),
    ("%Y/%m/%d - %H:%M:%S", True),
    ("%m/%d/%y %H:%M:%S.%f", True),
    ("%a %b %d %H:%M:%S.%f %Y", True),
    ("%a %b %d %H:%M:%S %Y", True),
    ("%b %d %H:%M:%S.%f", False),
    ("%b %d %H:%M:%S", False),
    ("%H:%M:%S.%f", False),
    ("%H:%M:%S", False),
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FRACTION = re.compile(r"[.,](\d{6})\d*")


@dataclass(slots=True)
class Count:
    """What one service's cases came to."""

    cases: int = 0
    lines: int = 0
    understood: int = 0
    compared: int = 0
    agree: int = 0
    sources: int = 0
    found: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Count") -> None:
        """Count another's too."""
        self.cases += other.cases
        self.lines += other.lines
        self.understood += other.understood
        self.compared += other.compared
        self.agree += other.agree
        self.sources += other.sources
        self.found += other.found
        self.wrong += other.wrong


def is_working(name: str) -> bool:
    """Whether a case, by its name, is one that kyber may be improved with."""
    return int(sha256(name.encode()).hexdigest(), 16) % DIVISOR == 0


def cases(held_out: bool) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """The cases of one side, each with its log."""
    with tarfile.open(outside(CASES)) as archive:
        members = {one.name: one for one in archive.getmembers() if one.isfile()}
        index = next(name for name in members if name.endswith("cases.jsonl"))
        root = index.removesuffix("cases.jsonl")

        def content(name: str) -> bytes:
            opened = archive.extractfile(members[name])
            assert opened is not None
            return opened.read()

        for line in content(index).splitlines():
            case = json.loads(line)
            if is_working(case["test"]) != held_out:
                yield case, content(f"{root}{case['test']}/{case['log_file']}")


def measured(case: Mapping[str, Any], log: bytes) -> Count:
    """One case, read as a scan reads it."""
    tally = Tally()
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(log)
        made = list(batches_of(File("log", path), tally))
    unread = sum(tally.rejected.values()) + tally.notes["F42"]
    lines = tally.records - tally.blank
    count = Count(cases=1, lines=lines, understood=lines - unread)
    rows = {batch.records[row] - 1: (batch, row) for batch in made for row in range(batch.rows)}
    for key, said in (case.get("parsed") or {}).items():
        batch, row = rows.get(int(key.rsplit("#", 1)[1]), (None, 0))
        for name, expected in said.items():
            if not comparable(name, expected, case["log_type"]):
                continue
            count.compared += 1
            if batch is not None and agrees(name, expected, batch, row):
                count.agree += 1
            else:
                count.wrong[name] += 1
    if not case.get("parsed"):
        who = {plain(value) for batch in made for value in _who(batch)}
        for source in case.get("sources") or ():
            count.sources += 1
            count.found += plain(source) in who
    return count


def comparable(name: str, expected: object, service: str) -> bool:
    """Whether a field of CrowdSec's is compared at all."""
    if name not in SAME or expected is None or str(expected) in NOTHING:
        return False
    return service == "syslog" or name not in ONLY_IN_SYSLOG


def agrees(name: str, expected: object, batch: EventBatch, row: int) -> bool:
    """Whether one of the columns that a name stands for holds, in an event, what is expected."""
    columns = SAME[name]
    if columns == (TIME,):
        return is_time(str(expected), as_datetime(int(batch.times[row])) if batch.times[row] != NO_TIME else None)
    for one in columns:
        column = batch.column(one)
        if column is None or column.codes[row] < 0:
            continue
        for found in texts(column.at(row)):
            if one in ADDRESSES and plain(found) == plain(str(expected)):
                return True
            if one in IGNORE_CASE and found.lower() == str(expected).lower():
                return True
            if found == str(expected):
                return True
    return False


def is_time(expected: str, found: datetime | None) -> bool:
    """Whether a time as CrowdSec kept it is a moment; seconds are compared where one of the two has no fraction."""
    if found is None:
        return False
    if _DATE.fullmatch(expected):
        return expected == f"{found:%Y-%m-%d}"
    for told, whole in _read(expected.strip()):
        moment = told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
        seen = found if moment.microsecond else found.replace(microsecond=0)
        if whole and moment == seen:
            return True
        if (
            not whole
            and moment.time() == seen.time()
            and (moment.year == 1900 and (moment.month, moment.day) in {(1, 1), (seen.month, seen.day)})
        ):
            return True
    return False


def _read(text: str) -> Iterator[tuple[datetime, bool]]:
    text = _FRACTION.sub(r".\1", text).replace(",", ".")
    with contextlib.suppress(ValueError):
        yield datetime.fromisoformat(text), True
    for form, whole in _FORMS:
        try:
            yield datetime.strptime(text, form), whole
        except ValueError:
            continue


def _who(batch: EventBatch) -> Iterator[str]:
    for name in ("source.ip", "user.name", "user.target.name", "process.parent.pid"):
        column = batch.column(name)
        if column is not None:
            for code in {int(one) for one in column.codes if one >= 0}:
                yield from texts(column.values[code])


def plain(text: str) -> str:
    """An address in its shortest form, IPv4 where it is mapped into IPv6; any other text as it is."""
    try:
        found = ip_address(text)
    except ValueError:
        return text
    return str((found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found)


def per_service(held_out: bool, most: int | None = None) -> tuple[dict[str, Count], Counter[str]]:
    """A count a service, and CrowdSec's fields that were not compared. `most`: only so many cases, the first."""
    found: dict[str, Count] = defaultdict(Count)
    passed: Counter[str] = Counter()
    for case, log in islice(cases(held_out), most):
        found[case["log_type"]].add(measured(case, log))
        for said in (case.get("parsed") or {}).values():
            passed.update(name for name, value in said.items() if not comparable(name, value, case["log_type"]))
    return dict(sorted(found.items())), passed


def total(counts: Iterable[Count]) -> Count:
    """All of them together."""
    whole = Count()
    for one in counts:
        whole.add(one)
    return whole


def services_table(found: Mapping[str, Count]) -> str:
    """A row a service."""

    def row(name: str, one: Count) -> tuple[object, ...]:
        missing = ", ".join(f"{what} {count}" for what, count in one.wrong.most_common(4))
        return (
            name,
            one.cases,
            one.lines,
            one.understood,
            _of(one.agree, one.compared),
            _of(one.found, one.sources),
            missing,
        )

    head = ("service", "cases", "lines", "understood", "fields that agree", "attackers found", "fields that do not")
    return table(head, [row(name, one) for name, one in found.items()])


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else ""


def share(part: int, whole: int) -> str:
    """A share in per cent, to one decimal."""
    return f"{100 * part / whole:.1f} %" if whole else "none"


CLAIM = """\
What kyber understands, without any hint, of log files of many services, held against what CrowdSec's parsers made of
the same lines. Nothing is claimed but that every line is accounted for; the numbers are the answer."""


def services(most: int | None = None, held_out: bool = False) -> Proof:
    """The working cases, and the held-out ones where asked for. `most`: only so many of each."""
    parts: list[str] = []
    wrong: list[str] = []
    counts: dict[str, int] = {}
    for side, name in ((False, "working cases"), (True, "held-out cases")):
        if side and not held_out:
            continue
        found, passed = per_service(side, most)
        whole = total(found.values())
        counts |= {
            name: whole.cases,
            f"{name}: lines": whole.lines,
            f"{name}: lines understood": whole.understood,
            f"{name}: fields compared": whole.compared,
            f"{name}: fields that agree": whole.agree,
            f"{name}: attackers in cases without fields": whole.sources,
            f"{name}: attackers found": whole.found,
        }
        wrong += [
            f"{service}: more understood than read" for service, one in found.items() if one.understood > one.lines
        ]
        parts += [
            f"## The {name}",
            (
                f"{share(whole.understood, whole.lines)} of the lines are understood, "
                f"{share(whole.agree, whole.compared)} of the expected fields agree, "
                f"{share(whole.found, whole.sources)} of the attackers are found."
            ),
            services_table(found),
            "Not compared: " + ", ".join(f"{what} ({count})" for what, count in sorted(passed.items())) + ".",
        ]
    parts.append("## What is compared")
    parts.append("A case belongs to the working ones where its name's SHA-256, as a number, is divisible by 4.")
    columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, same in SAME.items():
        columns[same].append(name)
    parts.append(
        table(("CrowdSec", "kyber"), [(", ".join(names), " or ".join(same)) for same, names in columns.items()])
    )
    return Proof(title="Logs of many services", claim=CLAIM, counts=counts, wrong=wrong, parts=parts, data=(CASES,))


if __name__ == "__main__":
    proof = services(held_out="--all" in sys.argv[1:])
    print("\n\n".join([f"# {proof.title}", table(("what", "count"), proof.counts.items()), *proof.parts]))
