"""Findings of one rule that people judged in, a filter that hides the false ones and none of the others out.

Batches and verdicts come in; the text of a filter document and what it would hide go out. Nothing is read or written.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from types import EllipsisType
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from kyber.errors import UsageError
from kyber.finding import Finding
from kyber.logs.batch import EventBatch
from kyber.logs.column import Column
from kyber.logs.sample import LONGEST
from kyber.logs.scan import DAY, GROUP, NOBODY, finding_id
from kyber.logs.sigma.evidence import evidence, holds
from kyber.logs.sigma.filters import Filter
from kyber.logs.sigma.guard import as_written, hiding
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import Question, plan
from kyber.logs.sigma.predicate import Node, leaves
from kyber.logs.sigma.rule import Rule, read_rule
from kyber.logs.values import NO_TIME, Value, fold, parts, shown, text
from kyber.privacy import mask
from kyber.register import private_data, text_of
from kyber.yamltext import load

PREFERRED: Final = (
    ("Image", "process.executable", "exe", "process.name", "ServiceFileName", "ImagePath", "ImageLoaded"),
    ("CommandLine", "process.command_line", "ScriptBlockText"),
    ("ParentImage", "process.parent.executable"),
    ("ParentCommandLine", "process.parent.command_line"),
    ("TargetFilename", "file.path", "TargetObject", "registry.path", "OriginalFileName"),
    ("ServiceName", "service.name", "TaskName"),
    ("DestinationHostname", "url.path", "user_agent.original"),
    ("User", "user.name", "SubjectUserName", "TargetUserName"),
    ("host.name",),
    ("source.ip", "destination.ip"),
    ("event.action", "event.code", "EventID"),
    ("message",),
)
"""Fields whose values say what is harmless, those first that change least. Those of one line say much the same: one of
them will do. A rule's own fields come after them."""
FLEETING: Final = ("time", "date", "guid", "recordid", "sequence", "processid", "pid", "logonid", "threadid", "port")
"""What the name of a field ends with that means another value with each event."""
MOST_TERMS: Final = 4
"""Terms that are tried in every combination; where more are needed, they are added one by one."""
SHORTEST: Final = 6
"""Characters that values must share, at their start or end, for that to be a term."""
MAX_VALUE: Final = 1_024
"""Characters of a value that a filter may ask for."""
MAX_EVENTS: Final = 200_000
"""Different events of one rule that are told apart."""
SHOWN: Final = 3
"""Different events of a finding of which one may be listed there."""
MAX_GUARDS: Final = 10
"""Events of true findings that a draft lists under `must_fire`."""
_KIND: Final = {name: number for number, names in enumerate(PREFERRED) for name in names}
_BOUNDARIES: Final = "\\/ -_.:=@,;"

Event = Mapping[str, Value]
Rows = NDArray[np.int64]
_Values = tuple[Value | EllipsisType, ...]


