"""What a comparison of two stores says of rules that could not look and of events that are in one only."""

from dataclasses import replace

import pytest

from kyber.cli.compared import _lines
from kyber.logs.compare import Compared, Events
from kyber.text import words_for
from tests.render.results import blind, result

NOTHING = Compared(
    events=Events(),
    alike=0,
    only_here=(),
    only_there=(),
    changed=(),
    blind=(),
    others={},
    here=result(),
    there=result(),
)


def test_rules_that_are_blind_in_one_store_only_are_told_by_their_titles() -> None:
    one, other = blind(1), blind(2)
    found = replace(
        NOTHING, blind=(one.rule.id, other.rule.id), here=result(blinds=(one,)), there=result(blinds=(other,))
    )
    lines = list(_lines(found, words_for("en")))
    at = lines.index("Rules that are blind in only one, or for another reason: 2")
    assert lines[at + 1 : at + 3] == [f"    {one.rule.title}", f"    {other.rule.title}"]


@pytest.mark.parametrize(
    ("events", "hint"),
    [
        (Events(pending=1), "has fewer events: run `kyber logs ship`"),
        (Events(only_here=1), "after `kyber logs forget`, `kyber logs ship` sends it again"),
    ],
)
def test_where_the_cluster_has_fewer_events_it_is_said_what_helps_though_the_findings_are_the_same(
    events: Events, hint: str
) -> None:
    assert hint in "\n".join(_lines(replace(NOTHING, events=events), words_for("en")))
    assert hint not in "\n".join(_lines(NOTHING, words_for("en")))
