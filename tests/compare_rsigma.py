"""SigmaHQ's Windows rules on real Windows events, three times: kyber's engine, the row-by-row evaluator, and rsigma.

Files and the rsigma program in; out comes a Proof, in which every hit that not all three found has a named reason.

The engine goes the way of a scan, and the row-by-row evaluator asks the columns that the engine sees. rsigma knows
nothing of kyber's field tables: its events are made flat here, and what they are for rules (`_product`, `_category`,
`_service`) is settled by the tables here, written for this purpose. So a wrong entry in kyber's tables is a difference,
too. Then follow PROBES: small rules that kyber and rsigma read differently, with a reason each.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import evtx
import yaml

from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import RuleError, Unable, read_rule
from tests.logs.sigma.test_match import batch_of
from tests.prove.both import File, Hit, both, document, sigmahq, truth, windows
from tests.prove.page import Proof, table
from tests.reference import RefusedRuleError, read

Event = dict[str, Any]

SYSMON: Mapping[int, tuple[str, ...]] = {
    1: ("process_creation",),
    2: ("file_change",),
    3: ("network_connection",),
    4: ("sysmon_status",),
    5: ("process_termination",),
    6: ("driver_load",),
    7: ("image_load",),
    8: ("create_remote_thread",),
    9: ("raw_access_thread",),
    10: ("process_access",),
    11: ("file_event",),
    12: ("registry_event", "registry_add", "registry_delete"),  # which of the latter two, EventType says
    13: ("registry_event", "registry_set"),
    14: ("registry_event", "registry_rename"),
    15: ("create_stream_hash",),
    16: ("sysmon_status",),
    17: ("pipe_created",),
    18: ("pipe_created",),
    19: ("wmi_event",),
    20: ("wmi_event",),
    21: ("wmi_event",),
    22: ("dns_query",),
    23: ("file_delete",),
    25: ("process_tampering",),
    26: ("file_delete",),
    29: ("file_executable_detected",),
    255: ("sysmon_error",),
}
EVENT_TYPES = {"CreateKey": "registry_add", "DeleteKey": "registry_delete", "DeleteValue": "registry_delete"}
CHANNELS: Mapping[str, str] = {
    "application": "application",
    "security": "security",
    "system": "system",
    "microsoft-windows-sysmon/operational": "sysmon",
    "windows powershell": "powershell-classic",
    "microsoft-windows-powershell/operational": "powershell",
    "microsoft-windows-windows defender/operational": "windefend",
    "microsoft-windows-bits-client/operational": "bits-client",
    "microsoft-windows-taskscheduler/operational": "taskscheduler",
    "microsoft-windows-wmi-activity/operational": "wmi",
    "microsoft-windows-dns-client/operational": "dns-client",
    "microsoft-windows-ntlm/operational": "ntlm",
    "microsoft-windows-windows firewall with advanced security/firewall": "firewall-as",
    "microsoft-windows-terminalservices-localsessionmanager/operational": "terminalservices-localsessionmanager",
    "microsoft-windows-codeintegrity/operational": "codeintegrity-operational",
    "msexchange management": "msexchange-management",
}
POWERSHELL: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("powershell", 4103): ("ps_module",),
    ("powershell", 4104): ("ps_script",),
    ("powershell-classic", 400): ("ps_classic_start",),
    ("powershell-classic", 600): ("ps_classic_provider_start",),
}
FLAT = {"SourceName": "Provider_Name", "Hostname": "Computer"}
"""What NXLog calls otherwise than Sigma's rules do."""
PROCESS_4688 = {"NewProcessName": "Image", "ParentProcessName": "ParentImage", "SubjectLogonId": "LogonId"}


# --------------------------------------------------------------------------------------------------------- the events


