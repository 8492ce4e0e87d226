"""Rules tried on the samples beside them: rules and the texts of test files in, what each test came to out.

The records of a test go the whole way that a log goes: format, field table, rule, correlation. A rule runs alone, a
correlation with the rules that it builds on, both with the filters in force. Nothing is read or written here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final

from kyber.finding import Evidence, Finding, NearWindow, RuleRef, ScanResult
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.enrich import Enrichment, enriched
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import Input
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.rule_tests import ENDINGS, Provenance, RuleTest, read_tests, written
from kyber.logs.scan import NOTHING_KNOWN, scan, scan_events
from kyber.logs.schema import Clock, table
from kyber.logs.sigma.asking import Asking, silenced, sourced
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.explain import Answer, Seen, Told, explanation
from kyber.logs.sigma.rule import Rule, RuleSet
from kyber.logs.stream import ReadingError, Stream
from kyber.problem import Place, Problem, Severity

HITS: Final = 1
MISSES: Final = 2
"""How many tests of each kind a rule should have at least."""
REFUSALS_SHOWN: Final = 3
"""Events, those first that came nearest, of which a failed test says why they are no hits."""

BUDGET: Final = 60.0
"""Seconds that the tests of one file may take together; after that none is begun, and why one failed is not sought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a rule does not match one event. `record`: its number among the test's records or events, from 1.

    `unseen`: words of the logsource that the event does not meet. `lacking`: comparisons that ought to hold and do not.
    `against`: those that hold and ought not to. `filters`: what took the event out.
    """

    rule: RuleRef
    record: int
    unseen: tuple[Seen, ...] = ()
    lacking: tuple[Told, ...] = ()
    against: tuple[Told, ...] = ()
    filters: tuple[RuleRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one test came to.

    `events`: those that the rule matched, or that stand in the correlation's bursts; a burst of absence counts as one.
    `records`: as given; `rejected` of them could not be read. `blind`: why the rule could not have matched at all.
    If the test failed, `refusals` says why there is no hit, `hits` (record and evidence) why there is one, and of a
    correlation `counted` how many events each of its rules matched, and `windows` what came near.
    """

    test: RuleTest
    passed: bool
    events: int
    records: int
    rejected: int = 0
    blind: str = ""
    refusals: tuple[Refusal, ...] = ()
    hits: tuple[tuple[int, tuple[Evidence, ...]], ...] = ()
    counted: Mapping[str, int] | None = None
    windows: tuple[NearWindow, ...] = ()

    @property
    def is_hit(self) -> bool:
        """Whether the test is of something that the rule should find."""
        return self.test.expect != "miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A rule and its tests; `file` is that of the tests, as it was named, empty where there is none."""

    rule: RuleRef
    file: str
    trials: tuple[Trial, ...]

    @property
    def hits(self) -> int:
        """How many of the tests are of what the rule should find."""
        return sum(one.is_hit for one in self.trials)

    @property
    def misses(self) -> int:
        """How many are of what it should not."""
        return len(self.trials) - self.hits

    @property
    def failed(self) -> int:
        """How many did not come out as expected."""
        return sum(not one.passed for one in self.trials)


@dataclass(frozen=True, slots=True)
class Result:
    """All of it: rules by file, then what is to be mended, failed tests included (R89 to R99), by place."""

    tried: tuple[Tried, ...]
    problems: tuple[Problem, ...]

    @property
    def tests(self) -> int:
        """How many tests were run."""
        return sum(len(one.trials) for one in self.tried)

    @property
    def failed(self) -> int:
        """How many did not come out as expected."""
        return sum(one.failed for one in self.tried)

    @property
    def unread(self) -> int:
        """How many files, of rules or of tests, could not be read or tested, at least not as a whole."""
        failed = {"R96", "R97"}
        wrong = (one for one in self.problems if one.severity is Severity.ERROR and one.code not in failed)
        return len({one.place.file for one in wrong})

    @property
    def provenance(self) -> Mapping[Provenance, int]:
        """How many tests are of each provenance."""
        found = Counter(trial.test.provenance for one in self.tried for trial in one.trials)
        return {one: found[one] for one in Provenance}


def beside(rule_file: str) -> tuple[str, ...]:
    """Where the tests of a rule file may stand, the usual place first."""
    stem = str(Path(rule_file).with_suffix(""))
    return tuple(stem + ending for ending in ENDINGS)


def _meant(tests: str) -> str:
    """The name of the rule file that a file of tests is for."""
    name = Path(tests).name
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name) + ".yml"


