"""JSON Schema, as far as kyber's schemas use it: a schema and a value in, where and why the value is not valid out.

A keyword that is not known here is an error, so that no schema holds for want of being read. Source: JSON Schema
2020-12, Core and Validation.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
TOLD = frozenset(("$schema", "$defs", "title", "description", "then"))
"""What asks for nothing by itself."""


def wrong(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any] | None = None, at: str = "") -> Iterator[str]:
    """Each way in which a value is not valid, as `path: keyword`."""
    root = schema if root is None else root
    for keyword, asked in schema.items():
        if keyword not in TOLD:
            yield from _asked(keyword, asked, schema, value, root, at)


def _asked(
    keyword: str, asked: Any, schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], at: str
) -> Iterator[str]:
    def fits(inner: Any, held: Any = value) -> bool:
        return next(wrong(inner, held, root), None) is None

    no = f"{at or '.'}: {keyword}"
    known = schema.get("properties", {})
    match keyword:
        case "$ref":
            yield from wrong(root["$defs"][asked.removeprefix("#/$defs/")], value, root, at)
        case "type":
            kinds = [asked] if isinstance(asked, str) else asked
            if not any(_is(kind, value) for kind in kinds):
                yield no
        case "enum":
            if value not in asked:
                yield no
        case "const":
            if value != asked:
                yield no
        case "allOf":
            for inner in asked:
                yield from wrong(inner, value, root, at)
        case "anyOf":
            if not any(map(fits, asked)):
                yield no
        case "oneOf":
            if sum(map(fits, asked)) != 1:
                yield no
        case "if":
            if fits(asked):
                yield from wrong(schema["then"], value, root, at)
        case "pattern":
            if isinstance(value, str) and not re.search(asked, value):
                yield no
        case "maxLength":
            if isinstance(value, str) and len(value) > asked:
                yield no
        case "minimum" | "maximum":
            if _is("number", value) and (value < asked if keyword == "minimum" else value > asked):
                yield no
        case "minItems" | "maxItems":
            if isinstance(value, list) and (len(value) < asked if keyword == "minItems" else len(value) > asked):
                yield no
        case "minProperties":
            if isinstance(value, dict) and len(value) < asked:
                yield no
        case "required":
            if isinstance(value, dict):
                yield from (f"{at}.{name}: required" for name in asked if name not in value)
        case "items":
            for index, one in enumerate(value if isinstance(value, list) else ()):
                yield from wrong(asked, one, root, f"{at}[{index}]")
        case "properties":
            for name, inner in asked.items() if isinstance(value, dict) else ():
                if name in value:
                    yield from wrong(inner, value[name], root, f"{at}.{name}")
        case "propertyNames":
            yield from (f"{at}.{name}: {keyword}" for name in (value if isinstance(value, dict) else ())
                        if not fits(asked, name))  # fmt: skip
        case "additionalProperties":
            for name in value if isinstance(value, dict) else ():
                if name in known:
                    continue
                if asked is False:
                    yield f"{at}.{name}: {keyword}"
                else:
                    yield from wrong(asked, value[name], root, f"{at}.{name}")
        case _:
            raise NotImplementedError(keyword)


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