def flat(event: Mapping[str, Any]) -> Event:
    """One event as the `evtx` package gives it, under the names that Sigma rules use."""
    system, body = event["System"], event.get("EventData") or event.get("UserData") or {}
    found: Event = {
        "EventID": text_within(system["EventID"]),
        "Channel": system["Channel"],
        "Computer": system["Computer"],
        "Provider_Name": system["Provider"]["#attributes"]["Name"],
        "Level": system["Level"],
        "Task": system["Task"],
    }
    for name, value in leaves(body):
        found.setdefault(name.replace(" ", ""), value)
    return found


def leaves(body: Any, name: str = "Data") -> Iterator[tuple[str, Any]]:
    """Each named value of an event's data, however deep it lies."""
    if not isinstance(body, Mapping) or "#text" in body:
        yield name, text_within(body)
        return
    for key, value in body.items():
        if key != "#attributes":
            yield from leaves(value, key)


def text_within(value: Any) -> Any:
    """A value without what XML put around it."""
    if isinstance(value, Mapping):
        return value.get("#text")
    return [text_within(each) for each in value] if isinstance(value, list) else value


def events_in(file: File) -> Iterator[tuple[int, Event]]:
    """The events of an EVTX file, or of flat JSON lines as NXLog writes them; each with its record's number."""
    if file.path.suffix == ".evtx":
        for number, record in enumerate(evtx.PyEvtxParser(str(file.path), number_of_threads=1).records_json(), 1):
            assert record is not None
            body = json.loads(record["data"])["Event"]
            if body.get("System"):
                yield number, flat(body)
        return
    for number, line in enumerate(file.path.read_bytes().split(b"\n"), 1):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event.get("EventID"), int) and isinstance(event.get("Channel"), str):
            yield number, {FLAT.get(name, name): value for name, value in event.items() if name[:1] not in ("_", "@")}


def logsources(event: Event) -> list[tuple[str, str]]:
    """The (category, service) pairs that an event stands for; `-` where there is none."""
    service = CHANNELS.get(str(event["Channel"]).lower(), "-")
    number = int(event["EventID"])
    categories = SYSMON.get(number, ()) if service == "sysmon" else POWERSHELL.get((service, number), ())
    if (service, number) == ("security", 4688):
        categories = ("process_creation",)
    if (service, number) == ("sysmon", 12) and event.get("EventType") in EVENT_TYPES:
        categories = ("registry_event", EVENT_TYPES[event["EventType"]])
    return [(category, service) for category in categories or ("-",)]


def tagged(number: int, event: Event) -> Iterator[Event]:
    """An event once for each of its categories, carrying a number and where it belongs."""
    for category, service in logsources(event):
        one = {**event, "_number": number, "_product": "windows", "_category": category, "_service": service}
        if category == "process_creation":
            one |= {new: event[old] for old, new in PROCESS_4688.items() if old in event and new not in event}
        yield one


# ------------------------------------------------------------------------------------------------------------- rsigma


def by_rsigma(program: str, rules: Sequence[bytes], events: Sequence[Event]) -> tuple[set[tuple[str, int]], str]:
    """What rsigma finds, as rule ids and events' numbers, and what it says while loading the rules.

    Raises CalledProcessError if it refuses one.
    """
    with TemporaryDirectory() as folder:
        for number, text in enumerate(rules):
            Path(folder, f"{number:05}.yml").write_bytes(text)
        lines = "".join(json.dumps(event) + "\n" for event in events)
        command = [program, "engine", "eval", "--rules", folder, "--input-format", "json", "--output-format", "ndjson"]
        command += ["--include-event", "--logsource-routing"]
        command += ["--logsource-field-map", "product=_product,category=_category,service=_service"]
        run = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    found = (json.loads(line) for line in run.stdout.splitlines())
    return {(hit["rule_id"], hit["event"]["_number"]) for hit in found}, run.stderr.decode().replace(folder, "RULES")


# -------------------------------------------------------------------------------------------------------- differences