def try_rules(
    rules: RuleSet,
    files: Iterable[str],
    texts: Mapping[str, bytes],
    now: datetime,
    known: Enrichment = NOTHING_KNOWN,
    language: str = "en",
) -> Result:
    """Run the tests of every rule in `files`, and say what is to be mended.

    `rules`: all that a scan would read. `texts`: the files of tests, by the names that `beside` gives; those that
    belong to none of `files` are Problems. `now` stands for the time of a record that does not say its year. Rules are
    named by their titles in `language`.
    """
    asked = list(dict.fromkeys(files))
    tried: list[Tried] = []
    problems = [one for one in rules.problems if one.place.file in asked]
    broken = {one.place.file for one in problems if one.severity is Severity.ERROR}
    replaced = {one.place.file for one in problems if one.code == "R09"}
    used: set[str] = set()
    for file in asked:
        there = [one for one in beside(file) if one in texts]
        used.update(there)
        of_file = _File(rules, file, there[0] if there else "", texts, language)
        if file in broken or (file in replaced and not of_file.own):
            continue
        tried += of_file.tried(now, known)
        problems += of_file.problems
    problems += [Problem(Place(one), "R93", {"rule": _meant(one)}) for one in texts if one not in used]
    return Result(tuple(tried), tuple(sorted(problems, key=lambda one: (one.place, one.code))))


class _File:
    """The rules of one file, and the tests beside it."""

    def __init__(self, rules: RuleSet, file: str, tests: str, texts: Mapping[str, bytes], language: str) -> None:
        self.rules, self.file, self.name, self.language = rules, file, tests, language
        every: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
        self.own = [one for one in every if one.ref.path == file]
        self.unable = [one for one in rules.unable if one.ref.path == file]
        self.tests, told = read_tests(texts[tests], tests) if tests else ((), ())
        self.problems = list(told)
        self.deadline = inf
        self.unrun: list[RuleTest] = []

    def tried(self, now: datetime, known: Enrichment) -> Iterator[Tried]:
        for blind in self.unable:
            facts = {"title": blind.ref.title_in(self.language), "why": reason(blind.reason, blind.facts)}
            self.problems.append(Problem(Place(self.file), "R99", facts))
        of, self.deadline = self._dealt(), monotonic() + BUDGET
        for one in self.own:
            tests = of[one.ref.id]
            if not tests and self._is_part(one):
                continue
            yield self._tried(one, tests, now, known)
        if self.unrun:
            first = min(test.place for test in self.unrun)
            self.problems.append(Problem(first, "R89", {"limit": round(BUDGET), "count": len(self.unrun)}))

    def _dealt(self) -> Mapping[str, Sequence[RuleTest]]:
        """The tests of each rule, by its id."""
        found: dict[str, list[RuleTest]] = {one.ref.id: [] for one in self.own}
        if self.own or not self.unable:
            for test in self.tests:
                meant = [one for one in self.own if not test.rule or test.rule in (one.ref.id, one.ref.name)]
                if len(meant) == 1:
                    found[meant[0].ref.id].append(test)
                elif meant:
                    facts = {"key": "rule", "why": f"{self.file} holds several rules: say which one is meant"}
                    self.problems.append(Problem(test.place, "R91", facts))
                else:
                    self.problems.append(Problem(test.place, "R93", {"rule": test.rule or Path(self.file).name}))
        return found

    def _is_part(self, one: Rule | Correlation) -> bool:
        """Whether it never alerts on its own: then it is tested with the correlations that count it."""
        return one.ref.id in silenced(self.rules.correlations)

    def _tried(self, one: Rule | Correlation, tests: Sequence[RuleTest], now: datetime, known: Enrichment) -> Tried:
        title = one.ref.title_in(self.language)
        if not self.name:
            facts = {"title": title, "file": beside(self.file)[0]}
            self.problems.append(Problem(one.place, "R94", facts, Severity.WARNING))
        alone = only(self.rules, one)
        trials, unrun = [], []
        for test in tests:
            if monotonic() < self.deadline:
                trials.append(run_test(test, one, alone, now, known, self.deadline))
            else:
                unrun.append(test)
        found = Tried(rule=one.ref, file=self.name, trials=tuple(trials))
        for trial in found.trials:
            self.problems += _told(trial)
        if unrun:
            self.unrun += unrun
        elif self.name and (found.hits < HITS or found.misses < MISSES):
            told = {"title": title, "hits": found.hits, "misses": found.misses}
            self.problems.append(Problem(Place(self.name), "R95", told, Severity.WARNING))
        elif found.misses and all(trial.is_hit or trial.blind for trial in found.trials):
            self.problems.append(Problem(Place(self.name), "R98", {"title": title}, Severity.WARNING))
        return found


