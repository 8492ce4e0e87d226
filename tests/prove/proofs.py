"""The proofs: each runs whole as it is called without arguments, and small with them. Out comes a Proof.

Their outside data is found as tests find it; where it is absent, they skip as a test does.
"""

import io
import os
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from kyber.logs.batch import Reject
from kyber.logs.inputs import Input
from kyber.logs.parse import Job, Tally
from kyber.logs.scan import scan
from kyber.logs.sigma.evidence import holds
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from tests import reference
from tests.compare_rsigma import compared
from tests.data import outside, unpacked
from tests.logs.sigma.rowwise import rows_of
from tests.logs.sigma.strategies import PLACEHOLDERS, cases
from tests.logs.sigma.test_match import ZONE, batch_of, rows, rule_of
from tests.logs.sigma.test_regression import MORE_THAN_SAID, read_batches
from tests.logs.sigma.test_regression import cases as regression_cases
from tests.prove.attacks import attacks
from tests.prove.both import File, batches_of, both, document, sigmahq, windows
from tests.prove.collecting import kill, storm
from tests.prove.crowdsec import services
from tests.prove.page import Proof, table
from tests.prove.shipping import shipping
from tests.prove.stores import stores

RULES, REGRESSION, SAMPLES = "sigma-rules.tar.gz", "sigma-regression.tar.gz", "evtx-samples.tar.gz"
EVENTS, LINUX = "windows-events.jsonl.zst", "linux"


# ---------------------------------------------------------------------------------------------------------- the data


def samples(most: int | None = None) -> list[File]:
    """The EVTX files; `most`: only so many, the smallest."""
    root = unpacked(SAMPLES)
    files = sorted(root.rglob("*.evtx"))
    if most is not None:
        files = sorted(files, key=lambda one: (one.stat().st_size, one))[:most]
    return [File(one.relative_to(root / "evtx").as_posix(), one) for one in files]


def lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a file that zstd has compressed, with their ends."""
    with file.open("rb") as stored:
        yield from io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True))


@contextmanager
def some_events(most: int, *, spread: bool = False) -> Iterator[File]:
    """Lines of the Windows events in a file of their own, which goes away: the first, or evenly spread over all."""
    source = outside(EVENTS)
    lines = lines_of(source)
    if spread:
        every = max(1, sum(1 for _ in lines_of(source)) // most)
        lines = islice(lines_of(source), 0, None, every)
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        path.write_bytes(b"".join(islice(lines, most)))
        yield File(f"{most:,} lines {'spread over' if spread else 'from the start of'} {EVENTS}", path)


# ----------------------------------------------------------------------------------------------------- regression cases


def regression(most: int | None = None) -> Proof:
    """SigmaHQ's regression cases: what their authors say, the engine, and the row-by-row evaluator."""
    known = {rule.ref.id: rule for rule in sigmahq().rules}
    found, wrong, total = [], [], 0
    for folder, info in islice(regression_cases(), most):
        rule = known[info["rule_metadata"][0]["id"]]
        said = (info.get("regression_tests_info") or [{}])[0].get("match_count")
        data = next(file for file in folder.iterdir() if file.suffix in (".evtx", ".raw"))
        made = read_batches(data) if data.suffix == ".evtx" else read_batches(data, rule.logsource, "text")
        matcher = Matcher(plan([rule]))
        engine = [[int(row) for match in matcher.matches(batch) for row in match.rows] for batch in made]
        slow = [hit for batch in made for _, hit in rows_of([(rule, document(Path(rule.ref.path)))], batch)]
        count = sum(map(len, engine))
        total += sum(batch.rows for batch in made)
        argued = MORE_THAN_SAID.get(rule.ref.id)
        note = argued[2] if argued and argued[:2] == (said, count) else ""
        if engine != slow:
            wrong.append(f"{rule.ref.title}: engine {engine}, row by row {slow}")
        if not count or (said not in (None, count) and not note):
            wrong.append(f"{rule.ref.title}: said {said}, found {count}")
        found.append((rule.ref.title, "—" if said is None else said, count, sum(map(len, slow)), note))
    return Proof(
        title="SigmaHQ's regression cases",
        claim="Each rule hits the events that were recorded for it: as often as its author says or, where the author "
        "says nothing or less, as often as the row-by-row evaluator says, in the same rows.",
        counts={
            "cases": len(found),
            "cases with a number by the author": sum(row[1] != "—" for row in found),
            "of those with another number, argued below": sum(bool(row[4]) for row in found),
            "events": total,
            "hits of the engine": sum(row[2] for row in found),
            "hits row by row": sum(row[3] for row in found),
        },
        wrong=wrong,
        parts=["## The cases", table(("rule", "author", "engine", "row by row", "note"), sorted(found))],
        data=(REGRESSION, RULES),
    )


