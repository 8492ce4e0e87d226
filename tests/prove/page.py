"""Proof: what one proof found, as a page of Markdown and as counts that a test can read."""

import platform
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("evtx", "orjson", "numpy", "ahocorasick_rs", "google-re2", "regex", "zstandard", "PyYAML", "hypothesis")
"""The packages that a proof's answer rests on, besides kyber."""
SHOWN = 50
"""Cases against a claim that a page lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One proof's outcome: `claim` is the sentence that was tried, `wrong` what speaks against it (nothing: it holds),
    `counts` what was gone through, `parts` further Markdown (a paragraph, a table or a heading each), `data` the files
    of the outside data that were read."""

    title: str
    claim: str
    counts: Mapping[str, int]
    wrong: Sequence[str] = ()
    parts: Sequence[str] = ()
    data: Sequence[str] = ()

    def page(self, *, command: str, day: date, seconds: float, data: Mapping[str, str]) -> str:
        """The page as it is kept. `data`: a file of the outside data -> how its SHA-256 begins."""
        made = [
            ("command", f"`{command}`"),
            ("date", day.isoformat()),
            ("time taken", f"{seconds:.0f} s"),
            ("kyber", own_version()),
            ("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"),
            ("packages", ", ".join(f"{name} {version(name)}" for name in PACKAGES)),
            *((f"{name}, SHA-256", f"{digest}…") for name, digest in data.items()),
        ]
        paragraphs = [
            f"# {self.title}",
            self.claim,
            f"**It does not hold: {len(self.wrong)} against it.**" if self.wrong else "**It holds.**",
            *([bullets(self.wrong[:SHOWN])] if self.wrong else []),
            table(("what", "count"), [(name, f"{count:,}") for name, count in self.counts.items()]),
            *self.parts,
            "## How this page was made",
            table(("what", "which"), made),
        ]
        return "\n\n".join(paragraphs) + "\n"


def own_version() -> str:
    """The version of kyber that stands in pyproject.toml."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; bars and line breaks in its cells are made harmless."""
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def bullets(lines: Iterable[object]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
