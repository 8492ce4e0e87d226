from hypothesis import given
from hypothesis import strategies as st

from kyber.document import Column, Table, row
from kyber.render.fitting import fitted, rooms


def table(*rows: tuple[str, ...], heads: tuple[str, ...] = ("A", "B", "C")) -> Table:
    return Table(title="t", columns=tuple(map(Column, heads)), rows=tuple(row(*cells) for cells in rows))


def test_what_is_short_stays_on_one_line_and_what_is_long_gets_the_rest() -> None:
    long = "a risk that is told in very many words so that it needs several lines"
    name, owner, day = rooms(table((long * 2, "Owner", "2027-01-31"), (long, "–", "no day")), 80)
    assert owner.letters >= len("Owner")
    assert day.letters >= len("2027-01-31")
    assert name.letters > owner.letters + day.letters
    assert name.whole


def test_a_column_has_room_for_its_words_before_another_gets_more() -> None:
    words = rooms(table(("x " * 300, "identity-provider", "y " * 300)), 60)
    assert words[1].letters >= len("provider")


def test_a_word_that_does_not_fit_is_broken_after_its_signs_and_a_very_long_one_anywhere() -> None:
    assert fitted("continuity/services/a.yaml:10", 12) == "continuity/\u200bservices/\u200ba.\u200byaml:10"
    assert fitted("a short-one", 12) == "a short-one"
    assert fitted("2027-01-31", 4) == "2027-01-31"
    assert fitted("x" * 35, 50) == "\u200b".join(["x" * 10] * 3 + ["x" * 5])


@given(st.lists(st.tuples(*[st.text(max_size=60)] * 3), max_size=5), st.integers(1, 200))
def test_columns_never_take_more_than_there_is_or_nothing_at_all(rows: list[tuple[str, ...]], letters: int) -> None:
    found = [one.letters for one in rooms(table(*rows), letters)]
    assert min(found) >= 1
    assert sum(found) <= max(letters, 3)


def test_a_column_whose_words_do_not_fit_is_hyphenated() -> None:
    narrow = rooms(table(("a text of hyppypalvelimelle and more words", "y " * 300, "z " * 300)), 50)[0]
    assert narrow.whole == (narrow.letters > len("hyppypalvelimelle"))
