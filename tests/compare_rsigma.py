"""SigmaHQ's Windows rules on real Windows events, by rsigma and by `tests/reference.py`; each difference has a reason.

    python -m tests.compare_rsigma --rsigma PATH [--otrf N] [-o FILE]

Reads `sigma-rules.tar.gz`, `evtx-samples.tar.gz` and, with `--otrf N`, N lines spread evenly over
`windows-events.jsonl.zst`, in the folder that KYBER_TEST_DATA names. Out comes Markdown: what was run, what each found,
and each class of differences with its reason. Then follow `PROBES`: small rules that the two read differently, with a
reason each. Exit 1 if a difference has none, or if a probe no longer answers as it is said to.

Both are given the same flat events. Which rules an event concerns is settled before either sees it (`logsources`), for
that is not what is compared: both prune by the event's `_product`, `_category` and `_service`.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import evtx
import yaml
import zstandard

from tests.reference import RefusedRuleError, Truth, read

Event = dict[str, Any]
Hit = tuple[str, int]  # rule id, number of the event

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
    12: ("registry_event", "registry_add", "registry_delete"),
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
}
POWERSHELL: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("powershell", 4103): ("ps_module",),
    ("powershell", 4104): ("ps_script",),
    ("powershell-classic", 400): ("ps_classic_start",),
    ("powershell-classic", 600): ("ps_classic_provider_start",),
}
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
    if not isinstance(body, Mapping) or "#text" in body:
        yield name, text_within(body)
        return
    for key, value in body.items():
        if key != "#attributes":
            yield from leaves(value, key)


def text_within(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("#text")
    return [text_within(each) for each in value] if isinstance(value, list) else value


def evtx_events(archive: Path) -> Iterator[Event]:
    with tarfile.open(archive) as tar:
        for member in sorted((m for m in tar if m.name.endswith(".evtx")), key=lambda m: m.name):
            content = tar.extractfile(member)
            assert content is not None
            for record in evtx.PyEvtxParser(io.BytesIO(content.read())).records_json():
                assert record is not None
                body = json.loads(record["data"])["Event"]
                if body.get("System"):
                    yield flat(body)


def otrf_events(file: Path, wanted: int) -> Iterator[Event]:
    """Lines evenly spread over the file; its fields already have Sigma's names."""
    lines = list(io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file.open("rb"))))
    for line in lines[:: max(1, len(lines) // wanted)][:wanted]:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event.get("EventID"), int) and isinstance(event.get("Channel"), str):
            yield {name: value for name, value in event.items() if not name.startswith(("_", "@"))}


def logsources(event: Event) -> list[tuple[str, str]]:
    """The (category, service) pairs that an event stands for; `-` where there is none."""
    service = CHANNELS.get(str(event["Channel"]).lower(), "-")
    number = int(event["EventID"])
    categories = SYSMON.get(number, ()) if service == "sysmon" else POWERSHELL.get((service, number), ())
    if (service, number) == ("security", 4688):
        categories = ("process_creation",)
    return [(category, service) for category in categories or ("-",)]


def prepared(events: Iterator[Event]) -> Iterator[Event]:
    """Each event once for each of its categories, carrying its number and where it belongs."""
    for number, event in enumerate(events):
        for category, service in logsources(event):
            tagged = {**event, "_number": number, "_product": "windows", "_category": category, "_service": service}
            if category == "process_creation":
                tagged |= {new: event[old] for old, new in PROCESS_4688.items() if old in event and new not in event}
            yield tagged


# ---------------------------------------------------------------------------------------------------------- the rules


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    name: str
    text: bytes
    body: Mapping[str, Any]

    def concerns(self, event: Event) -> bool:
        source = self.body["logsource"]
        return all(source.get(key, event["_" + key]) == event["_" + key] for key in ("category", "service"))


def windows_rules(archive: Path) -> Iterator[Rule]:
    with tarfile.open(archive) as tar:
        for member in sorted((m for m in tar if m.name.endswith(".yml")), key=lambda m: m.name):
            content = tar.extractfile(member)
            assert content is not None
            text = content.read()
            body = yaml.load(text, yaml.CSafeLoader)
            if body.get("logsource", {}).get("product") == "windows":
                yield Rule(body["id"], member.name, text, body)


# --------------------------------------------------------------------------------------------------------- both sides


def by_reference(rules: list[Rule], events: list[Event]) -> tuple[set[Hit], dict[str, str]]:
    """What the reference finds, and the rules that it refuses with its reason."""
    truths: list[tuple[Rule, Truth]] = []
    refused: dict[str, str] = {}
    for rule in rules:
        try:
            truths.append((rule, read(rule.body)))
        except RefusedRuleError as error:
            refused[rule.id] = f"{type(error).__name__}: {error}"
    by_source: dict[tuple[str, str], list[tuple[Rule, Truth]]] = {}
    hits: set[Hit] = set()
    for event in events:
        key = (event["_category"], event["_service"])
        if key not in by_source:
            by_source[key] = [(rule, truth) for rule, truth in truths if rule.concerns(event)]
        hits.update((rule.id, event["_number"]) for rule, truth in by_source[key] if truth(event))
    return hits, refused


def by_rsigma(program: str, rules: list[Rule], events: list[Event]) -> tuple[set[Hit], str]:
    """What rsigma finds, and what it says while loading the rules. Raises CalledProcessError if it refuses one."""
    with tempfile.TemporaryDirectory() as folder:
        for number, rule in enumerate(rules):
            (Path(folder) / f"{number:05}.yml").write_bytes(rule.text)
        lines = "".join(json.dumps(event) + "\n" for event in events)
        command = [program, "engine", "eval", "--rules", folder, "--input-format", "json", "--output-format", "ndjson"]
        command += ["--include-event", "--logsource-routing"]
        command += ["--logsource-field-map", "product=_product,category=_category,service=_service"]
        run = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    found = (json.loads(line) for line in run.stdout.splitlines())
    return {(hit["rule_id"], hit["event"]["_number"]) for hit in found}, run.stderr.decode().replace(folder, "RULES")


# ------------------------------------------------------------------------------------------------------- differences


@dataclass(frozen=True, slots=True)
class Difference:
    rule: Rule
    event: Event
    ours: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some differences are as they are, and how to know them."""

    title: str
    text: str
    explains: Callable[[Difference], bool]


def expands(difference: Difference) -> bool:
    return "|expand" in json.dumps(difference.rule.body["detection"]) and not difference.ours


REASONS = [
    Reason(
        "unresolved placeholder",
        "The rule expands a list that nobody has given. The reference refuses it (kyber: Blind, with the list's name); "
        "rsigma compares with the text `%name%` itself, so that an exclusion excludes nothing and the rule fires.",
        expands,
    ),
]


# ------------------------------------------------------------------------------------------------------------- probes


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
LEFT_OUT = "rsigma leaves it out; kyber takes what the specification allows."
PROBES = [
    Probe("neq on an absent field", {"A|neq": "x"}, {}, "yes", "no", "neq is not-equal, as pySigma's NOT is."),
    Probe("a keyword in a number", ["777777"], {"A": 777777}, "yes", "no", TEXT),
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


def probed(probe: Probe, program: str) -> tuple[str, str]:
    """What each answers."""
    body = {
        "title": probe.sentence,
        "id": "00000000-0000-4000-8000-000000000000",
        "logsource": {"product": "windows"},
        "detection": {"sel": probe.selection, "_hidden": {"B": "y"}, "condition": probe.condition},
    }
    event = {**probe.event, "_number": 0, "_product": "windows"}
    rule = Rule(str(body["id"]), probe.sentence, yaml.safe_dump(body, sort_keys=False).encode(), body)
    try:
        found, said = by_rsigma(program, [rule], [event])
        theirs = "refused" if "parse error" in said else "yes" if found else "no"
    except subprocess.CalledProcessError:
        theirs = "refused"
    return "yes" if read(body)(event) else "no", theirs


def probe_lines(program: str) -> tuple[list[str], bool]:
    """The table of probes, and whether all answer as they are said to."""
    lines, right = ["| what | reference | rsigma | why |", "|---|---|---|---|"], True
    for probe in PROBES:
        answers = probed(probe, program)
        mark = "" if answers == (probe.ours, probe.theirs) else " **(not as expected)**"
        right = right and not mark
        lines.append(f"| {probe.sentence} | {answers[0]} | {answers[1]} | {probe.why}{mark} |")
    return lines, right


def report(rules: list[Rule], events: list[Event], program: str) -> tuple[str, bool]:
    """The whole as Markdown, and whether every difference has a reason and every probe is right."""
    ours, refused = by_reference(rules, events)
    theirs, said = by_rsigma(program, rules, events)
    version = subprocess.run([program, "--version"], capture_output=True, check=True, text=True).stdout
    by_id = {rule.id: rule for rule in rules}
    by_number: dict[int, Event] = {}
    for event in events:
        by_number.setdefault(event["_number"], event)
    apart = [
        Difference(by_id[rule], by_number[number], (rule, number) in ours) for rule, number in sorted(ours ^ theirs)
    ]
    classes: dict[str, list[Difference]] = {}
    for difference in apart:
        title = next((reason.title for reason in REASONS if reason.explains(difference)), "not explained")
        classes.setdefault(title, []).append(difference)
    lines = [
        "# The reference evaluator against rsigma",
        "",
        f"Made by `python -m tests.compare_rsigma`, with {version.splitlines()[0]}.",
        "",
        "| what | count |",
        "|---|---|",
        f"| Windows rules | {len(rules)} |",
        f"| rules that the reference refuses | {len(refused)} |",
        f"| events | {len(by_number)} |",
        f"| pairs of rule and event found by both | {len(ours & theirs)} |",
        f"| rules among them | {len({rule for rule, _ in ours & theirs})} |",
        f"| found by the reference only | {len(ours - theirs)} |",
        f"| found by rsigma only | {len(theirs - ours)} |",
        "",
        "## What the reference refuses",
        "",
        *(f"- {count} × {reason}" for reason, count in Counter(refused.values()).most_common()),
        "",
        "## What rsigma says",
        "",
        *("    " + line for line in said.splitlines()[-20:]),
        "",
        "## Differences",
        "",
        "| class | pairs | reference only | rules | why |",
        "|---|---|---|---|---|",
    ]
    for title, found in classes.items():
        why = next((reason.text for reason in REASONS if reason.title == title), "")
        count = len({difference.rule.id for difference in found})
        lines.append(f"| {title} | {len(found)} | {sum(d.ours for d in found)} | {count} | {why} |")
    for difference in classes.get("not explained", []):
        lines.append(
            f"\n- {'reference' if difference.ours else 'rsigma'} only: {difference.rule.name}, "
            f"event {difference.event['_number']}: `{json.dumps(difference.event)[:600]}`"
        )
    probes, right = probe_lines(program)
    lines += ["", "## Small rules that the two read differently", "", *probes]
    return "\n".join(lines) + "\n", right and "not explained" not in classes


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rsigma", required=True, help="the rsigma program")
    options.add_argument("--otrf", type=int, default=0, help="how many lines of windows-events.jsonl.zst to take, too")
    options.add_argument("-o", "--output", type=Path, help="write there instead of to standard output")
    chosen = options.parse_args()
    data = Path(os.environ["KYBER_TEST_DATA"])
    events = list(evtx_events(data / "evtx-samples.tar.gz"))
    if chosen.otrf:
        events += otrf_events(data / "windows-events.jsonl.zst", chosen.otrf)
    text, explained = report(
        list(windows_rules(data / "sigma-rules.tar.gz")), list(prepared(iter(events))), chosen.rsigma
    )
    if chosen.output:
        chosen.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0 if explained else 1


if __name__ == "__main__":
    sys.exit(main())
