import json
import stat
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.source import LogSource
from kyber.people import People
from kyber.problem import Place, Severity
from kyber.register import (
    Day,
    EditError,
    Id,
    Part,
    Record,
    Ref,
    Span,
    Text,
    edited,
    files,
    read,
    read_all,
    references,
    schema,
    without_references,
    write,
)
from kyber.text import words_for
from kyber.yamltext import load


class Step(Part):
    """A step."""

    who: Annotated[Id, Ref("role")] | None = None
    """Who does it."""


class Plan(Record):
    """A plan."""

    id: Id
    """Its name."""
    title: Text
    """What it is about."""
    owner: Annotated[Id, Ref("role", "person")]
    """Who answers for it."""
    on: Day | None = None
    """When."""
    every: Span | None = None
    """How often."""
    level: int = 1
    """How much."""
    helpers: tuple[Annotated[Id, Ref("person")], ...] = ()
    """Who helps."""
    steps: tuple[Step, ...] = ()
    """What is done."""


KEYS = st.sampled_from(["roles", "people", "id", "name", "title", "holders"])
TREES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["a", "2026-01-01"]),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)
GOOD = b"""# A plan.
id: P-1
title: Restore
owner: chief
on: 2026-01-31
every: 12 months
helpers: [a, b]
steps:
  - who: chief
  - {}
"""


def found(text: bytes) -> list[tuple[str, int, Severity]]:
    _, problems = read(text, "plan.yaml", Plan)
    return [(problem.code, problem.place.line, problem.severity) for problem in problems]


def test_a_record_knows_its_file_and_the_line_of_each_field() -> None:
    plan, problems = read(GOOD, "plan.yaml", Plan)
    assert plan is not None
    assert problems == ()
    assert plan.at == Place("plan.yaml", 2)
    assert plan.where("steps", 0, "who") == Place("plan.yaml", 9)
    assert plan.where("level") == plan.at


def test_a_record_cannot_be_changed() -> None:
    plan, _ = read(GOOD, "plan.yaml", Plan)
    with pytest.raises(ValueError, match="frozen"):
        plan.title = "other"  # type: ignore[union-attr, misc]


def test_every_problem_of_a_file_is_found_at_once_in_the_order_of_its_lines() -> None:
    text = b"id: a b\ntitle: 5\nons: x\non: 2026-02-30\nevery: never\nlevel: high\nsteps:\n  - whom: x\n"
    error, warning = Severity.ERROR, Severity.WARNING
    assert found(text) == [
        ("K80", 1, error),
        ("K81", 1, error),
        ("K81", 2, error),
        ("K90", 3, warning),
        ("K81", 4, error),
        ("K81", 5, error),
        ("K81", 6, error),
        ("K90", 8, warning),
    ]


def test_an_unknown_key_warns_with_the_nearest_known_one_and_the_rest_is_read() -> None:
    plan, (problem,) = read(GOOD + b"levle: 3\n", "plan.yaml", Plan)
    assert plan is not None
    assert plan.level == 1
    assert (problem.code, problem.place.line, problem.facts["key"]) == ("K90", 11, "levle")
    assert problem.facts["known"][0] == "level"  # type: ignore[index]


def test_an_empty_value_is_an_absent_one() -> None:
    plan, problems = read(b"id: P-1\ntitle: x\nowner: y\non:\nhelpers:\n", "plan.yaml", Plan)
    assert plan is not None
    assert plan.helpers == ()
    assert problems == ()
    assert found(b"id: P-1\ntitle:\nowner: y\n") == [("K80", 2, Severity.ERROR)]


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"", "K85"), (b"- a\n", "K85"), (b"a: [", "K91"), (b"id: x\nid: y\n", "K92"), (GOOD + b"---\nid: x\n", "K82")],
)
def test_a_file_that_is_no_record_is_one_problem(text: bytes, code: str) -> None:
    assert [problem[0] for problem in found(text)] == [code]


def test_a_personal_identity_code_is_found_wherever_it_stands_and_never_shown() -> None:
    text = GOOD + b"# asiakas 131052-308T\n"
    _, (problem,) = read(text, "plan.yaml", Plan)
    assert (problem.code, problem.place.line) == ("K08", 11)
    _, problems = read(b"id: 131052-308T\ntitle: x\nowner: y\n131052-308T: 1\nlevel: 131052-308T\n", "plan.yaml", Plan)
    shown = " ".join(text for problem in problems for text in words_for("en").problem(problem))
    assert "131052-308T" not in shown


@pytest.mark.parametrize(
    "line", [b"password: hunter2", b"steps: [{who: x, api_key: abc}]", b"# -----BEGIN PRIVATE KEY-----"]
)
def test_a_secret_in_a_register_is_an_error(line: bytes) -> None:
    _, problems = read(GOOD.replace(b"steps:\n  - who: chief\n  - {}\n", b"") + line, "plan.yaml", Plan)
    assert "K08" in [problem.code for problem in problems]
    assert "hunter2" not in " ".join(text for problem in problems for text in words_for("fi").problem(problem))