# --------------------------------------------------------------------------------------------------------- accounting


def records_in_event_log(file: Path) -> int:
    """How many records an EVTX file holds, counted from its bytes: chunks of 64 KiB after a header of 4 KiB, records
    one after the other from byte 512 of a chunk to where its header says that free space begins."""
    data, count = file.read_bytes(), 0
    for chunk in range(4096, len(data) - 511, 65536):
        if data[chunk : chunk + 8] != b"ElfChnk\x00":
            continue
        at, end = chunk + 512, chunk + struct.unpack_from("<I", data, chunk + 48)[0]
        while at < end and data[at : at + 4] == b"**\x00\x00":
            count += 1
            at += struct.unpack_from("<I", data, at + 4)[0]
    return count


DAMAGE = {1: "F41", 3: "repaired", 5: "blank", 7: "F40"}
"""The last digit of a line's number -> what a line that was damaged as `damaged` does must be counted as."""
COUNTED = """\
Records are counted without kyber: in EVTX by walking the records of each chunk, elsewhere by lines. The equation is
checked for each file; the table adds up files of a kind. Since the data has no broken line, some of its lines were also
damaged on purpose: of ten, one is cut in half (`F41`, no JSON), one is a list (`F40`, no object), one is blank, and one
has a byte that is not UTF-8 (`repaired`: an event with a mark)."""


