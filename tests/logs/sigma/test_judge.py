"""Values judged against many predicates at once: the answers are those of each predicate asked alone."""

from hypothesis import example, given
from hypothesis import strategies as st

from kyber.logs.sigma.judge import FieldMatcher
from kyber.logs.sigma.predicate import ANY, Glob, Predicate, Regex
from kyber.logs.values import Value

PREDICATES: dict[int, Predicate] = dict(
    enumerate(
        (
            Regex(r"\bcopy\s.*\sto\s+program\b", "i"),
            Regex(r"(statement: |execute ).*drop\b"),
            Regex(r"(?:kick|token)s?$", "i"),
            Regex(r"a.c"),
            Regex(r"^\s*x{3,}"),
            Regex(r"(?=drop)d", "i"),
            Regex(r"kick\b"),
            Glob((ANY, "kick", ANY)),
            Glob(("drop", ANY)),
        )
    )
)
WORDS = (
    "copy|COPY | to program| to  PROGRAM|statement: |execute |drop|DROP |KICK|kick|tokens|abc|xxx|\n"
    "|\u212aic\u212a|to\u017fken"
)
TEXTS = st.lists(st.sampled_from(WORDS.split("|")) | st.text(max_size=3), max_size=6).map("".join)


@given(st.lists(TEXTS | st.integers(0, 9) | st.none() | st.lists(TEXTS, max_size=3).map(tuple), max_size=5))
@example(["COPY x to program y", ("tokens", "statement: drop"), "\u212aic\u212a"])
def test_values_are_judged_as_each_predicate_alone_would(values: list[Value]) -> None:
    matcher = FieldMatcher(PREDICATES)
    assert matcher.needing, "some patterns are asked only where a text stands that they need"
    for value in values:
        alone = tuple(number for number, one in PREDICATES.items() if one.holds(value))  # type: ignore[union-attr]
        assert matcher.judge(value) == alone
