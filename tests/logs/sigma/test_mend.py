"""Changes in rule files: what was asked for is changed, nothing else is, and what cannot be changed alone is left."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.sigma.lint import lint
from kyber.logs.sigma.mend import MAX_ATTEMPTS, mended
from kyber.logs.sigma.rule import Rule, read_rules, rule_files
from kyber.logs.sigma.written import Change, Part, Written
from kyber.yamltext import YamlError, load
from tests.data import unpacked

TEXT = dedent(
    """\
    # A comment before all
    title: A rule   # a remark
    status: 'Test'
    level: High     # as the author has it

    tags:
        - attack.Initial_Access
        - "attack.T1059"
    date: 2026/1/5
    logsource:
        product: windows
    detection:
        selection:
            CommandLine|contains|all:   # odd
                - '*it''s*'
            Image|contains: plain
            Other|contains: "*a"
            More|contains: '*\\*'
        condition: selection
    """
)


def linted(text: str) -> bytes:
    documents = [Written("a.yml", number, one) for number, one in enumerate(load(text.encode(), "a.yml"))]
    found = lint(documents)
    return mended(text.encode(), {number: changes for (_, number), changes in found.changes.items()})


def test_all_that_is_safe_is_changed_and_every_other_character_stays() -> None:
    expected = (
        TEXT.replace("'Test'", "'test'")
        .replace("High ", "high ")
        .replace("Initial_Access", "initial-access")
        .replace("T1059", "t1059")
        .replace("2026/1/5", "2026-01-05")
        .replace("contains|all:", "contains:")
        .replace("'*it''s*'", "'it''s'")
        .replace('"*a"', '"a"')
        .replace("'*\\*'", "'\\*'")
        .replace("# a remark\n", "# a remark\nid: c7c4d6a9-0000-0000-0000-000000000000\n")
    )
    made = linted(TEXT).decode().splitlines()
    wanted = expected.splitlines()
    assert [line for line in made if not line.startswith("id: ")] == [
        line for line in wanted if not line.startswith("id: ")
    ]
    assert made[2].startswith("id: ")


def test_the_id_that_is_added_is_the_one_that_the_rule_went_by(tmp_path: Path) -> None:
    assert b"id: " not in TEXT.encode()
    assert rule_of(linted(TEXT), tmp_path).ref.id == rule_of(TEXT.encode(), tmp_path).ref.id


def rule_of(text: bytes, folder: Path) -> Rule:
    (folder / "a.yml").write_bytes(text)
    (rule,) = read_rules([str(folder / "a.yml")], {}).rules
    return rule


def test_mending_twice_changes_nothing_more() -> None:
    once = linted(TEXT)
    assert linted(once.decode()) == once


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_stay(end: str, mark: str) -> None:
    text = mark + TEXT.replace("\n", end)
    made = linted(text).decode()
    assert made == mark + linted(TEXT).decode().replace("\n", end)


def test_each_document_of_a_file_has_its_own_changes() -> None:
    text = f"{TEXT}---\n{TEXT.replace('A rule', 'Another rule')}"
    made = linted(text)
    one, other = load(made, "")
    assert one["id"] != other["id"]
    assert one["level"] == other["level"] == "high"


@pytest.mark.parametrize(
    "text",
    [
        "title: >\n  x\nlevel: |\n  High\n",
        "title: &t x\nlevel: *t\n",
        "{title: x, level: &l High, status: *l}\n",
        "level: !!str High\n",
    ],
)
def test_what_is_written_so_that_it_cannot_be_changed_alone_is_left(text: str) -> None:
    assert mended(text.encode(), {0: [Change(("level",), "low")]}) in (
        text.encode(),
        text.replace("High", "low").encode(),
    )
    documents = load(mended(text.encode(), {0: [Change(("level",), "low")]}), "")
    before = load(text.encode(), "")
    assert {key: value for key, value in documents[0].items() if key != "level"} == {
        key: value for key, value in before[0].items() if key != "level"
    }


def test_a_key_is_not_changed_into_one_that_is_there() -> None:
    text = b"a:\n  f|all: x\n  f: y\n"
    assert mended(text, {0: [Change(("a", "f|all"), "f", Part.KEY)]}) == text


def test_a_change_that_cannot_be_made_does_not_hinder_the_others() -> None:
    text = b"level: High\nstatus: |\n  Test\n"
    changes = [Change(("status",), "test"), Change(("nothing", "here"), "x"), Change(("level",), "high")]
    assert mended(text, {0: changes}) == b"level: high\nstatus: |\n  Test\n"


def small_rules(count: int, last: str) -> bytes:
    rule = "title: Rule {0}\nid: x{0}\nlevel: High\nstatus: Test\n"
    return ("---\n".join(rule.format(number) for number in range(count)) + last).encode()


@pytest.mark.parametrize("last", ["level: |-\n  HIGH\n", "level: &l HIGH\nname: *l\n"])
def test_a_change_that_cannot_be_made_costs_a_few_readings_and_not_one_for_each_change(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = small_rules(200, f"---\n{last}")
    large = []

    def counted(given: bytes, file: str) -> list[object]:
        large.append(len(given) > 100)
        return load(given, file)

    monkeypatch.setattr("kyber.logs.sigma.mend.load", counted)
    changes = {number: [Change(("level",), "high"), Change(("status",), "test")] for number in range(200)}
    made = mended(text, {**changes, 200: [Change(("level",), "high")]})
    assert made == text.replace(b"High", b"high").replace(b"Test", b"test")
    assert sum(large) <= MAX_ATTEMPTS + 1


def test_where_too_much_cannot_be_made_the_rest_is_left_and_the_text_still_reads() -> None:
    aliases = "".join("---\nlevel: &l High\nname: *l\nstatus: Test\n" for _ in range(60))
    text = small_rules(2, aliases)
    made = mended(text, {number: [Change(("level",), "high"), Change(("status",), "test")] for number in range(62)})
    assert [one["level"] for one in load(made, "")[2:]] == ["High"] * 60
    assert load(made, "")[0]["level"] == "high"


def test_many_changes_in_one_large_mapping_are_made_in_a_moment() -> None:
    count = 8_000
    text = "a:\n" + "".join(f"  f{number}|x|all: Y\n" for number in range(count))
    changes = [
        change
        for number in range(count)
        for change in (
            Change(("a", f"f{number}|x|all"), "y"),
            Change(("a", f"f{number}|x|all"), f"f{number}|x", Part.KEY),
        )
    ]
    assert mended(text.encode(), {0: changes}) == text.replace("|all: Y", ": y").encode()


PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(before=PLAIN, after=PLAIN, quote=st.sampled_from(["", "'", '"']), key=st.booleans())
def test_a_file_is_changed_as_asked_or_not_at_all(before: str, after: str, quote: str, key: bool) -> None:
    inside = before.replace("'", "''") if quote == "'" else before
    text = f"a:\n  # remark\n  b: [1, {quote}{inside}{quote}] # end\n  c: x\n".encode()
    try:
        held = load(text, "")
    except YamlError:
        return
    if not isinstance(held[0], dict) or set(held[0]) != {"a"} or not isinstance(held[0]["a"].get("b"), list):
        return
    change = Change(("a", "c"), after, Part.KEY) if key else Change(("a", "b", 1), after)
    made = mended(text, {0: [change]})
    if made == text:
        return
    found = load(made, "")[0]["a"]
    assert (found[after] == "x") if key else (found["b"][1] == after)
    assert b"# remark" in made


def test_no_change_in_a_reviewed_rule_changes_what_it_asks(tmp_path: Path) -> None:
    folder = unpacked("sigma-rules.tar.gz")
    read = {rule.ref.path: rule for rule in read_rules([str(folder)], {}).rules}
    changed = 0
    for file in rule_files([str(folder)])[0]:
        text = file.read_bytes()
        found = lint([Written(str(file), 0, load(text, "")[0])])
        if not found.changes:
            continue
        made = mended(text, {number: changes for (_, number), changes in found.changes.items()})
        assert made != text, file
        copy = tmp_path / file.name
        copy.write_bytes(made)
        (after,) = read_rules([str(copy)], {}).rules
        before = read[str(file)]
        assert isinstance(after, Rule)
        assert (after.condition, after.logsource, after.ref.id) == (before.condition, before.logsource, before.ref.id)
        changed += 1
    assert changed >= 5