class TuneError(UsageError):
    """No filter can be drafted; the text says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that the rule matched, by the fields that a filter might ask for, and how many there are like it.

    `whole`: a field that is not here was not in the event; otherwise it is not known. `shown`: what the rule needs to
    match it again.
    """

    event: Event
    count: int = 1
    whole: bool = True
    shown: Event | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A field and its value, or with `how` what its value starts or ends with."""

    field: str
    value: str
    how: str = ""

    @property
    def key(self) -> str:
        """The field with its modifier, as Sigma writes it."""
        return f"{self.field}|{self.how}" if self.how else self.field

    def selects(self, seen: Seen) -> bool:
        """Whether it holds for an event, or may hold where the field is not known."""
        if self.field not in seen.event:
            return not seen.whole
        wanted, found = fold(self.value), [fold(text(one)) for one in parts(seen.event[self.field]) if one is not None]
        if self.how == "startswith":
            return any(one.startswith(wanted) for one in found)
        if self.how == "endswith":
            return any(one.endswith(wanted) for one in found)
        return wanted in found


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A filter that was drafted: its text, what it asks for, and the events of true findings that it lists."""

    text: str
    filter: Filter
    terms: tuple[Term, ...]
    guards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a filter would hide of a rule among some events: events by finding; `""` for those of no finding."""

    hidden: Mapping[str, int]
    left: Mapping[str, int]


# --- the events of findings -------------------------------------------------------------------------------------------


def fields_of(rule: Rule) -> tuple[str, ...]:
    """The fields that a filter for the rule might ask for, the most lasting first."""
    own = [name for name in _asked(rule.condition) if not name.lower().endswith(FLEETING)]
    return tuple(dict.fromkeys((*_KIND, *own)))


def _asked(condition: Node) -> list[str]:
    questions = (Question(leaf.field, leaf.predicate) for leaf in leaves(condition))
    return list(dict.fromkeys(name for one in questions for name in one.fields if name))


def events_of(rule: Rule, batches: Iterable[EventBatch], ids: Iterable[str]) -> dict[str, list[Seen]]:
    """The events of some findings of a rule, by the finding's id; events that are alike once. Raises TuneError."""
    names = tuple(dict.fromkeys((*fields_of(rule), *_asked(rule.condition))))
    wanted, matcher = frozenset(ids), Matcher(plan([rule]))
    found: dict[str, dict[_Values, Seen]] = {}
    for batch in batches:
        for match in matcher.matches(batch):
            columns = [batch.first_of(batch.table.where_is(name)) for name in names]
            for identity, rows in _by_finding(rule, batch, match.rows):
                if identity not in wanted:
                    continue
                events = found.setdefault(identity, {})
                for row, count in _alike(columns, rows):
                    values = tuple(_at(column, row) for column in columns)
                    known = events.get(values)
                    if known is not None:
                        events[values] = replace(known, count=known.count + count)
                        continue
                    told = _shown(rule, batch, row) if len(events) < SHOWN else None
                    events[values] = Seen(_present(names, values), count, shown=told)
            if sum(map(len, found.values())) > MAX_EVENTS:
                raise TuneError(f"the rule has more than {MAX_EVENTS} different events: narrow it first")
    return {identity: list(events.values()) for identity, events in found.items()}


def sample_of(finding: Finding) -> Seen:
    """What a finding itself still knows of one of its events, where those are not stored."""
    known = {**finding.sample.fields, **{one.column: one.value for one in finding.evidence if one.column}}
    known |= {one.field: one.value for one in finding.evidence if one.field}
    return Seen({name: value for name, value in known.items() if len(value) < LONGEST}, whole=False)


