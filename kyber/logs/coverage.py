"""What rules cover: rules and where they stand in; ATT&CK by tactic, a Navigator layer, and the sources needed, out.

A rule says in its tags which tactics and techniques it is about; kyber has no copy of ATT&CK. A technique stands under
the tactics that a rule names just before it, or, where it names none before, under all that it names.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kyber.logs.batch import LogSource
from kyber.logs.sigma.heading import Kind, techniques
from kyber.logs.sigma.lint_heading import TACTICS as EVERY_TACTIC
from kyber.logs.standing import Entry, State
from kyber.render.rows import TACTICS

OTHER: Final = "other"
"""The tactics of ATT&CK's other matrices (Mobile, ICS), together."""
NONE: Final = "none"
"""Where a technique stands that comes without a tactic."""
RENAMED: Final = {"defense-evasion": "stealth"}
"""Tactics by the names that they had, and have."""
LAYER: Final = {"navigator": "4.9.0", "layer": "4.5"}
"""The form of the layer: the Navigator's layer file format 4.5, which its versions from 4.9.0 on read. The version of
ATT&CK is left to the Navigator: the rules' tags do not say theirs."""
COLOURS: Final = ("#f4cccc", "#fff2cc", "#93c47d")


@dataclass(frozen=True, slots=True)
class Tally:
    """Rules by whether they can look: `runs`, `blind` (never, or not at what there is), or `unknown` yet."""

    runs: tuple[Entry, ...] = ()
    blind: tuple[Entry, ...] = ()
    unknown: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Tally":
        """The tally of some rules, each counted once."""
        found: dict[State, list[Entry]] = defaultdict(list)
        for one in {one.heading.id: one for one in entries}.values():
            found[State.BLIND if one.standing.state is State.UNABLE else one.standing.state].append(one)
        return cls(*(tuple(found[state]) for state in (State.RUNS, State.BLIND, State.UNKNOWN)))

    @property
    def rules(self) -> int:
        """How many there are."""
        return len(self.runs) + len(self.blind) + len(self.unknown)


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic by its Sigma tag (OTHER, NONE), its rules, and the rules of each technique that is named under it."""

    name: str
    rules: Tally
    techniques: Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class Reads:
    """A logsource, and the rules that read it. `sources`: the registered sources that are declared to have it, or had
    it on the days looked at; `maybe`: those that may have it besides. Both None without a register."""

    logsource: LogSource
    rules: Tally
    sources: tuple[str, ...] | None
    maybe: tuple[str, ...] | None


def counted(entries: Iterable[Entry]) -> list[Entry]:
    """The rules that count for coverage: those in force that alert on their own."""
    return [one for one in entries if one.alone and one.standing.state is not State.OVERRIDDEN]


def by_tactic(entries: Iterable[Entry]) -> list[Tactic]:
    """Every tactic of ATT&CK for Enterprise, in its order, also those without a rule; then OTHER and NONE, if any."""
    rules: dict[str, list[Entry]] = {name: [] for name in TACTICS if name not in RENAMED}
    found: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for one in counted(entries):
        for tactic, named in named_by(one.heading.tags).items():
            rules.setdefault(tactic, []).append(one)
            for technique in named:
                found[tactic][technique].append(one)
    order = [*(name for name in rules if name not in (OTHER, NONE)), *(name for name in (OTHER, NONE) if name in rules)]
    return [
        Tactic(name, Tally.of(rules[name]), {id_: Tally.of(of) for id_, of in sorted(found[name].items())})
        for name in order
    ]


def named_by(tags: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tactics that tags name, each with its techniques; NONE for techniques without a tactic."""
    read = [(_tactic(tag), next(iter(techniques((tag,))), None)) for tag in tags]
    every = tuple(dict.fromkeys(tactic for tactic, _ in read if tactic))
    found: dict[str, list[str]] = {tactic: [] for tactic in every}
    run: list[str] = []
    before = None
    for tactic, technique in read:
        if tactic:
            run = [*run, tactic] if before == "tactic" else [tactic]
            before = "tactic"
        elif technique:
            for name in run or every or (NONE,):
                found.setdefault(name, []).append(technique)
            before = "technique"
    return {name: tuple(dict.fromkeys(of)) for name, of in found.items()}


def _tactic(tag: str) -> str | None:
    space, _, name = tag.strip().lower().replace("_", "-").partition(".")
    if space != "attack" or name not in EVERY_TACTIC:
        return None
    return RENAMED.get(name, name if name in TACTICS else OTHER)


def by_logsource(entries: Iterable[Entry]) -> list[Reads]:
    """What rules read, what most of them read first. Rules that only correlations count are rules here, too."""
    found: dict[LogSource, list[Entry]] = defaultdict(list)
    for one in entries:
        logsource = one.heading.logsource
        if one.heading.kind is Kind.RULE and logsource is not None and one.standing.state is not State.OVERRIDDEN:
            found[logsource].append(one)
    made = [_reads(logsource, of) for logsource, of in found.items()]
    return sorted(made, key=lambda one: (-one.rules.rules, str(one.logsource)))


def _reads(logsource: LogSource, of: Sequence[Entry]) -> Reads:
    may = of[0].sources
    if may is None:
        return Reads(logsource, Tally.of(of), None, None)
    having = {name for one in of for name in one.having}
    sources, maybe = (tuple(name for name in may if (name in having) is sure) for sure in (True, False))
    return Reads(logsource, Tally.of(of), sources, maybe)


def layer(entries: Sequence[Entry], name: str, description: str) -> dict[str, Any]:
    """A layer for the ATT&CK Navigator: each technique scored by how many rules run, with their titles as a comment.

    Source of the form: the Navigator's layer file format, version 4.5.
    """
    found: dict[str, list[Entry]] = defaultdict(list)
    for one in counted(entries):
        for technique in techniques(one.heading.tags):
            found[technique].append(one)
    tallies = {technique: Tally.of(of) for technique, of in sorted(found.items())}
    most = max((len(one.runs) for one in tallies.values()), default=0)
    return {
        "name": name,
        "versions": dict(LAYER),
        "domain": "enterprise-attack",
        "description": description,
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "techniques": [
            {"techniqueID": technique, "score": len(tally.runs), "comment": _comment(tally)}
            for technique, tally in tallies.items()
        ],
        "gradient": {"colors": list(COLOURS), "minValue": 0, "maxValue": max(most, 1)},
        "legendItems": [
            {"label": "0: no rule that can look", "color": COLOURS[0]},
            {"label": f"{max(most, 1)}: the most rules that run", "color": COLOURS[-1]},
        ],
    }


def _comment(tally: Tally) -> str:
    parts = (("runs", tally.runs), ("blind", tally.blind), ("not known", tally.unknown))
    return "\n".join(f"{word}: {one.heading.title}" for word, of in parts for one in of)
