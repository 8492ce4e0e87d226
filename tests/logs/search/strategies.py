"""Random queries with events that they could hit: out of `cases()` come (tree, events), sharing one small alphabet.

Trees are made as the parser makes them: no list of one part, no negation right within a negation.
"""

from typing import Any

from hypothesis import strategies as st

from kyber.logs.search.query import And, Ask, Not, Or, Pattern, Range, Syntax, Text, Value
from kyber.logs.sigma.predicate import Wild

FIELDS = ("A", "b", "C.d", "c-e")
MISSPELLED = {"A": "a", "b": "B", "C.d": "c.D", "c-e": "C-E"}
LETTERS = ["a", "A", "b", "ab", "ä", "Ä", "ß", "\u212a", "k", "\u0130", "i", "σ", "ς", "1", "12"]
SIGNS = [" ", "\\", "\\\\", "*", "?", '"', "(", ")", ":", "/", "[", "]", "{", "}", "<", ">", "-", "\n", ".", "\u00a0"]
NUMBERS: list[Any] = [
    0,
    1,
    5,
    10,
    -3,
    0.5,
    2.0,
    1.5,
    2**63,
    "0",
    "1",
    "01",
    "+1",
    "1.0",
    "1e1",
    " 1",
    "10",
    "-3",
    "0.5",
]
ADDRESSES = ["10.1.2.3", "10.1.4.0", "192.168.1.1", "::1", "fe80::1", "FE80::1", "10.1.2", "localhost"]
NETWORKS = ["10.0.0.0/8", "10.1.2.0/23", "0.0.0.0/0", "fe80::/10", "10.1.2.3/32"]
TIMES: list[Any] = [
    "2024-02-29T23:07:59Z",
    "2024-03-01T00:30:00",
    "2024-03-01 12:00:00+02:00",
    "2024-03-02",
    1709251200,
]
TIMES += ["1709251200", "yesterday", "2024-13-01T00:00:00Z"]
BOUNDS = {
    "number": ["0", "1", "5", "-3", "0.5", "10"],
    "time": ["2024-03-01", "2024-02-29T23:07:59Z", "2024-03-01T12:00", "2024-03"],
    "address": ["10.1.2.3", "10.1.4.0"],
    "text": ["a", "Ab", "ß", "b c"],
}
PATTERNS = ["a", "^a", "b$", "a.b", "[ab]+", r"\d", "(a|b)1?", r"\\", "a/b"]

words = st.lists(
    st.one_of(st.sampled_from([*LETTERS, *SIGNS]), st.sampled_from(list(Wild))),
    min_size=1,
    max_size=4,
)


def tokens_of(parts: list[str | Wild]) -> tuple[str | Wild, ...]:
    """Neighbouring texts become one."""
    found: list[str | Wild] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str) and not isinstance(found[-1], Wild):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


def is_word(tokens: tuple[str | Wild, ...]) -> bool:
    """Whether it can be written without quotes: the words that are operators cannot."""
    return not (len(tokens) == 1 and str(tokens[0]).lower() in ("and", "or", "not"))


texts: st.SearchStrategy[Value] = st.one_of(
    words.map(tokens_of).filter(is_word).map(Text),
    st.lists(st.sampled_from([*LETTERS, *SIGNS]), max_size=3).map(
        lambda parts: Text(("".join(parts),) if "".join(parts) else (), quoted=True)
    ),
    st.sampled_from(["1", "5", "10", "-3", "01", "0.5"]).map(lambda one: Text((one,))),
)
patterns: st.SearchStrategy[Value] = st.builds(Pattern, st.sampled_from(PATTERNS), st.sampled_from(["", "i", "im"]))


@st.composite
def ranges(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(BOUNDS)) -> Value:
    bounds = BOUNDS[draw(st.sampled_from(kinds))]
    low, high = draw(st.one_of(st.none(), st.sampled_from(bounds))), draw(st.one_of(st.none(), st.sampled_from(bounds)))
    if low is None and high is None:
        low = bounds[0]
    return Range(low, high, low is None or draw(st.booleans()), high is None or draw(st.booleans()))


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    kind = draw(st.integers(0, 9))
    if kind < 3:
        return Ask("", draw(st.one_of(texts, texts, patterns)))
    if kind == 3:
        return Ask(
            draw(st.sampled_from(["time", "@timestamp"])),
            draw(st.one_of(ranges(("time",)), st.just(Text((Wild.ANY,))))),
        )
    field = draw(st.sampled_from([*FIELDS, *MISSPELLED.values(), "missing"]))
    networks = st.sampled_from(NETWORKS).map(lambda one: Text((one,)))
    return Ask(field, draw(st.one_of(texts, texts, patterns, ranges(), networks)))


def joined(inner: st.SearchStrategy[Syntax]) -> st.SearchStrategy[Syntax]:
    some = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(some.map(And), some.map(Or), inner.map(Not))


trees: st.SearchStrategy[Syntax] = st.recursive(asks(), joined, max_leaves=5)

values: st.SearchStrategy[Any] = st.one_of(
    st.lists(st.sampled_from([*LETTERS, *SIGNS]), max_size=3).map("".join),
    st.sampled_from([*NUMBERS, *ADDRESSES, *TIMES]),
    st.booleans(),
    st.none(),
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An event with some of the fields, under one spelling or two."""
    event: dict[str, Any] = {}
    for field in FIELDS:
        for name in draw(st.sampled_from([(), (field,), (field,), (MISSPELLED[field],), (field, MISSPELLED[field])])):
            event[name] = draw(st.one_of(values, values, st.lists(values, max_size=2)))
    if draw(st.booleans()):
        event["@timestamp"] = draw(st.sampled_from(TIMES))
    return event


cases = st.tuples(trees, st.lists(events(), min_size=1, max_size=8))

# Two fields and few values, asked again and again of what is left of many events.
letters = st.sampled_from(["a", "b", "c", "ab"])
few = st.recursive(
    st.builds(lambda field, word: Ask(field, Text((word,))), st.sampled_from(["", "A", "b"]), letters),
    joined,
    max_leaves=10,
)
alike = st.lists(st.builds(lambda one, two: {"A": one, "b": two}, letters, letters), min_size=4, max_size=16)
narrow_cases = st.tuples(few, alike)
