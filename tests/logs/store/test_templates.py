from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.duration import Duration
from kyber.errors import UsageError
from kyber.logs.schema import tables
from kyber.logs.store.templates import (
    TYPES,
    Keeping,
    Piece,
    alert_mappings,
    days,
    differences,
    mappings,
    own_template,
    pieces,
    slug,
    stream,
    streams,
)

DURATIONS = st.builds(Duration, months=st.integers(0, 2_000), seconds=st.integers(0, 10_000_000).map(lambda n: n + 1))
KEPT = {"ad-controllers": Duration.parse("24 months"), "web": Duration.parse("30 d"), "other": None}


def fields(mapping: dict[str, Any], before: str = "") -> dict[str, dict[str, Any]]:
    """Every field of a mapping by its whole name."""
    found = {}
    for name, one in mapping["properties"].items():
        if "properties" in one:
            found |= fields(one, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = one
    return found


def named(made: tuple[Piece, ...], name: str) -> Any:
    return next(piece.body for piece in made if piece.name == name)


@given(st.text(max_size=50))
def test_a_slug_holds_only_what_may_stand_in_the_name_of_a_data_stream(source: str) -> None:
    assert set(slug(source)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert slug(slug(source)) == slug(source)


def test_two_sources_that_would_share_a_data_stream_are_an_error_that_names_both() -> None:
    assert streams(["a.b", "c"], "n") == {"a.b": "logs-kyber.a_b-n", "c": "logs-kyber.c-n"}
    with pytest.raises(UsageError, match=r"'a\.b' and 'A-b'.*logs-kyber\.a_b-n"):
        streams(["a.b", "c", "A-b"], "n")


@given(DURATIONS, st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_days_are_never_fewer_than_a_duration_has_from_any_day_on(duration: Duration, start: date) -> None:
    assert start + timedelta(days=days(duration)) >= duration.after(start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1 month", 31), ("2 months", 62), ("12 months", 366), ("24 months", 731), ("30 d", 30), ("12 h", 1)],
)
def test_months_are_reckoned_at_their_longest(text: str, expected: int) -> None:
    assert days(Duration.parse(text)) == expected


def test_every_canonical_column_is_mapped_to_its_type() -> None:
    found = fields(mappings())
    assert {name for table in tables() for name in table.columns} == set(TYPES)
    assert {name: found[name]["type"] for name in TYPES} == dict(TYPES)
    assert TYPES["source.ip"] == "ip"
    assert TYPES["message"] == "text"
    assert TYPES["process.pid"] == TYPES["http.response.status_code"] == TYPES["source.bytes"] == "long"


@pytest.mark.parametrize("mapping", [mappings(), alert_mappings()])
def test_mappings_are_closed_and_need_no_type_that_a_bare_cluster_lacks(mapping: dict[str, Any]) -> None:
    assert mapping["dynamic"] is False
    kinds = {one["type"] for one in fields(mapping).values()}
    assert kinds <= {"keyword", "text", "flattened", "ip", "date", "long", "boolean", "object"}
    assert {one.get("enabled", False) for one in fields(mapping).values() if one["type"] == "object"} <= {False}


def test_a_mapping_says_what_it_holds_and_says_something_else_when_that_changes() -> None:
    first = mappings()
    assert first == mappings()
    assert first["_meta"] != alert_mappings()["_meta"]


@pytest.mark.parametrize("keeping", Keeping)
def test_templates_of_two_namespaces_share_only_what_is_the_same_in_both(keeping: Keeping) -> None:
    one, other = (pieces(KEPT, name, keeping) for name in ("one", "other"))
    shared = {piece.name for piece in one} & {piece.name for piece in other}
    assert all(named(one, name) == named(other, name) for name in shared)
    patterns = [piece.body["index_patterns"] for piece in (*one, *other) if piece.kind == "template"]
    assert len(patterns) == len({tuple(pattern) for pattern in patterns})


def test_a_source_is_kept_by_the_lifecycle_of_its_data_stream_where_there_is_one() -> None:
    made = pieces(KEPT, "n", Keeping.LIFECYCLE)
    own = named(made, own_template("ad-controllers", "n"))
    assert own["index_patterns"] == [stream("ad-controllers", "n")]
    assert own["template"]["lifecycle"] == {"enabled": True, "data_retention": "731d"}
    every = named(made, "kyber-logs-n")
    assert own["priority"] > every["priority"] > 100
    assert every["template"]["lifecycle"] == {"enabled": True}
    assert own_template("other", "n") not in {piece.name for piece in made}


def test_else_a_policy_deletes_so_many_days_after_the_rollover() -> None:
    made = pieces(KEPT, "n", Keeping.ILM)
    own = named(made, own_template("web", "n"))
    name = own["template"]["settings"]["index"]["lifecycle"]["name"]
    assert named(made, name)["phases"]["delete"]["min_age"] == "30d"
    assert "rollover" in named(made, name)["phases"]["hot"]["actions"]
    every = named(made, "kyber-logs-n")["template"]["settings"]["index"]["lifecycle"]["name"]
    assert "delete" not in named(made, every)["phases"]
    laid = [piece.kind for piece in made]
    assert laid.index("template") > max(at for at, kind in enumerate(laid) if kind != "template")


def test_else_nothing_is_said_of_how_long() -> None:
    made = pieces(KEPT, "n", Keeping.NOTHING)
    assert [piece.name for piece in made] == ["kyber-logs", "kyber-logs-n", "kyber-alerts-n"]
    assert "template" not in named(made, "kyber-logs-n")


def test_documents_are_kept_as_they_were_sent_whatever_the_cluster_would_do_with_logs() -> None:
    assert named(pieces({}, "n", Keeping.NOTHING), "kyber-logs")["template"]["settings"]["index"]["mode"] == "standard"


def test_what_a_cluster_adds_of_itself_is_no_difference_and_what_somebody_changed_is() -> None:
    wanted = named(pieces(KEPT, "n", Keeping.LIFECYCLE), own_template("web", "n"))
    there = {
        **wanted,
        "data_stream": {"hidden": False, "allow_custom_routing": False},
        "composed_of": list(wanted["composed_of"]),
        "priority": str(wanted["priority"]),
        "created_date_millis": 1_795_367_239_849,
    }
    assert differences(there, wanted) == ()
    shorter = {**there, "template": {"lifecycle": {"enabled": True, "data_retention": "7d"}, "settings": {"x": "y"}}}
    assert [(one.path, one.there, one.wanted) for one in differences(shorter, wanted)] == [
        ("template.lifecycle.data_retention", "7d", "30d"),
        ("template.settings.x", "y", None),
    ]


@pytest.mark.parametrize("keeping", Keeping)
def test_nothing_differs_from_itself(keeping: Keeping) -> None:
    assert all(differences(piece.body, piece.body) == () for piece in pieces(KEPT, "n", keeping))