def _told(trial: Trial) -> Iterator[Problem]:
    """What is to be said of one test."""
    test = trial.test
    if trial.rejected:
        yield Problem(test.place, "R97", {"name": test.name, "count": trial.rejected, "all": trial.records})
    elif not trial.passed:
        yield Problem(test.place, "R96", {"name": test.name, "expected": test.expect, "seen": trial.events})


def reason(blind: str, facts: Mapping[str, object]) -> str:
    """Why a rule is blind, in a few signs: the reason, and what it is about."""
    about = ", ".join(map(str, facts.values()))
    return f"{blind}: {about}" if about else blind


def only(rules: RuleSet, one: Rule | Correlation) -> RuleSet:
    """The set in which a rule runs alone; a correlation, with all that it builds on. Filters stay, unguarded."""
    needed = {one.ref.id}
    above = []
    for other in reversed(rules.correlations):  # each comes after those that it builds on
        if other.ref.id in needed:
            above.append(other)
            needed.update(other.rules)
    return RuleSet(
        rules=tuple(other for other in rules.rules if other.ref.id in needed),
        unable=(),
        problems=(),
        filters=tuple(replace(other, must_fire=()) for other in rules.filters),
        correlations=tuple(reversed(above)),
    )


# --- one test --------------------------------------------------------------------------------------------------------


def run_test(
    test: RuleTest,
    one: Rule | Correlation,
    rules: RuleSet,
    now: datetime,
    known: Enrichment = NOTHING_KNOWN,
    deadline: float = inf,
) -> Trial:
    """What one test of a rule comes to. `rules`: those in which it runs, as `only` gives them. `deadline`: when, by
    the monotonic clock, it is no longer sought why a test failed."""
    asking = Asking(test.as_of, test.awaited)
    result = _scanned(test, rules, now, known, asking, near=False)
    found = [finding for finding in result.findings if finding.rule.id == one.ref.id]
    blind = next((reason(each.reason, each.facts) for each in result.blind if each.rule.id == one.ref.id), "")
    account = result.inputs[0] if result.inputs else None
    rejected = sum(account.rejected.values()) if account else 0
    if account and not account.events and test.lines:  # blank lines alone tell nothing
        rejected = len(test.lines)
    trial = Trial(
        test=test,
        passed=_is_as_expected(test, one, found) and not rejected,
        events=_events_of(found),
        records=len(test.lines or test.events),
        rejected=rejected,
        blind=blind if not found else "",
    )
    if trial.passed or monotonic() >= deadline:
        return trial
    return _explained(trial, one, rules, now, known, found, deadline)


def _is_as_expected(test: RuleTest, one: Rule | Correlation, found: Sequence[Finding]) -> bool:
    if test.expect == "miss":
        return not found
    if test.expect == "match":
        return (len(found) if isinstance(one, Correlation) else _events_of(found)) == 1
    return _events_of(found) == test.expect


def _events_of(found: Iterable[Finding]) -> int:
    return sum(max(one.count, 1) for one in found)


def _scanned(
    test: RuleTest, rules: RuleSet, now: datetime, known: Enrichment, asking: Asking, *, near: bool
) -> ScanResult:
    if test.lines:
        return scan([_job(test, now)], rules, now, known=known, near=near, asking=asking)
    return scan_events(_batches(test, rules, now), rules, now, known=known, near=near, asking=asking)


def _job(test: RuleTest, now: datetime) -> Job:
    content = "".join(f"{line}\n" for line in test.lines).encode("utf-8", "surrogateescape")
    given = test.given
    return Job(
        source=given.source,
        inputs=[Input(str(test.place), None, len(content), test.as_of or now, content=content)],
        zone=given.zone,
        format=given.format,
        logsource=given.logsource,
        columns=given.columns,
        starts=given.starts,
    )


def _batches(test: RuleTest, rules: RuleSet, now: datetime) -> Iterator[EventBatch]:
    """The events of a test, in order; those of lines as far as they can be read, for the scan counts the rest."""
    if test.lines:
        job = _job(test, now)
        with suppress(ReadingError):
            stream = Stream(job.inputs[0])
            yield from batches(stream, job.form(stream.sample), job, Tally(), ordered=True)
    elif test.events:
        yield _as_given(test, rules)


