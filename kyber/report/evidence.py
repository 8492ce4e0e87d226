"""Findings, rules and the register in; what bears on every risk out, looked up rather than asked of each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from kyber.finding import Finding, Touched
from kyber.risks.evidence import Borne, Watcher, borne
from kyber.risks.register import RiskRegister, open_risks
from kyber.risks.risk import Risk


def borne_by(
    register: RiskRegister,
    findings: Iterable[Finding],
    touched: Mapping[str, Touched],
    watchers: Sequence[Watcher],
    since: date,
) -> Mapping[str, Borne]:
    """What bears on each open risk, by id, as `kyber.risks.evidence.bearing` has it."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for one in findings:
        if (there := touched.get(one.id)) is not None:
            for id_ in there.risks:
                found[id_].append(one)
    keyed: dict[str, dict[int, None]] = defaultdict(dict)
    for at, watcher in enumerate(watchers):
        for key in (watcher.id, watcher.name, *_techniques(watcher.tags)):
            keyed[key][at] = None
    made = {}
    for risk in open_risks(register):
        theirs = found.get(risk.id, ())
        days = sorted({when.date() for one in theirs if (when := one.first or one.last) is not None})
        rules = sorted({at for key in _keys(risk) for at in keyed.get(key, ())})
        seeing = tuple(watchers[at] for at in rules)
        made[risk.id] = borne(risk, register.scale, tuple(theirs), tuple(days), seeing, since, register.today)
    return made


def _keys(risk: Risk) -> Iterator[str]:
    yield from (one for one in risk.detections if one)
    yield from (f"attack.{one.lower()}" for one in risk.threats)


def _techniques(tags: Iterable[str]) -> Iterator[str]:
    """A tag, and the technique that it is a part of."""
    for tag in map(str.lower, tags):
        yield tag
        if tag.count(".") > 1:
            yield tag.rpartition(".")[0]
