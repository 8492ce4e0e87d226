"""When those were heard whom rules about silence wait for: a store and rules in, hours by rule and group out.

A part of the store has another key as soon as it holds something else. So what was heard in it is remembered by the
store, under its key and a hash of all that was asked, and each is looked at once: a scan costs what is new, however far
back it has to know.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

import orjson

from kyber.logs.batch import EventBatch
from kyber.logs.enrich import COLUMNS
from kyber.logs.sigma.absence import LEARNT_DAYS, Group, Heard, Past
from kyber.logs.sigma.asking import Awaited
from kyber.logs.sigma.correlate import Correlator
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.occurrences import HOUR, Gatherer
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store import Part, Period, Store
from kyber.logs.store.index import HEARD, UNDATED

DAY: Final = 86_400_000_000
EARLIER: Final = 10
"""Days of a source, the latest, that are looked at where it was not heard for longer than is looked back."""
MAX_GROUPS: Final = 10_000
"""Groups of one part that are remembered; of more, the part is looked at again each time."""

Prepared = Callable[[EventBatch], EventBatch]
Answer = Mapping[Group, Heard]


def answered(rules: RuleSet) -> tuple[Correlation, ...]:
    """The correlations for which `hear` finds all that they have to know: about nothing but silence, and over rules."""
    known = {one.ref.id for one in rules.correlations}
    return tuple(one for one in rules.correlations if one.only_absence and not known.intersection(one.rules))


def only_heard(rules: RuleSet) -> frozenset[str]:
    """The ids of the rules that are asked for nothing but the silence that `hear` knows of."""
    heard = {one.ref.id for one in answered(rules)}
    others = {rule for one in rules.correlations if one.ref.id not in heard for rule in one.rules}
    return frozenset(rule for one in rules.correlations if one.ref.id in heard for rule in one.rules) - others


def hear(store: Store, rules: RuleSet, awaited: Sequence[Awaited], as_of: int, prepared: Prepared) -> Past:
    """Who was heard until `as_of` (microseconds), as far back as silence has to be known. Raises StoreError.

    What was not remembered yet is noted; `Store.remember` keeps it. `prepared`: a batch, ready to be matched.
    """
    asked = answered(rules)
    if not asked:
        return Past()
    since = as_of - max(LEARNT_DAYS * DAY, *(_longest(one, awaited) for one in asked))
    chosen = _dated(store.parts(Period(since, as_of + 1)))
    gone = sorted({one.source for one in awaited} - {part.source for part in chosen})
    earlier = _latest(_dated(store.parts(Period(None, since), sources=gone))) if gone else []
    heard = _Hearing(store, rules, asked, as_of, prepared).of((*earlier, *chosen))
    learning = any(one.silent_after is not None for one in asked)
    arrived = {
        one.source: store.arrivals(one.source, since, as_of, HOUR)
        for one in (awaited if learning else ())
        if one.every is None
    }
    return Past(heard, arrived, since)


def _dated(parts: Sequence[Part]) -> list[Part]:
    return [one for one in parts if one.day != UNDATED]


def _latest(parts: Sequence[Part]) -> list[Part]:
    """Those of the last days of each source."""
    days: dict[str, set[str]] = {}
    for one in parts:
        days.setdefault(one.source, set()).add(one.day)
    last = {source: set(sorted(found)[-EARLIER:]) for source, found in days.items()}
    return [one for one in parts if one.day in last[one.source]]


def _longest(one: Correlation, awaited: Iterable[Awaited]) -> int:
    """How long anybody may be silent for a correlation, as far as the register says."""
    times = one.silent_after or 1
    return max(one.timespan, *(int(times * (source.every or 0)) for source in awaited), 0)


class _Hearing:
    """Some correlations, and what they ask of the parts of a store."""

    def __init__(
        self, store: Store, rules: RuleSet, asked: Sequence[Correlation], as_of: int, prepared: Prepared
    ) -> None:
        self.store, self.asked, self.as_of, self.prepared = store, asked, as_of, prepared
        named = {rule for one in asked for rule in one.rules}
        self.needed = [rule for rule in rules.rules if rule.ref.id in named]
        self.plan = plan(self.needed, rules.filters)
        self.matcher: Matcher | None = None
        columns = set(COLUMNS)
        read = {name for one in asked for name in one.group_by} | set(self.plan.asked)
        self.remembers = not columns & read  # what tables of the workspace say may change
        self.questions = {one.ref.id: self._question(one, rules) for one in asked}

    def of(self, parts: Iterable[Part]) -> dict[str, dict[Group, Heard]]:
        """What was heard in parts, by correlation."""
        remembered = self.store.heard(self.questions.values())
        known = {id_: remembered[question] for id_, question in self.questions.items()}
        found: dict[str, dict[Group, Heard]] = {id_: {} for id_ in self.questions}
        for part in parts:
            whole = self.remembers and (part.last is None or part.last <= self.as_of)
            if whole and all(part.key in answers for answers in known.values()):
                answers = {id_: _read(listed[part.key]) for id_, listed in known.items()}
            else:
                answers = self._listen(part)
                for id_, answer in answers.items():
                    if whole and len(answer) <= MAX_GROUPS:
                        self.store.note(part, self.questions[id_], _written(answer))
            for id_, answer in answers.items():
                into = found[id_]
                for group, heard in answer.items():
                    into[group] = into[group].joined(heard) if group in into else heard
        return found

    def _listen(self, part: Part) -> dict[str, Answer]:
        """Look at the events of a part."""
        if self.matcher is None:
            self.matcher = Matcher(self.plan)
        gatherer = Gatherer(self.asked, as_of=self.as_of)
        for given in part.read(None):
            batch = self.prepared(given)
            for match in self.matcher.matches(batch):
                gatherer.add(match, batch)
        correlator = Correlator(self.asked, gatherer.done(), self.needed, self.as_of)
        return {id_: run.heard() for id_, run in correlator.runs.items()}

    def _question(self, one: Correlation, rules: RuleSet) -> bytes:
        """What names all on which it depends what is heard in a part."""
        mine = [rule for rule in self.needed if rule.ref.id in one.rules]
        filters = [by for by in rules.filters if any(by.applies(rule.ref, rule.logsource) for rule in mine)]
        asked = [*((rule.logsource, rule.condition) for rule in mine), *filters, (one.group_by, one.aliases)]
        parts = [_made_by(), *map(repr, asked)]
        return HEARD + sha256(orjson.dumps(parts)).digest()


@cache
def _made_by() -> str:
    """A hash of the field tables, which people mend, and of the code: what an older version heard is asked anew."""
    logs = resources.files("kyber.logs")
    folders = (logs, logs / "sigma", logs / "store", logs / "tables")
    files = [one for folder in folders for one in folder.iterdir() if one.name.endswith((".py", ".yaml"))]
    digest = sha256()
    for file in sorted(files, key=str):
        digest.update(sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _written(answer: Answer) -> bytes:
    return orjson.dumps([[group, heard.last, sorted(heard.hours)] for group, heard in answer.items()])


def _read(answer: bytes) -> Answer:
    return {tuple(group): Heard(last, frozenset(hours)) for group, last, hours in orjson.loads(answer)}