def _by_finding(rule: Rule, batch: EventBatch, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows of each finding, as a scan tells findings apart."""
    columns = [batch.column(name) for name in GROUP]
    times = batch.times[rows]
    days = np.where(times == NO_TIME, NO_TIME, times // DAY)
    keys = np.stack([*(np.full(len(rows), -1) if one is None else one.codes[rows] for one in columns), days])
    distinct, place = np.unique(keys, axis=1, return_inverse=True)
    for index, key in enumerate(distinct.T):
        group = {
            name: value
            for name, column, code in zip(GROUP, columns, key, strict=False)
            if column is not None and code >= 0 and (value := shown(column.values[code])) not in NOBODY
        }
        yield finding_id(rule.ref.id, group, int(key[-1])), rows[place.reshape(-1) == index]


def _alike(columns: Sequence[Column | None], rows: Rows) -> Iterator[tuple[int, int]]:
    """One row of each kind, and how many there are of the kind."""
    codes = [column.codes[rows] for column in columns if column is not None]
    if not codes:
        yield int(rows[0]), len(rows)
        return
    _, first, counts = np.unique(np.stack(codes), axis=1, return_index=True, return_counts=True)
    yield from zip(rows[first].tolist(), counts.tolist(), strict=True)


def _at(column: Column | None, row: int) -> Value | EllipsisType:
    """The value in a row; an ellipsis where the field is absent, since null is a value."""
    return ... if column is None or column.codes[row] < 0 else column.at(row)


def _present(names: Sequence[str], values: Sequence[Value | EllipsisType]) -> dict[str, Value]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not ...}


def _shown(rule: Rule, batch: EventBatch, row: int) -> Event:
    """The fields that the rule asks for, as it names them; for keywords, the fields in which they stand."""
    asked = _asked(rule.condition)
    found = _present(asked, [_at(batch.first_of(batch.table.where_is(name)), row) for name in asked])
    for one in evidence(rule.condition, batch, row):
        if not one.field and one.column and (column := batch.column(one.column)) is not None:
            found.setdefault(one.column, column.at(row))
    return found


# --- what tells the false ones from the others ------------------------------------------------------------------------


def terms_of(rule: Rule, false: Sequence[Seen]) -> list[Term]:
    """The terms that select every one of some events, the best first."""
    found = []
    for name in fields_of(rule):
        values = [shown(one.event[name]) for one in false if _usable(one.event.get(name))]
        if len(values) == len(false):
            found += [term for term in _terms(name, values) if mask(term.value) == term.value]
    return sorted(found, key=lambda term: bool(term.how))  # whole values before parts; the order of fields stays


def _usable(value: Value) -> bool:
    """Whether a filter may ask for a value: one text or number, not too long, and no secret of a person."""
    if value is None or isinstance(value, tuple | bool):
        return False
    written = text(value)
    return written not in NOBODY and len(written) <= MAX_VALUE and written.isprintable() and mask(written) == written


def _terms(name: str, values: Sequence[str]) -> Iterator[Term]:
    folded = [fold(one) for one in values]
    if len(set(folded)) == 1:
        yield Term(name, values[0])
        return
    start = _shared(folded)
    while start and values[0][start - 1] not in _BOUNDARIES:
        start -= 1
    if start >= SHORTEST:
        yield Term(name, values[0][:start], "startswith")
    end = _shared([one[::-1] for one in folded])
    while end and values[0][-end] not in _BOUNDARIES:
        end -= 1
    if end >= SHORTEST:
        yield Term(name, values[0][-end:], "endswith")


def _shared(values: Sequence[str]) -> int:
    """How many characters all the texts begin with."""
    first, last = min(values), max(values)
    return next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))


def separating(terms: Sequence[Term], true: Mapping[str, Sequence[Seen]], least: int) -> tuple[Term, ...]:
    """The fewest terms, at least `least` where there are so many, that together select none of the true events.

    Of several the first in order. Raises TuneError with the finding that all of them together still select.
    """
    guarded = [(identity, seen) for identity, events in true.items() for seen in events]
    for identity, seen in guarded:
        if all(term.selects(seen) for term in terms):
            raise TuneError(
                f"nothing tells the false positives from finding {identity[:8]}, which is not marked as one: "
                f"{_differs(terms)}"
            )
    spared = [frozenset(at for at, (_, seen) in enumerate(guarded) if not term.selects(seen)) for term in terms]
    everything = frozenset(range(len(guarded)))
    numbers = range(len(terms))
    for size in range(min(least, len(terms)), min(MOST_TERMS, len(terms)) + 1):
        for chosen in combinations(numbers, size):
            if len({_KIND.get(terms[one].field, terms[one].field) for one in chosen}) < size:
                continue
            if frozenset[int]().union(*(spared[one] for one in chosen)) == everything:
                return tuple(terms[one] for one in chosen)
    left, greedy = everything, list[int]()
    while left:
        best = max(numbers, key=lambda one: (len(spared[one] & left), -one))
        greedy.append(best)
        left -= spared[best]
    return tuple(terms[one] for one in sorted(greedy))


def _differs(terms: Sequence[Term]) -> str:
    if not terms:
        return "their events have nothing in common that a filter could ask for"
    return f"it has the same {', '.join(dict.fromkeys(term.field for term in terms))}"


# --- the draft --------------------------------------------------------------------------------------------------------


def drafted(
    rule: Rule,
    terms: Sequence[Term],
    true: Mapping[str, Sequence[Seen]],
    filters: Sequence[Filter],
    *,
    why: Sequence[str],
    owner: str,
    today: date,
    expires: date,
) -> Draft:
    """The filter of some terms. `filters`: those in force, which may hide an event that could guard this one.

    Raises TuneError where it holds what belongs in no file.
    """
    selection: dict[str, str] = {term.key: escaped(term.value) for term in terms}
    named = {key: value for key in rule.logsource.__slots__ if (value := getattr(rule.logsource, key)) is not None}
    reasons = [line for one in why if (line := " ".join(mask(one).split()))]
    document: dict[str, Any] = {
        "title": f"Known false positives: {mask(rule.ref.title)}"[:256],
        "id": str(uuid5(NAMESPACE_URL, f"kyber:filter:{rule.ref.id}:{sorted(selection.items())}")),
        **({"description": "\n".join(dict.fromkeys(reasons))} if reasons else {}),
        "date": today.isoformat(),
        "logsource": named,
        "filter": {"rules": [rule.ref.id], "selection": selection, "condition": "not selection"},
        "kyber": {"owner": owner, "expires": expires.isoformat()},
    }
    bare = _read(text_of(document))
    guards = list(_guards(rule, terms, true, (*filters, bare)))
    if guards:
        document["kyber"]["must_fire"] = guards
    written = text_of(document)
    if any(private_data(written.encode(), "")):
        raise TuneError(
            "a personal identity code or a secret stands in what would be written: write the filter by hand"
        )
    return Draft(text=written, filter=_read(written), terms=tuple(terms), guards=len(guards))


def _read(written: str) -> Filter:
    found = read_rule(load(written.encode(), "draft")[0], "draft", {}, [])
    if not isinstance(found, Filter):
        raise AssertionError("a draft that is no filter")  # noqa: TRY004 - what kyber wrote itself is wrong, not a type
    return found


def _guards(
    rule: Rule, terms: Sequence[Term], true: Mapping[str, Sequence[Seen]], filters: Sequence[Filter]
) -> Iterator[dict[str, object]]:
    """One event of each true finding, without identity codes, as far as the rule still matches it so."""
    given: list[dict[str, object]] = []
    for events in true.values():
        for seen in events:
            if len(given) >= MAX_GUARDS:
                return
            if seen.shown is None:
                continue
            asked = {term.field: seen.event[term.field] for term in terms if term.field in seen.event}
            event = {name: _plain(value) for name, value in {**seen.shown, **asked}.items()}
            batch = as_written(event)
            if not event or not holds(rule.condition, batch, 0) or hiding(rule, tuple(filters), batch):
                continue
            if event not in given:
                given.append(event)
                yield event
            break


def _plain(value: Value) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return mask(value) if isinstance(value, str) else value


def escaped(value: str) -> str:
    """A text as Sigma writes it, so that it means itself: `*` and `?`, and backslashes where they would escape."""
    written = []
    for at, letter in enumerate(value):
        special = letter in "*?" or (letter == "\\" and value[at + 1 : at + 2] in ("\\", "*", "?"))
        written.append(f"\\{letter}" if special else letter)
    return "".join(written)


def effect(rule: Rule, draft: Filter, batches: Iterable[EventBatch], ids: Iterable[str]) -> Effect:
    """What a filter would hide of a rule in these events, as the engine itself has it."""
    known, matcher = frozenset(ids), Matcher(plan([rule], [draft]))
    hidden: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for batch in batches:
        for match in matcher.matches(batch):
            taken = match.hidden.get(draft.ref.id)
            for counted, rows in ((hidden, taken), (left, match.rows)):
                for identity, of in _by_finding(rule, batch, rows) if rows is not None and len(rows) else ():
                    counted[identity if identity in known else ""] += len(of)
    return Effect(hidden=hidden, left=left)


def tuned(
    rule: Rule,
    false: Mapping[str, Finding],
    true: Mapping[str, Finding],
    batches: Callable[[], Iterable[EventBatch]],
    filters: Sequence[Filter],
    *,
    why: Sequence[str],
    owner: str,
    today: date,
    expires: date,
) -> tuple[Draft, Effect, int]:
    """A draft that hides all that is stored of the false findings and nothing of the true ones, what it would hide,
    and how many of the findings have no stored events. `batches` is called for each reading of the store.

    Raises TuneError where there is none.
    """
    ids = (*false, *true)
    stored = events_of(rule, batches(), ids)
    unlike = {one: stored.get(one) or [sample_of(finding)] for one, finding in true.items()}
    alike = [seen for one, finding in false.items() for seen in stored.get(one) or [sample_of(finding)]]
    terms = terms_of(rule, alike)
    if not terms:
        raise TuneError("the events of the false positives have nothing in common that a filter could ask for")
    # With no true finding to tell from, one term would say too little.
    chosen = separating(terms, unlike, least=1 if true else 2)
    draft = drafted(rule, chosen, unlike, filters, why=why, owner=owner, today=today, expires=expires)
    found = effect(rule, draft.filter, batches(), ids)
    for one in true:
        if found.hidden.get(one):
            raise TuneError(f"the filter would hide finding {one[:8]}, which is not marked as a false positive")
    for one in false:
        if found.left.get(one):
            raise TuneError(f"no filter of these fields would hide all of finding {one[:8]}")
    return draft, found, sum(one not in stored for one in ids)
