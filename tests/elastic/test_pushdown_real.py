"""A real Elasticsearch finds exactly the documents that the slow evaluator says, whatever is asked and they hold.

So what `tests/logs/test_pushdown.py` shows of that evaluator is so of Elasticsearch, and it takes every query.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.pushdown import superset, superset_of_rules
from kyber.logs.schema import table
from kyber.logs.search.meaning import read
from kyber.logs.sigma.rule import read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.store import Period, narrow
from kyber.logs.store.narrow import ANY, ONE, Either, Has, Narrow, Numeral, Piece, Query, Term, cost, query
from kyber.logs.store.templates import mappings
from tests.data import outside, unpacked
from tests.elastic.server import Server
from tests.logs.store.slow_query import documents_of, meaning
from tests.logs.store.test_narrow import narrows
from tests.logs.test_pushdown import CLOCK, read_batches

HOSTILE: tuple[Any, ...] = (
    "",
    " ",
    "*",
    "?",
    "\\",
    "\\\\",
    "\\*",
    "a*b",
    "a?b",
    "ab",
    "aXb",
    "aXXb",
    'C:\\Windows\\System32\\cmd.exe /c "x"',
    "a\nb",
    "a\0b",
    "a=b",
    "=",
    "\U0001f600",
    "a\U0001f600b",
    "\ud800",
    "a\u0301",
    "\u00e1",
    "ß",
    "ss",
    "\u212a",
    "k",
    "İ",
    "i",
    "ı",
    "ΑΣ",
    "ας",
    "ασ",
    ".*",
    "[a-z]+",
    "(a|b)",
    '"#@&<>~^$-',
    "{1,2}",
    "x" * 1_000,
    "x" * 1_022,
    "x" * 1_023,
    "x" * 40_000,
    "ä" * 511,
    "ä" * 512,
    5,
    -5,
    5.0,
    0.5,
    1e22,
    True,
    None,
    "+5",
    "05",
    "5.0",
    "50e-1",
    "5e",
    "٥",
    ["a", None, "b*"],
    [],
    [1, True, "x" * 2_000],
)
"""Values that some layer might read as something else."""
NAMES = ("a", "b", "c=d", "ß", "x" * 600, "A.b", ".a", "c.a", "b.c.a", "c.", "with space", '"(.*', "*")

PIECES: tuple[tuple[Piece, ...], ...] = (
    (),
    (ANY,),
    (ONE,),
    (ONE, ANY),
    ("a", ONE, "b"),
    ("a", ANY, "b"),
    (ANY, "b"),
    (ANY, "x", ANY),
    (ANY, "\\", ANY, ".exe", ANY),
    ("a", ONE, ONE, ANY),
    (ANY, "a", ONE, "b"),
    (ANY, '"', ANY),
    (ANY, "(", ANY),
    (ANY, ".*"),
    (ANY, "=", ANY),
    ("=",),
    (ONE, "=", ONE),
    (ANY, "\U0001f600", ANY),
    (ANY, "\ud800", ANY),
    ("a\n", ANY),
    (ANY, "\0", ANY),
    (ANY, "ασ"),
    ("x" * 100, ANY),
    (ANY, "x" * 200, ANY),
    (ANY, "x" * 500),
    ("ä" * 511,),
    ("ä" * 512,),
    *((text,) for text in HOSTILE if isinstance(text, str)),
)


class Filled:
    """An index with documents, and what they are."""

    def __init__(self, server: Server, index: str, documents: list[dict[str, Any]]) -> None:
        self.client, self.index, self.documents = server.client(), index, documents
        self.client.indices.create(index=index, mappings=mappings(), settings={"number_of_replicas": 0})
        for start in range(0, len(documents), 1_000):
            operations: list[Mapping[str, Any]] = []
            for number, document in enumerate(documents[start : start + 1_000], start):
                operations += [{"index": {"_id": str(number)}}, document]
            answer = self.client.bulk(index=index, operations=operations)
            assert not answer["errors"], [one for one in answer["items"] if one["index"]["status"] >= 300][:1]
        self.client.indices.refresh(index=index)

    def found(self, asked: Query) -> set[int]:
        """The documents that a query finds."""
        hits = self.client.search(index=self.index, query=asked, size=10_000, source=False)["hits"]["hits"]
        return {int(one["_id"]) for one in hits}

    def wanted(self, asked: Query) -> set[int]:
        """Those that it should find."""
        holds = meaning(asked)
        return {number for number, one in enumerate(self.documents) if holds(one)}

    def close(self) -> None:
        self.client.indices.delete(index=self.index)
        self.client.close()


def filled(server: Server, index: str, documents: list[dict[str, Any]]) -> Iterator[Filled]:
    made = Filled(server, index, documents)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def hostile(elasticsearch: Server) -> Iterator[Filled]:
    """Events with every hostile value, under one name after the other, and some with none or all of them."""
    events: list[dict[str, Any]] = [
        {NAMES[number % len(NAMES)]: value, NAMES[(number + 1) % len(NAMES)]: "z"}
        for number, value in enumerate(HOSTILE)
    ]
    events += [{"a": value} for value in HOSTILE]
    events += [{"a": [one for one in HOSTILE if not isinstance(one, list)]}]
    numbers = list(range(len(events)))
    parsed = Parsed(events=events, raw=[b""] * len(events), numbers=numbers, offsets=numbers)
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource("t"), table("json"))
    yield from filled(elasticsearch, "kyber-hd-hostile", documents_of(batch))


@pytest.mark.parametrize("columns", [("a",), ("a", "b", "c=d"), tuple(NAMES), ()])
def test_every_pattern_finds_what_it_says_among_hostile_values(hostile: Filled, columns: tuple[str, ...]) -> None:
    for pattern in PIECES:
        asked = query(Term(columns, pattern))
        assert hostile.found(asked) == hostile.wanted(asked), pattern


@pytest.mark.parametrize("columns", [("a",), tuple(NAMES), ("y" * 990,)])
def test_numbers_and_presence_are_found_as_they_say(hostile: Filled, columns: tuple[str, ...]) -> None:
    for asked in (query(Numeral(columns)), query(Has(columns))):
        assert hostile.found(asked) == hostile.wanted(asked)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=narrows)
def test_whatever_is_asked_is_found_as_the_slow_evaluator_finds_it(hostile: Filled, asked: Narrow) -> None:
    made = query(asked)
    assert hostile.found(made) == hostile.wanted(made)


def test_periods_sources_and_days_are_asked_for(hostile: Filled) -> None:
    every = set(range(len(hostile.documents)))
    assert hostile.found(query(None)) == every
    assert hostile.found(query(None, sources=["s"], days=["2024-03-01"])) == every
    assert hostile.found(query(None, sources=[])) == set()
    assert hostile.found(query(None, days=["undated"])) == set()
    assert hostile.found(query(None, Period(0, None))) == set()


def letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(4))


@pytest.mark.parametrize(
    "asked",
    [
        Either(tuple(Term(("a",), (ANY, letters(one), ANY)) for one in range(narrow.MAX_CLAUSES - 1))),
        Either(tuple(Term(("a", "b"), (ANY, letters(one), ANY)) for one in range(narrow.MAX_CLAUSES - 1))),
        Either(tuple(Term((), (ANY, letters(one), ANY)) for one in range(narrow.MAX_COSTLY * 20))),
        Either(tuple(Term((), (ANY, letters(one), ANY, "x")) for one in range(narrow.MAX_COSTLY))),
        Either(tuple(Term(("a",), (ANY, letters(one), ANY, "x")) for one in range(narrow.MAX_CLAUSES - 1))),
        Either(tuple(Term(("a",), (letters(one), ONE)) for one in range(narrow.MAX_CLAUSES - 1))),
        Either(tuple(Term(("a",), (ANY, "a" * one, ANY)) for one in range(1, 97))),
        Either(tuple(Term(("a", "b"), (letters(one * 7_919) * 6, ANY)) for one in range(100))),
        Either(tuple(Term(("a", "b"), (ANY, letters(one * 7_919) * 6)) for one in range(100))),
        Either(tuple(Term(("a",), (letters(one),)) for one in range(20 * narrow.MAX_TOGETHER // 10))),
        Term(("a",), (ANY, "a" * 500, ANY)),
        Term((), (ANY, "a" * 500, ANY)),
        Term(tuple(letters(one) for one in range(500)), (ANY, "a" * 500, ANY, "b")),
        Term(("a",), tuple(piece for one in range(100) for piece in (ANY, "ab" * 8))),
        Term((), tuple(piece for one in range(100) for piece in (ANY, letters(one * 7_919) * 4))),
        Term(("a", "b"), tuple(piece for one in range(100) for piece in (ANY, letters(one * 7_919) * 4))),
        Term(("a",), (ANY, *([ONE] * 500), "a")),
        Term(("a",), (*([ONE] * 1_000), ANY, "a")),
        Term(("a", "\U0001f600" * 120), (ANY, "\U0001f600" * 100, ANY, "\U0001f600" * 30)),
        Term(tuple("\U0001f600" * one for one in range(1, 100)), (ANY, "a")),
        Term(tuple("(" * one for one in range(1, 100)), (ANY, "a")),
    ],
)
def test_the_largest_queries_are_taken(hostile: Filled, asked: Narrow) -> None:
    assert cost(asked).fits
    made = query(asked)
    assert made != query(None)
    assert hostile.found(made) == hostile.wanted(made)


def test_parts_as_deep_as_they_may_be_are_taken(hostile: Filled) -> None:
    asked: Narrow = Has(("a",))
    deepest = asked
    while cost(asked).fits:
        deepest = asked
        asked = narrow.All((Either((narrow.All((asked, Has(("a",)))), Has(("q",)))), Has(("a",))))
    assert cost(deepest).depth > 8
    assert hostile.found(query(deepest)) == hostile.wanted(query(deepest))


def test_rules_and_searches_hold_of_real_logs_what_the_slow_evaluator_says(
    elasticsearch: Server, namespace: str
) -> None:
    folder = unpacked("sigma-rules.tar.gz")
    paths = [outside("linux/Linux_2k.log"), outside("linux/OpenSSH_2k.log"), outside("windows-events.jsonl.zst")]
    documents = [one for path in paths for batch in read_batches(path, 500) for one in documents_of(batch)[:500:3]]
    every = read_rules([str(shipped_rules()), str(folder / "rules" / "linux")], {})
    windows = read_rules([str(folder / "rules" / "windows" / "builtin")], {})
    asked = [superset_of_rules(one, silence=False) for one in (every, windows)]
    asked += [superset(read(text, CLOCK)) for text in ("EventID:4688", "root", "user.name:root OR sshd", "*failed*")]
    for real in filled(elasticsearch, f"kyber-{namespace}-real", documents):
        for one in asked:
            made = query(one)
            assert real.found(made) == real.wanted(made)