def test_references_are_found_in_fields_lists_and_parts() -> None:
    plan, _ = read(GOOD, "plan.yaml", Plan)
    assert plan is not None
    assert [(reference.id, reference.kinds, reference.place.line) for reference in references(plan)] == [
        ("chief", ("role", "person"), 4),
        ("a", ("person",), 7),
        ("b", ("person",), 7),
        ("chief", ("role",), 9),
    ]


def test_a_record_goes_without_some_references_and_not_at_all_where_it_needs_one() -> None:
    plan, _ = read(GOOD, "plan.yaml", Plan)
    assert plan is not None
    left = without_references(plan, {("person", "a"), ("service", "b")})
    assert left is not None
    assert left.helpers == ("b",)
    assert left.steps == plan.steps
    assert without_references(plan, {("role", "chief")}) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_problems(text: bytes) -> None:
    record, problems = read(text, "x", LogSource)
    assert record is not None or problems


@given(TREES)
def test_any_tree_is_a_record_or_problems(tree: object) -> None:
    record, problems = read(json.dumps(tree).encode(), "x", People)
    assert record is not None or problems


def test_files_that_someone_meant_as_records_but_are_not_read_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.yaml").write_bytes(GOOD)
    (tmp_path / "plans" / "b.yml").write_bytes(GOOD)
    (tmp_path / "plans" / "c.yaml").symlink_to(tmp_path / "plans" / "a.yaml")
    records, problems = read_all(tmp_path, "plans/*.yaml", Plan)
    assert len(records) == 1
    assert [(problem.code, Path(problem.place.file).name) for problem in problems] == [("K84", "b.yml")]
    assert [file.name for file in files(tmp_path, "plans/*.yaml")] == ["a.yaml"]


def test_every_field_of_a_schema_says_what_it_is() -> None:
    for model in (LogSource, People):
        made = schema(model, "x")
        parts = [made, *(part for part in made["$defs"].values() if "properties" in part)]
        for part in parts:
            for name, field in part["properties"].items():
                assert field.get("description"), f"{part['title']}.{name}"
        assert made["additionalProperties"] is False


# --- writing ---------------------------------------------------------------------------------------------------------

HAND_WRITTEN = """\
# The register of one plan.   Hand-written, with a layout of its own.
id:    P-1          # never changes
title: 'Restore: everything'
owner:   "chief"
long: a very long line that goes on and on and on and on and on and on and on and on and on and on and on and on and on

steps:
- who: chief        # not indented
- who:   deputy

tags: [ a,b ,  c ]
text: |
    kept
      as it is
"""


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    old, new = before.splitlines(), after.splitlines()
    assert len(old) == len(new)
    return [(a, b) for a, b in zip(old, new, strict=True) if a != b]


def test_one_edit_is_one_line_of_diff_also_in_a_file_with_a_layout_of_its_own() -> None:
    after = edited(HAND_WRITTEN, ("title",), "Restore some")
    assert len(changed_lines(HAND_WRITTEN, after)) == 1
    assert load(after.encode(), "x")[0]["title"] == "Restore some"
    after = edited(HAND_WRITTEN, ("steps", 1, "who"), "chief")
    assert len(changed_lines(HAND_WRITTEN, after)) == 1
    assert load(after.encode(), "x")[0]["steps"][1]["who"] == "chief"


def test_a_new_key_and_a_new_item_add_lines_and_change_none() -> None:
    after = edited(HAND_WRITTEN, ("reviewed",), "2026-11-01")
    assert after.startswith(HAND_WRITTEN)
    after = edited(GOOD.decode(), ("steps", 2), {"who": "deputy"})
    assert after == GOOD.decode() + "  - who: deputy\n"


def test_a_place_that_is_not_there_is_refused() -> None:
    with pytest.raises(EditError):
        edited(HAND_WRITTEN, ("nothing", "here"), 1)


@given(
    st.sampled_from(["id", "title", "owner", "on", "every"]), st.from_regex(r"[A-Za-z][A-Za-z -]{0,30}", fullmatch=True)
)
def test_an_edited_field_reads_back_and_nothing_else_moves(field: str, value: str) -> None:
    text = GOOD.decode()
    after = edited(text, (field,), value)
    assert load(after.encode(), "x")[0] == {**load(GOOD, "x")[0], field: value}
    assert len(changed_lines(text, after)) <= 1


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(GOOD)
    file.chmod(0o640)
    write(file, "id: ä\n")
    assert file.read_text(encoding="utf-8") == "id: ä\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]
