import difflib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.amend import AmendError, amend, next_id, slug
from kyber.register import ABSENT, read, text_of
from kyber.risks.risk import Risk
from tests.risks.county import RISK

WORDS = (
    st.text(st.sampled_from("abcåäö ÅÖ,.'\"-#:&%{}[]!?*0123456789"), min_size=1, max_size=40)
    .map(str.strip)
    .filter(bool)
)
DAYS = st.dates(date(2020, 1, 1), date(2026, 10, 1))
DIMENSIONS = st.sampled_from(("privacy", "safety", "economy"))
CLASSES = st.integers(1, 5)
ESTIMATES = st.fixed_dictionaries(
    {"likelihood": CLASSES, "impact": st.dictionaries(DIMENSIONS, CLASSES, min_size=1)},
    optional={"rationale": WORDS, "assessed_on": DAYS, "assessed_by": WORDS},
)  # fmt: skip
RISKS = st.fixed_dictionaries(
    {
        "id": st.just("R-001"),
        "title": WORDS,
        "status": st.sampled_from(("open", "treating", "monitored")),
        "identified_in": st.sampled_from(("interview", "audit")),
        "statement": st.fixed_dictionaries({"cause": WORDS, "event": WORDS, "consequence": WORDS}),
        "category": WORDS,
        "owner": st.just("keeper"),
        "current": ESTIMATES,
    },
    optional={
        "target": ESTIMATES,
        "controls": st.lists(st.sampled_from(("C-001", "C-002", "C-003")), min_size=1, unique=True),
        "notes": WORDS,
        "vulnerabilities": st.lists(WORDS, min_size=1, max_size=3),
    },
)
EDITS: dict[str, Any] = {
    "title": (("title",), WORDS),
    "cause": (("statement", "cause"), WORDS),
    "likelihood": (("current", "likelihood"), CLASSES),
    "rationale": (("current", "rationale"), WORDS),
    "status": (("status",), st.sampled_from(("open", "monitored"))),
    "a new day": (("review", "last"), DAYS),
    "a new list": (("threats",), st.lists(WORDS, min_size=1, max_size=3)),
}


def lines_of(old: str, new: str) -> Iterator[str]:
    for line in difflib.ndiff(old.splitlines(), new.splitlines()):
        if line[:2] in ("+ ", "- "):
            yield line


@settings(max_examples=30)  # each of them reads and writes YAML five times
@given(document=RISKS, what=st.sampled_from(sorted(EDITS)), data=st.data())
def test_an_edit_changes_only_the_lines_of_its_field(document: dict[str, Any], what: str, data: st.DataObject) -> None:
    path, values = EDITS[what]
    value = data.draw(values)
    old = "# A comment above.\n" + text_of(document).replace("owner: keeper", "owner: keeper   # beside")
    before, _ = read(old.encode(), "R-001.yaml", Risk)
    assert before is not None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "R-001.yaml"
        file.write_text(old, encoding="utf-8")
        made = amend(file, Risk, [(path, value)])
    after, _ = read(made.text.encode(), "R-001.yaml", Risk)
    assert after is not None
    found: Any = after
    for step in path:
        found = getattr(found, step)
    assert found == (tuple(value) if isinstance(value, list) else value)
    keys = {*path, path[0]}
    for line in lines_of(old, made.text):
        named = line[2:].strip().partition(":")[0]
        assert named in keys or (isinstance(value, list) and named.startswith("- ")), line
    assert after.model_dump(exclude={path[0]}) == before.model_dump(exclude={path[0]})


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("owner",), "chief", "owner: chief"),
        (("controls", 1), "C-002", "controls: [C-001, C-002]"),
        (("review", "interval"), "3 months", "review: {interval: 3 months, last: 2026-10-01, reviewer: keeper}"),
        (("closed", "why"), ABSENT, ""),
    ],
)
def test_a_file_of_ones_own_layout_keeps_it(
    tmp_path: Path, path: tuple[str | int, ...], value: object, line: str
) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_text(RISK + "closed:\n  on: 2026-11-01\n  why: It is gone   # said so\nnotes: N\n")
    if value is ABSENT:
        with pytest.raises(AmendError):  # a record that is closed says why
            amend(file, Risk, [(path, value)])
        return
    made = amend(file, Risk, [(path, value)])
    assert [one[2:] for one in lines_of(file.read_text(), made.text) if one[0] == "+"] == [line]


def test_line_ends_and_a_missing_last_one_are_kept_or_made(tmp_path: Path) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_bytes(RISK.replace("\n", "\r\n").encode())
    made = amend(file, Risk, [(("title",), "Other")]).text
    assert made == file.read_bytes().decode().replace("A stolen account opens records", "Other")
    file.write_text(RISK.rstrip("\n"))
    assert amend(file, Risk, [(("title",), "Other")]).text == RISK.replace("A stolen account opens records", "Other")


def test_what_the_writer_cannot_read_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_text(RISK.replace("owner: keeper", "owner: keeper\t# tab"))
    with pytest.raises(AmendError, match=r"R-001\.yaml: the file cannot be edited"):
        amend(file, Risk, [(("title",), "Other")])


def test_what_is_taken_out_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_text(RISK)
    made = amend(file, Risk, [(("actions",), ABSENT)])
    assert list(lines_of(RISK, made.text)) == ["- actions: [A-001]"]


def test_a_text_of_several_lines_stands_as_a_block_and_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_text(RISK)
    text = "One line.\nAnother: with a colon\n\n- and a dash"
    made = amend(file, Risk, [(("notes",), text)])
    assert "notes: |-\n  One line.\n  Another: with a colon\n\n  - and a dash\n" in made.text
    found, _ = read(made.text.encode(), "R-001.yaml", Risk)
    assert found is not None
    assert found.notes == text


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("status",), "sleeping", "outside its scale"),
        (("current", "likelihood"), "many", "the field current.likelihood"),
        (("notes",), "The patient 131052-308T", "personal identity code"),
    ],
)
def test_what_would_not_be_a_record_is_refused(tmp_path: Path, path: tuple[str, ...], value: object, told: str) -> None:
    file = tmp_path / "R-001.yaml"
    file.write_text(RISK)
    with pytest.raises(AmendError, match=told):
        amend(file, Risk, [(path, value)])


def test_ids_go_on_from_the_highest_and_the_names_of_files_are_plain() -> None:
    assert next_id("R", []) == "R-001"
    assert next_id("R", ["R-002", "R-010", "C-099", "R-x", "Q-1"]) == "R-011"
    assert next_id("R", ["R-999"]) == "R-1000"
    assert slug("Etäyhteys: «toimittaja» & ÅÄÖ!") == "etayhteys-toimittaja-aao"
    assert "131052" not in slug("The patient 131052-308T")
