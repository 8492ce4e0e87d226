"""Elasticsearch's query DSL, as far as `narrow.query` uses it, evaluated slowly and obviously over one document.

A document is what the store writes of an event (`kyber.logs.store.document`), as JSON. Nothing is analysed: every field
that is asked about is a keyword or a number. Patterns that Elasticsearch would refuse are refused here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson

from kyber.logs.batch import EventBatch
from kyber.logs.store.document import Sending, documents

SENDING = Sending(day="2024-03-01", collected=0, ingested=0, namespace="test")


def documents_of(batch: EventBatch) -> list[dict[str, Any]]:
    """The rows of a batch as documents."""
    return [orjson.loads(one.body) for one in documents(batch, np.arange(batch.rows), SENDING)]


def holds(query: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a document is one that the query finds."""
    return meaning(query)(document)


def meaning(query: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    """The same in two steps, for many documents."""
    ((kind, body),) = query.items()
    match kind:
        case "match_all":
            return lambda _: True
        case "match_none":
            return lambda _: False
        case "bool":
            assert set(body) <= {"filter", "should", "minimum_should_match"}, body
            assert ("should" in body) == ("minimum_should_match" in body)
            every = [meaning(one) for one in body.get("filter", [])]
            some = [meaning(one) for one in body["should"]] if "should" in body else [lambda _: True]
            return lambda document: any(one(document) for one in some) and all(one(document) for one in every)
        case "exists":
            return lambda document: bool(values(document, body["field"]))
    ((field, asked),) = body.items()
    test = of_value(kind, asked)
    return lambda document: any(map(test, values(document, field)))


def of_value(kind: str, asked: Any) -> Callable[[Any], bool]:
    """What a clause asks of one value."""
    match kind:
        case "terms":
            assert len(asked) <= 65_536
            return frozenset(asked).__contains__
        case "range":
            return lambda one: asked.get("gte", one) <= one and ("lt" not in asked or one < asked["lt"])
        case "prefix":
            return lambda one: bool(one.startswith(asked["value"]))
        case "wildcard":
            pattern = re.compile(wildcard(asked["value"]), re.DOTALL)
        case "regexp":
            assert asked["flags"] == "NONE"
            assert len(asked["value"].encode("utf-16-le")) <= 2_000
            pattern = re.compile(asked["value"], re.DOTALL)
        case _:
            raise AssertionError(kind)
    return lambda one: pattern.fullmatch(one) is not None


def values(document: Mapping[str, Any], field: str) -> list[Any]:
    """What a document has under a name with dots."""
    found: Any = document
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def wildcard(pattern: str) -> str:
    """A pattern of `wildcard` as a regular expression of Python."""
    made, signs = "", iter(pattern)
    for sign in signs:
        if sign == "\\":
            made += re.escape(next(signs))
        else:
            made += {"*": ".*", "?": "."}.get(sign, re.escape(sign))
    return made
