"""Rules from elsewhere: what is chosen, what is written, and what is left alone."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.sigma.heading import Choice, headings
from kyber.logs.sigma.importing import (
    Chosen,
    Fate,
    Origin,
    RuleText,
    changes,
    choose,
    digest,
    record,
    recorded,
    with_family,
)
from kyber.logs.sigma.written import Written
from kyber.yamltext import load
from tests.data import unpacked

RULE = "title: {0}\nname: {0}\nlogsource: {{product: {1}}}\ndetection: {{}}\nlevel: {2}\n"
ABOVE = "title: {0}\nname: {0}\ncorrelation: {{rules: [{1}]}}\nlevel: high\n"


def tree(**files: str) -> list[RuleText]:
    return [
        RuleText(
            name,
            text.encode(),
            tuple(headings(Written(name, n, one) for n, one in enumerate(load(text.encode(), name)))),
        )
        for name, text in files.items()
    ]


def names(files: Chosen) -> set[str]:
    return {one.path for one in files.files}


# --- the text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"title: a\n", b"title: a\nkyber:\n  family: access\n"),
        (b"title: a", b"title: a\nkyber:\n  family: access\n"),
        (b"title: a\r\n", b"title: a\r\nkyber:\r\n  family: access\r\n"),
        (b"\xef\xbb\xbftitle: a\n", b"\xef\xbb\xbftitle: a\nkyber:\n  family: access\n"),
        (b"title: a\nkyber: {family: technical}\n", b"title: a\nkyber: {family: technical}\n"),
        (
            b"# c\n---\ntitle: a\n--- # x\ntitle: b\nkyber: {}\n...\n---\ntitle: c\n",
            b"# c\n---\ntitle: a\nKEY--- # x\ntitle: b\nkyber: {}\n...\n---\ntitle: c\nKEY",
        ),
        (b"description: |\n  ---\n  a\n", b"description: |\n  ---\n  a\nkyber:\n  family: access\n"),
    ],
)
def test_the_family_stands_below_each_document_and_nothing_else_changes(before: bytes, after: bytes) -> None:
    assert with_family(before, Family.ACCESS) == after.replace(b"KEY", b"kyber:\n  family: access\n")


@pytest.mark.parametrize(
    "text", [b"{title: a}\n", b"--- {title: a}\n", b"title: a: b\n", b"  title: a\n", b"a: |\n  b"]
)
def test_where_the_family_cannot_stand_below_it_the_file_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        with_family(text, Family.SECURITY)


@given(st.lists(st.text(alphabet="title: ab\n-#.|>'\"{}[]%&*!?~\t\r", max_size=40), max_size=4))
def test_whatever_a_file_holds_only_the_key_is_added_or_it_is_refused(parts: list[str]) -> None:
    text = "\n---\n".join(parts).encode()
    try:
        made = with_family(text, Family.TECHNICAL)
    except ValueError:
        return
    before, after = load(text, ""), load(made, "")
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert other == ({**one, "kyber": one.get("kyber", {"family": "technical"})} if isinstance(one, dict) else one)


def test_every_rule_of_sigmahq_can_be_copied() -> None:
    files = sorted(unpacked("sigma-rules.tar.gz").rglob("*.yml"))
    assert len(files) > 3_000
    for file in files[::10]:
        text = file.read_bytes()
        assert with_family(text, Family.SECURITY).startswith(text)


# --- the choice ------------------------------------------------------------------------------------------------------


def test_files_are_taken_that_hold_a_rule_which_fits() -> None:
    files = tree(a=RULE.format("a", "linux", "high"), b=RULE.format("b", "linux", "low"),
                 c=RULE.format("c", "windows", "high"))  # fmt: skip
    assert names(choose(files, Choice(products=("linux",), level=Level.HIGH), {})) == {"a"}


def test_a_correlation_brings_its_rules_along_if_all_of_them_fit_the_product() -> None:
    files = tree(
        low=RULE.format("low", "linux", "low"),
        other=RULE.format("other", "windows", "low"),
        above=ABOVE.format("above", "low"),
        chain=ABOVE.format("chain", "above"),
        mixed=ABOVE.format("mixed", "low, other"),
        lost=ABOVE.format("lost", "nowhere"),
    )
    found = choose(files, Choice(products=("linux",), level=Level.HIGH), {})
    assert names(found) == {"low", "above", "chain"}
    assert [one.path for one in found.lacking] == ["lost"]
    assert "lost" in names(choose(files, Choice(), {"nowhere": "rules/x.yml"}))


def test_what_is_here_already_and_what_comes_twice_is_left_out_and_told() -> None:
    same = RULE.format("a", "linux", "high")
    found = choose(tree(a=same, b=same, c=RULE.format("c", "linux", "high")), Choice(), {"c": "rules/c.yml"})
    assert names(found) == {"a", "c"}  # an id counts, a name does not
    assert [(file.path, where) for file, _, where in found.present] == [("b", "a")]


def test_filters_are_not_taken() -> None:
    text = "title: f\nlogsource: {product: linux}\nfilter: {rules: any}\n"
    found = choose(tree(f=text), Choice(), {})
    assert (names(found), [one.path for one in found.filters]) == (set(), ["f"])


# --- what is written -------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from([b"one", b"two", b"three"])
FILES = st.dictionaries(st.sampled_from(["a.yml", "b/c.yaml", "d.yml", "LICENSE"]), TEXTS)


@given(FILES, FILES, FILES)
def test_nothing_that_was_altered_by_hand_is_ever_written_over(
    wanted: Mapping[str, bytes], there: Mapping[str, bytes], before: Mapping[str, bytes]
) -> None:
    found = changes(wanted, there, {path: digest(text) for path, text in before.items()})
    assert found.fates.keys() == wanted.keys()
    for path, text in found.write.items():
        assert text == wanted[path]
        assert path not in there or there[path] == before[path] != text
    after = {**there, **found.write}
    again = changes(wanted, after, found.hashes)
    assert again.write == {}
    assert set(again.of(Fate.ALTERED)) == set(found.of(Fate.ALTERED))
    assert set(again.of(Fate.REMOVED)) == set(found.of(Fate.REMOVED))
    assert set(found.others) == {path for path in before if path in there and path not in wanted} - {"LICENSE"}


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\f", "\v", "\x1c", "\r"])
def test_only_a_line_feed_ends_a_line_of_a_record(end: str) -> None:
    one, two = f"{digest(b'a')}  a.yml", f"{digest(b'b')}  b.yml"
    assert recorded(f"{one}{end}{two}\n".encode()) == {}
    assert recorded(f"{one}\r\n{two}\r\n".encode()).keys() == {"a.yml", "b.yml"}


@pytest.mark.parametrize("path", ["../a.yml", "a/../../b.yml", "/etc/a.yml", "..\\a.yml", "a\x1b.yml"])
def test_a_record_names_no_file_elsewhere(path: str) -> None:
    assert recorded(f"{digest(b'')}  {path}\n".encode()) == {}


def test_a_record_reads_as_it_was_written() -> None:
    hashes = {"rules/å b.yml": digest(b"x"), "LICENSE": digest(b"y")}
    text = record(Origin(folder="some\nwhere", commit="abc", day="2026-11-22", choice="--level high"), hashes)
    assert recorded(text) == hashes
    assert b"# from: some where\n# commit: abc\n# date: 2026-11-22\n# chosen by: --level high\n" in text
    assert recorded(b"not a record\n\xff") == {}
