"""Field tables: what the files say is what a Table holds, and each says it in a form that rules can use."""

import pytest

from kyber.logs.formats.known import FORMATS
from kyber.logs.schema import Condition, Drawn, Table, table, tables

ALL = tuple(tables())
each_table = pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)


def conditions(one: Table) -> list[Condition]:
    named = (*one.services.values(), *one.categories.values())
    return [
        *(each for group in named for each in group),
        *(drawn.when for ones in one.columns.values() for drawn in ones),
    ]


def test_there_is_a_table_for_each_format() -> None:
    assert {form.table for form in FORMATS.values()} <= {one.name for one in ALL}
    with pytest.raises(KeyError):
        table("nothing")


def test_a_table_is_read_once() -> None:
    assert table("windows") is table("windows")


@each_table
def test_every_name_in_a_table_is_text(one: Table) -> None:
    names = [*one.columns, *one.fields, *one.services, *one.categories, *one.native, *one.shown]
    names += [clock.column for clock in one.time]
    names += [drawn.column for ones in one.columns.values() for drawn in ones]
    names += [name for ones in one.fields.values() for name in ones]
    names += [name for condition in conditions(one) for name, _ in condition]
    assert names
    assert all(isinstance(name, str) and name == name.strip() != "" for name in names)
    assert one.title


@each_table
def test_conditions_ask_for_values_in_lower_case_as_events_are_compared(one: Table) -> None:
    for condition in conditions(one):
        for _, values in condition:
            assert values
            assert all(value == value.lower() for value in values)


@each_table
def test_a_field_is_looked_for_under_its_own_name_last_and_nowhere_twice(one: Table) -> None:
    for field in (*one.fields, "SomeField", "with {braces}", "a.b"):
        places = one.where_is(field)
        assert len(set(places)) == len(places)
        assert set(one.fields.get(field, ())) <= set(places)
        assert field in places
    assert one.where_is("SomeField")[-1] == "SomeField"


@each_table
def test_no_column_is_drawn_from_the_same_place_twice(one: Table) -> None:
    for column, drawn in one.columns.items():
        assert len(set(drawn)) == len(drawn), column
        unconditional = [index for index, source in enumerate(drawn) if source == Drawn(column)]
        assert not unconditional, f"{column} is looked for under its own name anyway"


def test_windows_fields_are_found_in_what_is_common_to_all_forms_before_their_own() -> None:
    windows = table("windows")
    assert windows.where_is("Image") == (
        "process.executable",
        "winlog.event_data.Image",
        "winlog.user_data.Image",
        "winlog.Image",
        "Image",
    )
    assert windows.where_is("ServiceFileName")[0] == "winlog.event_data.ServiceFileName"


def test_a_service_or_category_is_one_or_several_conditions() -> None:
    windows = table("windows")
    assert windows.services["security"] == ((("winlog.channel", frozenset(("security",))),),)
    assert len(windows.categories["process_creation"]) == 2
    assert ("winlog.event_id", frozenset(("4688",))) in windows.categories["process_creation"][1]
