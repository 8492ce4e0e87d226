"""What rules cover of ATT&CK, by what their tags name."""

from dataclasses import replace

import pytest

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.coverage import NONE, OTHER, by_logsource, by_tactic, layer, named_by
from kyber.logs.sigma.heading import Heading, Kind
from kyber.logs.standing import Entry, Standing, State


def entry(id_: str, tags: str = "", state: State = State.RUNS, *, alone: bool = True) -> Entry:
    heading = Heading(
        id=id_,
        name="",
        title=f"Rule {id_}",
        kind=Kind.RULE,
        level=Level.HIGH,
        family=Family.SECURITY,
        file="x.yml",
        number=0,
        tags=tuple(f"attack.{tag}" for tag in tags.split()),
        logsource=LogSource("linux"),
    )
    return Entry(heading=heading, standing=Standing(state), alone=alone, sources=("a", "b"), having=("a",))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("persistence t1053", {"persistence": ("T1053",)}),
        (
            "credential-access t1110.001 initial-access t1078",
            {"credential-access": ("T1110.001",), "initial-access": ("T1078",)},
        ),
        ("persistence privilege-escalation t1543", {"persistence": ("T1543",), "privilege-escalation": ("T1543",)}),
        ("t1543 persistence", {"persistence": ("T1543",)}),
        ("t1543", {NONE: ("T1543",)}),
        ("impact", {"impact": ()}),
        ("defense-evasion t1070 stealth t1070", {"stealth": ("T1070",)}),
        ("inhibit-response-function t0800", {OTHER: ("T0800",)}),
        ("g0016 s0005", {}),
    ],
)
def test_a_technique_stands_under_the_tactics_just_before_it(tags: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert named_by(f"attack.{tag}" for tag in tags.split()) == expected


def test_every_tactic_is_there_with_rules_by_whether_they_can_look() -> None:
    found = by_tactic(
        [
            entry("1", "impact t1490"),
            entry("2", "impact t1490", State.BLIND),
            entry("3", "impact t1490", State.UNABLE),
            entry("4", "impact", State.UNKNOWN),
            entry("5", "impact t1490", State.OVERRIDDEN),
            entry("6", "impact t1490", alone=False),
        ]
    )
    assert len(found) == 15
    (impact,) = (one for one in found if one.rules.rules)
    tallies = (impact.rules, impact.techniques["T1490"])
    assert [(len(one.runs), len(one.blind), len(one.unknown)) for one in tallies] == [(1, 2, 1), (1, 2, 0)]


def test_the_score_of_a_technique_is_how_many_rules_run() -> None:
    made = layer([entry("1", "t1490"), entry("2", "t1490"), entry("3", "t1490 t1078", State.BLIND)], "name", "text")
    assert [(one["techniqueID"], one["score"]) for one in made["techniques"]] == [("T1078", 0), ("T1490", 2)]
    assert made["techniques"][1]["comment"] == "runs: Rule 1\nruns: Rule 2\nblind: Rule 3"
    assert made["versions"]["layer"] == "4.5"
    assert made["gradient"]["maxValue"] > made["gradient"]["minValue"]


def test_a_layer_without_rules_is_one_too() -> None:
    made = layer([], "name", "")
    assert (made["techniques"], made["gradient"]["maxValue"]) == ([], 1)


def test_rules_that_only_correlations_count_need_their_sources_too() -> None:
    (read,) = by_logsource([entry("1"), entry("2", alone=False), entry("3", state=State.OVERRIDDEN)])
    assert (read.logsource, read.rules.rules) == (LogSource("linux"), 2)


def test_sources_that_only_may_have_what_rules_read_stand_apart() -> None:
    (read,) = by_logsource([entry("1")])
    assert (read.sources, read.maybe) == (("a",), ("b",))
    (unknown,) = by_logsource([replace(entry("1"), sources=None, having=())])
    assert (unknown.sources, unknown.maybe) == (None, None)
