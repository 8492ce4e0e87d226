"""Ids from outside in, names that links can lead to out: letters, digits and dashes, each once."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_OTHER: Final = re.compile(r"[^A-Za-z0-9]+")


def slugged(kind: str, ids: Iterable[str]) -> Mapping[str, str]:
    """By kind and id, the name; two ids that would have one name are told apart by a number."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for id_ in ids:
        name = first = f"{kind}-{_OTHER.sub('-', id_).strip('-').lower() or 'x'}"
        at = 1
        while name in taken:
            at += 1
            name = f"{first}-{at}"
        taken.add(name)
        found[f"{kind}-{id_}"] = name
    return found