def damaged(line: bytes, number: int) -> bytes:
    """A line of JSON, damaged as the last digit of its number says."""
    match number % 10:
        case 1:
            return line[: len(line) // 2] + b"\n"
        case 3:
            return line.replace(b'":"', b'":"\xff', 1)
        case 5:
            return b" \t\r\n"
        case 7:
            return b"[" + line.rstrip(b"\n") + b"]\n"
        case _:
            return line


def accounted(file: File, records: int) -> tuple[Counter[str], list[str]]:
    """What became of the records of one file, of which it holds so many; and what does not add up."""
    tally = Tally()
    rejects: list[Reject] = []
    numbers = [number for batch in batches_of(file, tally, rejects.append) for number in batch.records]
    numbers += [one.record for one in rejects]
    rejected = sum(tally.rejected.values())
    wrong = []
    if not records == tally.records == tally.events + rejected + tally.blank:
        wrong.append(
            f"{file.name}: {records} in the file, {tally.records} read, {tally.events} events, {rejected} rejected, "
            f"{tally.blank} blank"
        )
    if not len(numbers) == len(set(numbers)) == tally.events + rejected:
        wrong.append(f"{file.name}: {tally.events} events and {rejected} rejects have {len(set(numbers))} numbers")
    counts = Counter(files=1, found=records, read=tally.records, events=tally.events, blank=tally.blank)
    counts.update(repaired=tally.repaired, cut=tally.cut, **tally.rejected)
    return counts, wrong


def accounting(event_logs: int | None = None, lines: int | None = None, broken: int = 20_000) -> Proof:
    """Where each record of each file went: into an event, among the rejects, or it was blank. `broken`: how many lines
    of the Windows events are gone through again, some of them damaged."""
    given = [
        (f"evtx-samples, {Path(file.name).parent}", file, records_in_event_log(file.path))
        for file in samples(event_logs)
    ]
    logs = sorted(outside(LINUX).glob("*.log"))
    given += [
        (f"{LINUX}/{log.name}", File(log.name, log), len(io.BytesIO(log.read_bytes()).readlines())) for log in logs
    ]
    groups: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    with (
        some_events(lines) if lines else nullcontext(File(EVENTS, outside(EVENTS))) as events,
        some_events(broken) as few,
    ):
        given.append((EVENTS, events, lines or sum(1 for _ in lines_of(outside(EVENTS)))))
        with few.path.open("rb") as opened:
            few.path.write_bytes(b"".join(damaged(line, number) for number, line in enumerate(list(opened), 1)))
        given.append((f"{few.name}, damaged", few, broken))
        for group, file, records in given:
            counts, problems = accounted(file, records)
            groups.setdefault(group, Counter()).update(counts)
            wrong += problems
    last = groups[f"{few.name}, damaged"]
    expected = {what: len(range(digit, broken + 1, 10)) for digit, what in DAMAGE.items()}
    if expected != {what: last[what] for what in expected}:
        wrong.append(f"{few.name}, damaged: {dict(last)}, expected was {expected}")
    total = sum(groups.values(), Counter[str]())
    reasons = sorted(name for name in total if name.startswith("F"))
    names = ("files", "found", "read", "events", *reasons, "blank", "repaired", "cut")
    return Proof(
        title="Every record is accounted for",
        claim="Of each file: the records that are in it = the records that were read = events + rejected + blank, and "
        "no record is both, or counted twice.",
        counts={
            "files": total["files"],
            "records in them": total["found"],
            "events": total["events"],
            "rejected, each with its reason and its bytes": sum(total[name] for name in reasons),
            "blank": total["blank"],
        },
        wrong=wrong,
        parts=[
            COUNTED,
            table(
                ("of", *("records in them" if name == "found" else name for name in names)),
                [(name, *(f"{group[one]:,}" for one in names)) for name, group in (*groups.items(), ("all", total))],
            ),
        ],
        data=(SAMPLES, EVENTS, *(f"{LINUX}/{log.name}" for log in logs)),
    )


# -------------------------------------------------------------------------------------------------------------- corpus


REASONS = """\
`no-events`: no event of the rule's logsource was read. `no-field`: events were read, but none has a field without which
the rule cannot fire. `placeholder`: the rule wants a list that nobody has given."""


def corpus(lines: int | None = None) -> Proof:
    """Every rule of SigmaHQ's on the Windows events: what was read, what ran, what was Blind and why."""
    rules = sigmahq()
    files = list(unpacked(RULES).rglob("*.yml"))
    with some_events(lines) if lines else nullcontext(File(EVENTS, outside(EVENTS))) as events:
        now = datetime.now(UTC)
        one = Input(events.name, events.path, events.path.stat().st_size, now)
        result = scan([Job(source="", inputs=[one], zone=UTC)], rules, now)
    fired = {finding.rule.id for finding in result.findings}
    blind = {one.rule.id: one for one in result.blind}
    products = {rule.ref.id: rule.logsource.product or "none" for rule in rules.rules}
    products |= {one.ref.id: document(Path(one.ref.path))["logsource"].get("product") or "none" for one in rules.unable}
    kinds = {
        identity: product if product in ("windows", "linux") else "others" for identity, product in products.items()
    }
    wrong = [f"{Path(problem.place.file).name}: {problem.code}" for problem in rules.problems]
    if len(products) != len(files):
        wrong.append(f"{len(files)} files of rules, {len(products)} rules read")
    wrong += [
        f"{blind[identity].rule.title}: Blind ({blind[identity].reason}), yet it fired"
        for identity in fired & blind.keys()
    ]
    outcome = Counter(
        (kinds[one], blind[one].reason if one in blind else "fired" if one in fired else "ran, found nothing")
        for one in products
    )
    columns = ("fired", "ran, found nothing", *sorted({one.reason for one in result.blind}))
    return Proof(
        title="SigmaHQ's rules on real Windows events",
        claim="Every rule is read; each that did not fire either ran and found nothing, or is Blind and says why. No "
        "rule is lost, and none that fired is called Blind.",
        counts={
            "files of rules": len(files),
            "rules read": len(products),
            "rules that cannot run as they are": len(rules.unable),
            "records": sum(account.records for account in result.inputs),
            "events": sum(account.events for account in result.inputs),
            "rules that fired": len(fired),
            "findings": len(result.findings),
            "events that they count": sum(finding.count for finding in result.findings),
            "rules that ran and found nothing": len(products) - len(fired | blind.keys()),
            "rules that were Blind": len(blind),
        },
        wrong=wrong,
        parts=[
            "## What became of the rules, by product",
            table(
                ("product", "rules", *columns),
                [
                    (kind, sum(kinds[one] == kind for one in kinds), *(outcome[kind, column] for column in columns))
                    for kind in ("windows", "linux", "others")
                ],
            ),
            REASONS,
            "## Blind rules for Windows, by reason",
            table(("reason", "what is missing", "rules"), _missing(blind.values(), products)),
        ],
        data=(RULES, EVENTS),
    )


def _missing(blind: Any, products: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Reason, what is missing and how many rules, of the Blind rules for Windows."""
    found = Counter(
        (one.reason, str(next(iter(one.facts.values()), ""))) for one in blind if products[one.rule.id] == "windows"
    )
    return sorted(
        ((reason, what, count) for (reason, what), count in found.items()), key=lambda row: (row[0], -row[2], row[1])
    )


# ------------------------------------------------------------------------------------------- the matcher's own property

SEED = 20_251_122
MADE = """\
Rules and events are made by `tests/logs/sigma/strategies.py`: every modifier, wildcards and escapes, letters whose case
is a trap, numbers as numbers and as text, arrays, null and absent fields, keywords, conditions of every form. Most
values of an event echo what its rule asks for."""


def matcher(examples: int = 20_000) -> Proof:
    """Random rules over random events: the columnar matcher, its leaf-by-leaf twin, and the row-by-row evaluator."""
    counts: Counter[str] = Counter()
    rules: set[str] = set()

    @seed(SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(case=cases(), json=st.booleans())
    def the_same_rows(case: tuple[dict[str, Any], list[dict[str, Any]]], json: bool) -> None:
        written, events = case
        rule = rule_of(written)
        expected = [
            index
            for index, event in enumerate(events)
            if reference.matches(written, event, placeholders=PLACEHOLDERS, zone=ZONE)
        ]
        batch = batch_of(events, json)
        counts.update(examples=1, events=len(events), hits=len(expected))
        rules.add(rule.ref.hash)
        assert rows(Matcher(plan([rule])), batch) == expected
        assert [row for row in range(batch.rows) if holds(rule.condition, batch, row)] == expected

    wrong = []
    try:
        the_same_rows()
    except Exception as error:  # whatever it is, it speaks against the claim
        told = "\n".join([repr(error), *getattr(error, "__notes__", ())])
        wrong.append(" ".join(told.split()))
    return Proof(
        title="The matcher on random rules and events",
        claim="The columnar matcher finds exactly the rows that the row-by-row evaluator finds, whatever the rule "
        "and the events; so does the matcher's own leaf-by-leaf reading, from which evidence is drawn.",
        counts={
            "examples": counts["examples"],
            "different rules": len(rules),
            "events": counts["events"],
            "events that the rule of their example hits": counts["hits"],
            "seed": SEED,
        },
        wrong=wrong,
        parts=[MADE],
    )


# ---------------------------------------------------------------------------------------------------- a sample, twice


def sample(lines: int = 10_000, every: int = 1) -> Proof:
    """The start of the Windows events, all Windows rules: the engine and the row-by-row evaluator."""
    rules = windows(sigmahq())[::every]
    with some_events(lines) as events:
        found = both(rules, [events])
    titles = {rule.ref.id: rule.ref.title for rule in rules}
    engine, slow = (Counter(titles[hit[0]] for hit in hits) for hits in (found.engine, found.rowwise))
    return Proof(
        title="The engine and the row-by-row evaluator on real events",
        claim="On real events, with every Windows rule of SigmaHQ, the engine finds exactly the pairs of rule and "
        "record that the row-by-row evaluator finds.",
        counts={
            "rules": len(rules),
            "events": found.events,
            "questions that the row-by-row evaluator answered (a rule, an event)": found.asked,
            "pairs found by the engine": len(found.engine),
            "found row by row": len(found.rowwise),
            "rules among them": len(engine),
        },
        wrong=[f"{titles[rule]}, record {record}" for rule, _, record in sorted(found.engine ^ found.rowwise)],
        parts=[
            "## The rules that hit",
            table(
                ("rule", "engine", "row by row"), [(name, engine[name], slow[name]) for name in sorted(engine | slow)]
            ),
        ],
        data=(RULES, EVENTS),
    )


# -------------------------------------------------------------------------------------------------------------- rsigma


def rsigma_program() -> str:
    """The rsigma program: what RSIGMA names, or the one on the path. Skips where there is none."""
    program = os.environ.get("RSIGMA") or shutil.which("rsigma")
    if not program:
        pytest.skip("rsigma is not at hand: cargo install rsigma --version 0.23.0 --locked, or name it in RSIGMA")
    return program


def rsigma(event_logs: int | None = None, lines: int = 8_000, every: int = 1) -> Proof:
    """The engine, the row-by-row evaluator and rsigma, on the EVTX files and a sample of the Windows events."""
    program = rsigma_program()
    with some_events(lines, spread=True) as events:
        found = compared([*samples(event_logs), events], program, every)
    return replace(found, data=(RULES, SAMPLES, EVENTS))


PROOFS: Mapping[str, Callable[[], Proof]] = {
    "regression": regression,
    "rsigma": rsigma,
    "accounting": accounting,
    "corpus": corpus,
    "matcher": matcher,
    "sample": sample,
    "services": services,
    "attacks": attacks,
    "kill": kill,
    "storm": storm,
    "shipping": shipping,
    "stores": stores,
}