def _as_given(test: RuleTest, rules: RuleSet) -> EventBatch:
    """Events by the names that rules give their fields, in the field table of their product.

    Where the test does not say what they are, they are what the rules are about.
    """
    told = test.given.logsource or _common(rules)
    raw = [written(event) for event in test.events]
    parsed = Parsed(
        events=[dict(event) for event in test.events],
        raw=raw,
        numbers=list(range(1, len(raw) + 1)),
        offsets=[sum(len(one) + 1 for one in raw[:at]) for at in range(len(raw))],
    )
    known = table(_table_of(test.given.format, told))
    timed = replace(known, time=(Clock("@timestamp"), *known.time))
    origin = Origin(test.given.source, str(test.place), b"", test.given.zone)
    return EventBatch(parsed, origin, told, timed)


def _common(rules: RuleSet) -> LogSource:
    """What the logsources of rules have in common."""
    told = [one.logsource for one in rules.rules]
    return LogSource(
        *(
            values.pop() if len(values := {getattr(one, key) for one in told}) == 1 else None
            for key in LogSource.__slots__
        )
    )


def _table_of(form: str | None, told: LogSource) -> str:
    """The field table of what events are said to be: that of the format, else the product's that knows the rest."""
    if form is not None:
        return FORMATS[form].table
    names = list(dict.fromkeys(one.table for one in FORMATS.values() if one.product == told.product and told.product))
    knowing = [
        name for name in names if told.service in table(name).services or told.category in table(name).categories
    ]
    return next(iter((*knowing, *names)), "json")


# --- why a test failed ------------------------------------------------------------------------------------------------


def _explained(
    trial: Trial,
    one: Rule | Correlation,
    rules: RuleSet,
    now: datetime,
    known: Enrichment,
    found: Sequence[Finding],
    deadline: float,
) -> Trial:
    """The trial, and why it came out as it did."""
    test = trial.test
    hits = tuple((finding.sample.record, finding.evidence) for finding in found)
    if test.expect == "miss" and found:
        return replace(trial, hits=hits)
    if isinstance(one, Rule):
        return replace(trial, refusals=tuple(_refusals(test, one, rules, now, known, deadline)), hits=hits)
    asking = Asking(test.as_of, test.awaited)
    windows = _scanned(test, rules, now, known, asking, near=True).near_windows
    below = _scanned(test, replace(rules, correlations=()), now, known, asking, near=False)
    counted = {rule.ref.name or rule.ref.title: 0 for rule in rules.rules}
    for finding in below.findings:
        counted[finding.rule.name or finding.rule.title] += finding.count
    silent = [rule for rule in rules.rules if not counted[rule.ref.name or rule.ref.title]]
    why = [refusal for rule in silent for refusal in islice(_refusals(test, rule, rules, now, known, deadline), 1)]
    return replace(trial, refusals=tuple(why), hits=hits, counted=counted, windows=windows)


def _refusals(
    test: RuleTest, rule: Rule, rules: RuleSet, now: datetime, known: Enrichment, deadline: float
) -> Iterator[Refusal]:
    """Why the events of a test are not matched, as many as were looked at in time, those first that came nearest."""
    found = []
    for batch in _batches(test, rules, now):
        ready = sourced(enriched(batch, known))
        for row in range(ready.rows):
            if monotonic() >= deadline:
                break
            said = explanation(rule, ready, row, rules.filters)
            if said.matches:
                continue
            blamed = tuple(_blamed(said.condition))
            found.append(
                Refusal(
                    rule=rule.ref,
                    record=ready.records[row],
                    unseen=tuple(one for one in said.logsource if not one.holds),
                    lacking=tuple(one for one in blamed if not one.holds),
                    against=tuple(one for one in blamed if one.holds),
                    filters=tuple(one.filter for one in said.filters if one.condition.holds),
                )
            )
    found.sort(key=lambda one: (len(one.unseen), len(one.lacking) + len(one.against), one.record))
    yield from found[:REFUSALS_SHOWN]


def _blamed(answer: Answer, wanted: bool = True) -> Iterator[Told]:
    """The comparisons because of which a condition does not hold: below a `not`, those that do."""
    if answer.holds == wanted:
        return
    if isinstance(answer, Told):
        yield answer
        return
    for node in answer.nodes:
        yield from _blamed(node, wanted ^ (answer.join == "not"))
