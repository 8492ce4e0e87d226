"""What changed between two reports: their values in; plain sentences, by subject, out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, get_args

from kyber.continuity.exercise import Result
from kyber.continuity.worded import length
from kyber.finding import Family
from kyber.render.money import day
from kyber.report.direction import number
from kyber.report.period import comparable
from kyber.risks.matrix import LEVELS, rank
from kyber.settings import RiskLevel
from kyber.text import Words

RESULTS: Final = frozenset(get_args(Result))
SUBJECTS = ("risks", "actions", "services", "findings", "coverage", "clock", "registers")
_COUNTED: Mapping[str, Sequence[str]] = {
    "findings": ("incidents", "notices.missed"),
    "coverage": ("risks.unseen", "rules.run", "rules.blind", "sources.silent"),
    "clock": ("clock.late", "clock.done"),
    "registers": ("risks.unassessed", "problems.error", "problems.warning"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed, in words; `id`: the record that it is of, if any."""

    subject: str
    text: str
    id: str = ""


def changes(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> tuple[Change, ...]:
    """Every change, by subject, and within it those for the worse first."""
    before = comparable(before, now)
    return (
        *_risks(before, now, words),
        *_acceptances(before, now, words),
        *_actions(before, now, words),
        *_services(before, now, words),
        *_exercises(before, now, words),
        *_findings(before, now, words),
        *_counts(before, now, words),
    )


def _risks(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    then, today = _levels(before), _levels(now)
    up, down, moved = [], [], []
    for id_ in sorted(then.keys() & today.keys()):
        facts = {
            "id": id_,
            "title": now.get(f"title.{id_}", ""),
            "before": _word(then[id_], words),
            "now": _word(today[id_], words),
        }
        was, is_ = _rank(then[id_]), _rank(today[id_])
        if was and not is_:
            up.append(Change("risks", words("report.change.lost", **facts), id_))
        elif is_ and not was:
            moved.append(Change("risks", words("report.change.assessed", **facts), id_))
        elif is_ > was:
            up.append(Change("risks", words("report.change.up", **facts), id_))
        elif is_ < was:
            down.append(Change("risks", words("report.change.down", **facts), id_))
        elif (was_at := before.get(f"cell.{id_}", "")) != (is_at := now.get(f"cell.{id_}", "")):
            cells = {"before": was_at.replace("x", " × "), "now": is_at.replace("x", " × ")}
            moved.append(Change("risks", words("report.change.moved", **{**facts, **cells}), id_))
    yield from up
    for id_ in sorted(today.keys() - then.keys(), key=lambda id_: (-_rank(today[id_]), id_)):
        facts = {"id": id_, "title": now.get(f"title.{id_}", ""), "now": _word(today[id_], words)}
        yield Change("risks", words("report.change.new", **facts), id_)
    yield from down
    for id_ in sorted(then.keys() - today.keys()):
        how = "closed" if f"closed.{id_}" in now else "gone"
        yield Change("risks", words(f"report.change.{how}", id=id_, title=before.get(f"title.{id_}", "")), id_)
    yield from moved


def _acceptances(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    """Of risks that stand in both reports; one that does not is told of already."""
    was, is_ = _of("accepted.", before), _of("accepted.", now)
    for id_ in sorted(_levels(before).keys() & _levels(now).keys() & (was.keys() | is_.keys())):
        facts = {"id": id_, "title": now.get(f"title.{id_}", "")}
        if id_ not in is_:
            yield Change("risks", words("report.change.unaccepted", **facts), id_)
        elif was.get(id_) != is_[id_]:
            yield Change("risks", words("report.change.accepted", **facts, day=_day(is_[id_], words)), id_)


def _actions(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    was, is_ = _of("action.", before), _of("action.", now)
    if not was:  # a report of an older kyber says nothing of them
        return
    for how, ids in (
        ("new", is_.keys() - was.keys()),
        ("done", {id_ for id_ in is_.keys() & was.keys() if is_[id_] == "done" != was[id_]}),
        ("cancelled", {id_ for id_ in is_.keys() & was.keys() if is_[id_] == "cancelled" != was[id_]}),
    ):
        for id_ in sorted(ids):
            yield Change("actions", words(f"report.change.action-{how}", id=id_, title=now.get(f"title.{id_}", "")))


def _exercises(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    was, is_ = _of("exercise.", before), _of("exercise.", now)
    for id_ in sorted(is_.keys() if was else ()):
        if is_[id_] != was.get(id_, "planned") and is_[id_] in RESULTS:
            facts = {"id": id_, "title": now.get(f"title.{id_}", ""), "result": words(f"continuity.result.{is_[id_]}")}
            yield Change("services", words("report.change.exercised", **facts))


def _of(prefix: str, values: Mapping[str, str]) -> Mapping[str, str]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _day(text: str, words: Words) -> str:
    try:
        return day(date.fromisoformat(text), words)
    except ValueError:
        return text


def _services(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    for key in sorted(one for one in now if one.startswith("gap.")):
        id_ = key.removeprefix("gap.")
        name, is_ = now.get(f"name.{id_}", id_), number(now[key])
        if key not in before:
            if is_:
                yield Change("services", words("report.change.gap-new", name=name, now=length(is_, words)), id_)
            continue
        was = number(before[key])
        if was == is_:
            continue
        how = "closed" if not is_ else "opened" if not was else "wider" if is_ > was else "narrower"
        facts = {"name": name, "before": length(was, words), "now": length(is_, words)}
        yield Change("services", words(f"report.change.gap-{how}", **facts), id_)


def _findings(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    for family in Family:
        key = f"findings.{family}"
        if key in before and key in now and before[key] != now[key]:
            name = words(f"findings.family.{family}")
            facts = {"before": words.number(number(before[key])), "now": words.number(number(now[key]))}
            yield Change("findings", words("report.change.family", family=name, **facts))


def _counts(before: Mapping[str, str], now: Mapping[str, str], words: Words) -> Iterator[Change]:
    for subject, keys in _COUNTED.items():
        for key in keys:
            if key in before and key in now and before[key] != now[key]:
                facts = {"before": words.number(number(before[key])), "now": words.number(number(now[key]))}
                yield Change(subject, words(f"report.signal.{key}", **facts))


def _levels(values: Mapping[str, str]) -> Mapping[str, str]:
    return _of("level.", values)


def _rank(level: str) -> int:
    return rank(RiskLevel(level)) if level in {str(one) for one in LEVELS} else 0


def _word(level: str, words: Words) -> str:
    return words(f"risks.level.{level if _rank(level) else 'none'}")
