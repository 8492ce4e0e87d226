"""A long value in, the part of it that a person needs to see out; texts of rules on one line."""

import re
from dataclasses import replace
from typing import Final

from kyber.finding import Finding

VALUE_SHOWN: Final = 2_000
"""Characters of a value that even a reader who asks for all sees; JSON lines hold the whole."""

_LITERAL: Final = re.compile(r"[\w .:/\\-]{3,}")


def excerpt(value: str, width: int, around: str = "") -> str:
    """At most `width` characters of the value, with … where it was cut: the part that holds a literal piece of the
    pattern `around` if there is one, otherwise the start."""
    if len(value) <= width:
        return value
    pieces = sorted(_LITERAL.findall(around), key=len, reverse=True)
    at = next((at for piece in pieces if (at := value.lower().find(piece.strip().lower())) >= 0), 0)
    start = max(0, min(at - width // 4, len(value) - width))
    return ("…" if start else "") + value[start : start + width].strip() + ("…" if start + width < len(value) else "")


def folded(finding: Finding) -> Finding:
    """The finding with its rule's texts on one line each.

    Rule authors break the lines of a description; there they are spaces, elsewhere a line break is suspicious.
    """
    return replace(
        finding,
        description=" ".join(finding.description.split()),
        false_positives=tuple(" ".join(text.split()) for text in finding.false_positives),
        next={language: " ".join(text.split()) for language, text in finding.next.items()},
    )