@dataclass(frozen=True, slots=True)
class Difference:
    """A hit that not all three found: the rule's document, the event as rsigma saw it, and who found it."""

    hit: Hit
    rule: Mapping[str, Any]
    event: Event
    engine: bool
    rowwise: bool
    rsigma: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some differences are as they are, and how to know them."""

    title: str
    text: str
    explains: Callable[[Difference], bool]


def expands(difference: Difference) -> bool:
    """Whether only rsigma runs the rule, for it has a placeholder that nobody filled."""
    found = (difference.engine, difference.rowwise, difference.rsigma)
    return found == (False, False, True) and "|expand" in json.dumps(difference.rule["detection"])


def all_keywords(difference: Difference) -> bool:
    """Whether rsigma alone misses a rule that has keywords of which all are wanted."""
    found = (difference.engine, difference.rowwise, difference.rsigma)
    selections = difference.rule["detection"].values()
    return found == (True, True, False) and any(isinstance(one, Mapping) and "|all" in one for one in selections)


REASONS = [
    Reason(
        "unresolved placeholder",
        "The rule expands a list that nobody has given. kyber does not run it and calls it Blind, with the list's name "
        "(the reference evaluator refuses it, too); rsigma compares with the text `%name%` itself, so that an "
        "exclusion excludes nothing and the rule fires.",
        expands,
    ),
    Reason(
        "keywords of which all are wanted",
        "A keyword is searched for in the event. Under `'|all'` rsigma compares each keyword with a whole value, and "
        "wants them all in the same one, so that these rules miss the very attack that they describe.",
        all_keywords,
    ),
]


def why(difference: Difference) -> str:
    """The title of the reason for a difference; empty where there is none."""
    return next((reason.title for reason in REASONS if reason.explains(difference)), "")


@dataclass(frozen=True, slots=True)
class Probe:
    """One small rule that the two read differently. The answers are yes, no or refused."""

    sentence: str
    selection: Any
    event: Event
    ours: str
    theirs: str
    why: str
    condition: str = "sel"


TEXT = "The log's value may arrive as a number or as text; Sigma's comparison is one of text."
WILD = "The specification's wildcards are any characters; command lines and script blocks have line breaks."
SEARCHED = "A keyword is searched for in the event, with `all` as without."
LEFT_OUT = "rsigma leaves it out; kyber takes what the specification allows."
PROBES = [
    Probe("neq on an absent field", {"A|neq": "x"}, {}, "yes", "no", "neq is not-equal, as pySigma's NOT is."),
    Probe("a keyword in a number", ["777777"], {"A": 777777}, "yes", "no", TEXT),
    Probe("keywords with all, within a value", {"|all": ["a", "b"]}, {"A": "x a b"}, "yes", "no", SEARCHED),
    Probe("keywords with all, in two values", {"|all": ["a", "b"]}, {"A": "a", "B": "b"}, "yes", "no", SEARCHED),
    Probe("re on a boolean", {"A|re": "^true$"}, {"A": True}, "yes", "yes", "They agree within a field,"),
    Probe("re on a boolean, as keyword", {"|re": "^true$"}, {"A": True}, "yes", "no", "but not in keywords: as above."),
    Probe("`?` is also a newline", {"A": "a?b"}, {"A": "a\nb"}, "yes", "no", WILD),
    Probe("`*` is also a newline", {"A": "a*b*c"}, {"A": "a\nbc"}, "yes", "no", WILD),
    Probe("final sigma", {"A|endswith": "Σ"}, {"A": "aaΣ"}, "yes", "no", "One letter, whichever small form it gets."),
    Probe("null in a list", {"A": [None, "x"]}, {}, "yes", "no", "A list is OR, and null is one of its values."),
    Probe("exists on null", {"A|exists": False}, {"A": None}, "no", "yes", "Presence only, whatever the value."),
    Probe("exists with neq", {"A|exists|neq": True}, {"A": "x"}, "no", "yes", "rsigma drops the neq."),
    Probe(
        "base64offset, last character",
        {"A|wide|base64offset|contains": "a"},
        {"A": "YQB4eQ=="},
        "yes",
        "no",
        "The last character of an unpadded encoding depends on what follows. rsigma cuts only the padding; pySigma "
        "cuts the character, too, as the specification describes.",
    ),
    Probe("windash with a wildcard", {"A|windash": "-a*b"}, {"A": "/a-b"}, "yes", "no", "The star stays a wildcard."),
    Probe(
        "windash on a lone dash", {"A|windash": "a- b"}, {"A": "a/ b"}, "no", "yes", "It begins no option (pySigma)."
    ),
    Probe(
        "windash on an en dash", {"A|windash": "–b"}, {"A": "-b"}, "yes", "no", "All five dashes stand for each other."
    ),
    Probe("an hour at least", {"A|hour|gte": 5}, {"A": "2024-01-01T06:00:00Z"}, "yes", "refused", LEFT_OUT),
    Probe("seconds as text", {"A|minute": 0}, {"A": "0"}, "yes", "no", TEXT),
    Probe("infinity", {"A|gt": 5}, {"A": "inf"}, "no", "yes", "A log's word `inf` is no number."),
    Probe(
        "large numbers", {"A": 9007199254740993}, {"A": 9007199254740992}, "no", "yes", "Exact, not as 64-bit floats."
    ),
    Probe(
        "all with one value", {"A|contains|all": ["x"]}, {"A": "x"}, "yes", "refused", "Harmless; the linter says it."
    ),
    Probe(
        "look-around",
        {"A|re": "a(?=b)"},
        {"A": "ab"},
        "yes",
        "refused",
        "PCRE has it, beyond what the specification lists; kyber bounds its time.",
    ),
    Probe("cidr of one address", {"A|cidr": "10.0.0.1"}, {"A": "10.0.0.1"}, "yes", "refused", LEFT_OUT),
    Probe("operators in capitals", {"A": "x"}, {}, "yes", "refused", "Old rules write them so.", "NOT sel"),
    Probe(
        "a star and hidden names",
        {"A": "x"},
        {"B": "y"},
        "no",
        "yes",
        "The specification: the same as `of them`, which leaves out names with an underscore.",
        "1 of *",
    ),
]


def probed(probe: Probe, program: str) -> tuple[str, str, str]:
    """What the engine, the reference evaluator and rsigma answer."""
    body = {
        "title": probe.sentence,
        "id": "00000000-0000-4000-8000-000000000000",
        "logsource": {"product": "test"},
        "detection": {"sel": probe.selection, "_hidden": {"B": "y"}, "condition": probe.condition},
    }
    try:
        rule = read_rule(body, "probe.yml", {}, [])
        assert not isinstance(rule, Unable), probe.sentence
        engine = "yes" if any(True for _ in Matcher(plan([rule])).matches(batch_of([probe.event]))) else "no"
    except RuleError:
        engine = "refused"
    text = yaml.safe_dump(body, sort_keys=False).encode()
    try:
        found, said = by_rsigma(program, [text], [{**probe.event, "_number": 0, "_product": "test"}])
        theirs = "refused" if "parse error" in said else "yes" if found else "no"
    except subprocess.CalledProcessError:
        theirs = "refused"
    return engine, "yes" if read(body)(probe.event) else "no", theirs


# ---------------------------------------------------------------------------------------------------------- the proof


def refused_by_reference(rule: Path) -> bool:
    """Whether the reference evaluator does not read the rule."""
    try:
        truth(rule, "windows")
    except RefusedRuleError:
        return True
    return False


GIVEN = """\
Both sides get EVTX records as the `evtx` package decodes them. kyber then goes its whole way: format, columns, field
tables, routing by logsource, matching. For rsigma the events are made flat, under the names that rules use, and tagged
with their logsource by the tables of `tests/compare_rsigma.py`; process creations of the Security log (4688) carry
Sysmon's names, too."""


