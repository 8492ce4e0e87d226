"""`kyber risks evidence`: who watches each risk, what was found that bears on it, and whether its likelihood fits."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import json_record, table
from kyber.cli.files import write_out
from kyber.cli.risks_files import RiskDesk, desk, risk_ids
from kyber.cli.web import web_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.finding import Finding
    from kyber.risks.evidence import Borne, Frequency, Watcher

BARS: Final = " ▁▂▃▄▅▆▇█"
RULES_SHOWN: Final = 12
EVERY: Final = 1_000_000
"""Days: all of them."""
DAYS: Final = 7
"""How many of the last days of what is stored show whether a rule can see."""


def evidence(
    risk: Annotated[
        str | None,
        typer.Argument(
            metavar="[RISK]", help="The risk's id; else all of them.", autocompletion=risk_ids, show_default=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """Hold the risks against what was found: who watches, on how many days something was seen, how often a year.

    Findings that were judged false do not count. Where no rule can see a risk, its silence says nothing.
    """
    from kyber.risks.evidence import bearing

    at = desk(workspace)
    chosen = [at.risk(risk)] if risk is not None else [one for one in at.register.prioritised() if one.is_open]
    findings, since = _found(at)
    watchers = _watchers(at)
    touched = web_of(at.here, at.today, risks=False).thread(findings)
    borne = [
        bearing(one, at.register.scale, findings, watchers, lambda found: touched[found.id].services, since, at.today)
        for one in chosen
    ]
    if json:
        for each in borne:
            say(json_record(_record(at, each)))
        return
    if risk is not None:
        _whole(at, borne[0], since)
        return
    _table(at, borne, since)


def _found(at: RiskDesk) -> "tuple[Sequence[Finding], date]":
    """The findings that were not judged false, and the day from which on was looked: the first that anything is of."""
    from contextlib import closing

    from kyber import kept, triage
    from kyber.finding import Status
    from kyber.logs.standing import recent
    from kyber.logs.store.parquet import ParquetStore

    state = at.here.state
    days = []
    if ParquetStore.exists(state):
        with closing(ParquetStore(state)) as store:
            days = [date.fromisoformat(day) for day in recent(store, EVERY) if day[:1].isdigit()]
    if not (state / kept.FILE).exists():
        return (), min(days, default=at.today)
    with kept.open(state) as kept_store:
        every = kept_store.all()
    records, _ = triage.load_triage(at.here.root)
    judged = triage.judged(every, triage.by_finding(records), at.today)
    true = [one.finding for one in every if judged[one.finding.id].status is not Status.FALSE_POSITIVE]
    days += [one.finding.first.date() for one in every if one.finding.first is not None]
    return true, min(days, default=at.today)


def _watchers(at: RiskDesk) -> "Sequence[Watcher]":
    from kyber.cli.rules_files import rule_paths
    from kyber.cli.rules_standing import gathered
    from kyber.logs.standing import State
    from kyber.risks.evidence import Watcher

    entries = gathered(at.here, rule_paths(at.here), DAYS, datetime.now(UTC)).entries
    return [
        Watcher(one.heading.id, one.heading.name, one.heading.title, one.heading.tags, one.standing.state is State.RUNS)
        for one in entries
        if one.standing.state is not State.OVERRIDDEN
    ]


def _record(at: RiskDesk, one: "Borne") -> dict[str, Any]:
    level = at.register.level(one.risk)
    return {
        "id": one.risk.id,
        "level": str(level) if level else None,
        "watch": one.watch.value,
        "rules": [{"id": each.id, "title": each.title, "can_see": each.can_see} for each in one.watchers],
        "findings": [each.id for each in one.findings],
        "days": len(one.days),
        "by_month": dict(one.by_month()),
        "years": round(one.years, 4),
        "per_year": None
        if (often := one.frequency) is None
        else {"p5": _significant(often.low), "p50": _significant(often.middle), "p95": _significant(often.high)},
        "stated_likelihood": one.risk.left.likelihood if one.risk.left else None,
        "verdict": one.verdict.value,
    }


def _table(at: RiskDesk, borne: "Sequence[Borne]", since: date) -> None:
    from kyber.privacy import mask
    from kyber.render.sheet import Column, Sheet
    from kyber.risks.evidence import Verdict, Watch, months

    words = at.words
    if not borne:
        say(words("risks.none"))
        return
    heads = ("id", "level", "watch", "days", "months", "often", "stated", "title")
    rows = []
    for one in borne:
        level = at.register.level(one.risk)
        rows.append(
            (
                one.risk.id,
                words(f"risks.level.{level or 'none'}"),
                words(f"risks.watch.{one.watch}"),
                words.number(len(one.days)) if one.frequency else "–",
                _spark([one.by_month().get(month, 0) for month in months(at.today)]),
                _often(at, one.frequency),
                _class(at, one),
                mask(one.risk.title),
            )
        )
    right = ("days",)
    sheet = Sheet(
        tuple(Column(words(f"risks.head.{head}"), right=head in right, weight=head == "title") for head in heads),
        tuple(rows),
    )
    write_out(None, table(sheet))
    say()
    say(words("risks.evidence.since", since=since))
    if asking := [one.risk.id for one in borne if one.verdict in (Verdict.MORE, Verdict.LESS)]:
        say(words.many("risks.evidence.asks", len(asking), ids=tuple(asking)))
    if unknown := [f"{one.risk.id} {name}" for one in borne for name in one.unknown()]:
        say(plain(words("risks.evidence.unknown", rules=tuple(unknown))))
    for watch in (Watch.UNWATCHED, Watch.BLIND):
        top = [one.risk.id for one in borne if one.watch is watch and _is_top(at, one)]
        if top:
            say(words.many(f"risks.evidence.top-{watch}", len(top), ids=tuple(top)))


def _is_top(at: RiskDesk, one: "Borne") -> bool:
    from kyber.risks.matrix import rank
    from kyber.settings import RiskLevel

    return rank(at.register.level(one.risk)) >= rank(RiskLevel.MAJOR)


def _whole(at: RiskDesk, one: "Borne", since: date) -> None:
    from kyber.privacy import mask
    from kyber.risks.evidence import months

    words = at.words
    say(plain(f"{one.risk.id}  {mask(one.risk.title)}"))
    say(f"{words(f'risks.watch.{one.watch}')}")
    say()
    for each in one.watchers[:RULES_SHOWN]:
        say(plain(f"  {'●' if each.can_see else '○'} {each.title}"))
    if len(one.watchers) > RULES_SHOWN:
        say(f"  {words.many('risks.evidence.more-rules', len(one.watchers) - RULES_SHOWN)}")
    if unknown := one.unknown():
        say(plain(words("risks.evidence.unknown", rules=unknown)))
    if one.watchers:
        say(f"  {words('risks.evidence.marks')}")
        say()
    counts = one.by_month()
    most = max(counts.values(), default=0)
    for month in months(at.today):
        bar = "█" * round(20 * counts.get(month, 0) / most) if most else ""
        if one.frequency is not None and month >= f"{since:%Y-%m}":
            say(f"  {month} {counts.get(month, 0):>4} {bar}")
    say()
    say(words("risks.evidence.since", since=since))
    if one.frequency is not None:
        say(words("risks.evidence.often", often=_often(at, one.frequency)))
    say(words(f"risks.verdict.{one.verdict}", stated=_stated(at, one)))


def _often(at: RiskDesk, often: "Frequency | None") -> str:
    if often is None:
        return "–"
    return f"{_number(at, often.low)}–{_number(at, often.high)}"


def _stated(at: RiskDesk, one: "Borne") -> str:
    from kyber.risks.listing import frequency

    left = one.risk.left
    if left is None or left.likelihood > at.register.scale.likelihoods:
        return "–"
    return f"{left.likelihood} {frequency(at.register.scale.per_year(left.likelihood), at.words)}"


def _class(at: RiskDesk, one: "Borne") -> str:
    left = one.risk.left
    return "–" if left is None else f"{left.likelihood}{_mark(one)}"


def _mark(one: "Borne") -> str:
    from kyber.risks.evidence import Verdict

    return {Verdict.MORE: " ▲", Verdict.LESS: " ▼"}.get(one.verdict, "")


def _number(at: RiskDesk, value: float) -> str:
    text = f"{_significant(value):g}"
    return text if at.words.language == "en" else text.replace(".", ",")


def _significant(value: float) -> float:
    return float(f"{value:.2g}")


def _spark(counts: "Sequence[int]") -> str:
    most = max(counts)
    return "".join(BARS[-(-count * (len(BARS) - 1) // most)] if count else "·" for count in counts)
