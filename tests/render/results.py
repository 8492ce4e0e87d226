"""Invented scan results for the tests of the output forms."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from kyber.finding import Blind, Evidence, Family, Finding, InputAccount, RuleRef, Sample, ScanResult
from kyber.level import Level
from kyber.problem import Place, Problem, Severity

START = datetime(2026, 3, 2, 8, 15, 30, tzinfo=UTC)
CODE = "010190-900P"  # an invented personal identity code: nobody's individual number is 900


def rule(name: str, title: str = "") -> RuleRef:
    return RuleRef(
        id=f"id-{name}",
        name=name,
        title=title or f"Title of {name}",
        hash="ab" * 32,
        path=f"rules/security/{name}.yml",
    )


def finding(
    number: int = 0,
    *,
    of: RuleRef | None = None,
    level: Level = Level.HIGH,
    family: Family = Family.SECURITY,
    tags: tuple[str, ...] = ("attack.execution", "attack.t1059.001"),
    group: Mapping[str, str] | None = None,
    first: datetime | None = START,
    value: str = "powershell -enc SQBFAFgA",
    fields: Mapping[str, str] | None = None,
    description: str = "An encoded command.\n  Attackers hide what they run.",
    references: tuple[str, ...] = ("https://example.org/encoded",),
    count: int = 3,
) -> Finding:
    return Finding(
        id=f"{number:032x}",
        rule=of or rule("encoded"),
        family=family,
        level=level,
        tags=tags,
        count=count,
        first=first,
        last=first + timedelta(minutes=5) if first else None,
        group={"host.name": "WS-1", "user.name": "anna", "source.ip": "10.1.2.3"} if group is None else group,
        evidence=(Evidence("selection", "CommandLine", "process.command_line", value, "* -enc *"),),
        sample=Sample(
            event_id=f"{number + 1:032x}",
            file="logs/Security.evtx",
            record=17,
            time=first,
            fields={"event.code": "4688", "process.command_line": value} if fields is None else fields,
        ),
        description=description,
        false_positives=("Software deployment",),
        references=references,
    )


def blind(number: int, reason: str = "no-events", **facts: object) -> Blind:
    return Blind(rule(f"blind{number}"), Level.MEDIUM, reason, facts)


def account(file: str = "logs/Security.evtx", form: str = "evtx", **changes: object) -> InputAccount:
    values = {
        "file": file,
        "format": form,
        "size": 1_500_000,
        "read": 1_500_000,
        "records": 1_010,
        "events": 1_000,
        "blank": 3,
        "cut": 1,
        "repaired": 2,
        "rejected": {"F07": 7},
        "notes": {"F20": 4},
        "first": START,
        "last": START + timedelta(days=1, seconds=5),
    }
    return InputAccount(**(values | changes))  # type: ignore[arg-type]


def result(
    *findings: Finding,
    blinds: tuple[Blind, ...] = (),
    inputs: tuple[InputAccount, ...] | None = None,
    problems: tuple[Problem, ...] = (),
) -> ScanResult:
    return ScanResult(
        findings=findings,
        blind=blinds,
        inputs=(account(),) if inputs is None else inputs,
        problems=problems,
        rules=20,
        fired=len({one.rule.id for one in findings}),
        started=datetime(2026, 3, 5, 6, 0, tzinfo=UTC),
        seconds=83.2,
        timezone="Europe/Helsinki",
    )


def whole() -> ScanResult:
    """A result with something of everything."""
    other = rule("stopped", "Service stopped")
    return result(
        finding(1, level=Level.CRITICAL, of=rule("lsass", "Memory of LSASS read"), tags=("attack.t1003", "tlp.green")),
        finding(2),
        finding(3, group={"host.name": "WS-2"}, first=START + timedelta(days=1)),
        finding(4, of=other, level=Level.LOW, family=Family.TECHNICAL, tags=(), group={}, first=None),
        blinds=(
            blind(1),
            blind(2),
            blind(3, "no-field", field="ParentImage"),
            blind(4, "no-field", field="ParentImage"),
            blind(5, "placeholder", name="admins"),
            blind(6, "something-new", what="x"),
        ),
        inputs=(account(), account("logs/messages", "syslog", rejected={}, notes={}, cut=0, repaired=0)),
        problems=(Problem(Place("kyber.yaml", 12), "S02", {"rows": 4, "classes": 5}, Severity.WARNING),),
    )


def hostile(text: str) -> ScanResult:
    """A result in which every text that comes from logs, rules, paths or settings holds `text`."""
    ref = RuleRef(id=f"id {text}", name=text, title=text, hash=text, path=text)
    bad = Finding(
        id=text,
        rule=ref,
        family=Family.SECURITY,
        level=Level.HIGH,
        tags=(text, f"attack.{text}"),
        count=1,
        first=START,
        last=START,
        group={"host.name": text, "user.name": text, "source.ip": text, f"x {text}": text},
        evidence=(Evidence(text, text, text, text, text),),
        sample=Sample(event_id=text, file=text, record=1, time=START, fields={text: text, f"y {text}": text}),
        description=text,
        false_positives=(text,),
        references=(text, f"https://example.org/{text}"),
    )
    return ScanResult(
        findings=(bad,),
        blind=(Blind(ref, Level.HIGH, "no-field", {"field": text}), Blind(ref, Level.LOW, text, {"fact": text})),
        inputs=(account(text, text, rejected={text: 1}, notes={text: 1}),),
        problems=(Problem(Place(text, 1), "S05", {"url": text}),),
        rules=1,
        fired=1,
        started=START,
        seconds=0.5,
        timezone=text,
    )