def compared(files: Sequence[File], program: str, every: int = 1) -> Proof:
    """SigmaHQ's Windows rules on some files, by all three. `program` is rsigma; `every`: take each so manieth rule, and
    probe."""
    able = windows(sigmahq())[::every]
    unable = [
        one for one in sigmahq().unable if document(Path(one.ref.path)).get("logsource", {}).get("product") == "windows"
    ]
    refs = [*(one.ref for one in able), *(one.ref for one in unable)]
    documents = {ref.id: document(Path(ref.path)) for ref in refs}
    places: list[tuple[str, int]] = []
    events: list[Event] = []
    seen: dict[tuple[str, int], Event] = {}
    for file in files:
        for record, event in events_in(file):
            events += tagged(len(places), event)
            places.append((file.name, record))
            seen[file.name, record] = events[-1]
    texts = [Path(ref.path).read_bytes() for ref in refs]
    numbered, said = by_rsigma(program, texts, events)
    rsigma: set[Hit] = {(rule, *places[number]) for rule, number in numbered}
    ours = both(able, files)
    everyone = ours.engine & ours.rowwise & rsigma
    apart = [
        Difference(
            hit, documents[hit[0]], seen.get(hit[1:], {}), hit in ours.engine, hit in ours.rowwise, hit in rsigma
        )
        for hit in sorted((ours.engine | ours.rowwise | rsigma) - everyone)
    ]
    wrong = [
        f"{difference.rule['title']} ({difference.hit[0]}), {difference.hit[1]}, record {difference.hit[2]}: engine "
        f"{_yes(difference.engine)}, row by row {_yes(difference.rowwise)}, rsigma {_yes(difference.rsigma)}"
        for difference in apart
        if not why(difference)
    ]
    refused = {ref.id for ref in refs if refused_by_reference(Path(ref.path))}
    if refused != {one.ref.id for one in unable}:
        wrong.append(f"refused by one side only: {sorted(refused ^ {one.ref.id for one in unable})}")
    rows = []
    for probe in PROBES[::every]:
        answers = probed(probe, program)
        expected = (probe.ours, probe.ours, probe.theirs)
        rows.append([probe.sentence, *answers, probe.why])
        if answers != expected:
            wrong.append(f"{probe.sentence}: engine, reference and rsigma say {answers}, expected was {expected}")
    classes = Counter(why(difference) or "not explained" for difference in apart)
    texts_of = {reason.title: reason.text for reason in REASONS}
    return Proof(
        title="The engine, the row-by-row evaluator and rsigma",
        claim="On real Windows events, with every Windows rule of SigmaHQ, kyber's engine, the row-by-row evaluator "
        "and rsigma find the same pairs of rule and record, but for differences that have a reason.",
        counts={
            "Windows rules": len(documents),
            "rules that kyber calls Blind beforehand and the reference refuses": len(unable),
            "files": len(files),
            "events": len(places),
            "pairs of rule and record found by the engine": len(ours.engine),
            "found row by row": len(ours.rowwise),
            "found by rsigma": len(rsigma),
            "found by all three": len(everyone),
            "rules among those": len({hit[0] for hit in everyone}),
            "pairs that not all three found": len(apart),
            "of those without a reason": classes["not explained"],
        },
        wrong=wrong,
        parts=[
            GIVEN,
            f"rsigma: `{_version(program)}`. It says: `{'; '.join(said.split(chr(10))[-3:]).strip('; ')}`",
            "## Differences",
            table(
                ("reason", "pairs", "rules", "why"),
                [
                    (name, count, len({one.hit[0] for one in apart if why(one) == name}), texts_of.get(name, ""))
                    for name, count in sorted(classes.items())
                ],
            ),
            "## Small rules that kyber and rsigma read differently",
            table(("what", "engine", "reference", "rsigma", "why"), rows),
        ],
    )


def _yes(found: bool) -> str:
    return "yes" if found else "no"


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, check=True, text=True).stdout.splitlines()[0]
