"""The heading of a rule, correlation or filter: documents of rule files in, what stands above their detection out.

A heading is read even where the rule itself cannot run, so that lists and choices leave no rule out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.written import Written

MATURITY: Final = ("unsupported", "deprecated", "experimental", "test", "stable")
"""Sigma's statuses, from the least to the most that a rule has been tried."""
_TECHNIQUE: Final = re.compile(r"(?:attack\.)?(t\d{4}(?:\.\d{3})?)")


class Kind(StrEnum):
    """What one document of a rule file is."""

    RULE = "rule"
    CORRELATION = "correlation"
    FILTER = "filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a document says of itself. `id` as kyber goes by it; `status` as Sigma has it, empty where it is not said.

    `logsource`: None where there is none. `rules`: what a correlation or filter names. `number`: the document's, in
    its file, from 0. What is not said is empty; the level and the family are then `medium` and `security`.
    """

    id: str
    name: str
    title: str
    kind: Kind
    level: Level
    family: Family
    file: str
    number: int
    status: str = ""
    tags: tuple[str, ...] = ()
    logsource: LogSource | None = None
    rules: tuple[str, ...] = ()
    author: str = ""
    license: str = ""
    description: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, language: str) -> str:
        """The title in a language, or as the rule has it."""
        return self.titles.get(language) or self.title


def heading(one: Written) -> Heading | None:
    """The heading of a document; None where it is no rule, correlation or filter with a title."""
    document = one.document
    kinds = {"detection": Kind.RULE, "correlation": Kind.CORRELATION, "filter": Kind.FILTER}
    kind = next((kind for key, kind in reversed(kinds.items()) if key in document), None)
    title = document.get("title")
    if kind is None or not isinstance(title, str) or not title.strip():
        return None
    own = _mapping(document.get("kyber"))
    return Heading(
        id=str(document.get("id") or uuid5(NAMESPACE_URL, f"kyber:{title}")),
        name=str(document.get("name") or ""),
        title=title.strip(),
        kind=kind,
        level=_level(document.get("level")),
        family=_family(own.get("family")),
        file=one.file,
        number=one.number,
        status=str(document.get("status") or "").strip().lower(),
        tags=_texts(document.get("tags")),
        logsource=one.logsource,
        rules=_texts(_mapping(document.get(str(kind))).get("rules")),
        author=" ".join(str(document.get("author") or "").split()),
        license=" ".join(str(document.get("license") or "").split()),
        description=" ".join(str(document.get("description") or "").split()),
        titles={name: text.strip() for name, text in _mapping(own.get("title")).items() if isinstance(text, str)},
    )


def headings(documents: Iterable[Written]) -> list[Heading]:
    """The headings of documents, in order."""
    return [found for one in documents if (found := heading(one)) is not None]


def techniques(tags: Iterable[str]) -> tuple[str, ...]:
    """The ATT&CK techniques among tags, each once, as T1110 or T1110.001."""
    found = (_TECHNIQUE.fullmatch(tag.strip().lower()) for tag in tags)
    return tuple(dict.fromkeys(one[1].upper() for one in found if one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rules are wanted; what is empty or None asks for nothing.

    `level` and `status` are the least. `technique` is a technique with those below it; `tag` a pattern with `*` and
    `?`. `words` must all stand in a rule's title, name, id, description or file. Case makes no difference.
    """

    families: tuple[Family, ...] = ()
    level: Level | None = None
    status: str | None = None
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def takes(self, one: Heading) -> bool:
        """Whether a rule is wanted. What has no logsource is judged without it: its rules have one."""
        return (
            (not self.families or one.family in self.families)
            and (self.level is None or one.level >= self.level)
            and (self.status is None or _rank(one.status) >= _rank(self.status))
            and (one.logsource is None or self.fits(one.logsource))
            and (not self.techniques or self._has_technique(one))
            and (not self.tags or self._has_tag(one))
            and self._has_words(one)
        )

    def fits(self, logsource: LogSource) -> bool:
        """Whether product, category and service are wanted."""
        asked = (
            (self.products, logsource.product),
            (self.categories, logsource.category),
            (self.services, logsource.service),
        )
        return all(not wanted or (value or "") in {text.lower() for text in wanted} for wanted, value in asked)

    def _has_technique(self, one: Heading) -> bool:
        named = techniques(one.tags)
        wanted = [text.upper() for text in self.techniques]
        return any(found == asked or found.startswith(f"{asked}.") for found in named for asked in wanted)

    def _has_tag(self, one: Heading) -> bool:
        tags = [tag.lower() for tag in one.tags]
        return any(fnmatchcase(tag, asked.lower()) for tag in tags for asked in self.tags)

    def _has_words(self, one: Heading) -> bool:
        texts = (one.title, *one.titles.values(), one.name, one.id, one.description, one.file)
        everything = "\n".join(texts).casefold()
        return all(word.casefold() in everything for word in self.words)


def _rank(status: str) -> int:
    """How far a status has come. One that is none of Sigma's, or not said, counts as experimental: nobody vouches."""
    return MATURITY.index(status if status in MATURITY else "experimental")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one).strip() for one in (value if isinstance(value, list) else [value]))


def _level(value: Any) -> Level:
    try:
        return Level.of(str(value).strip())
    except ValueError:
        return Level.MEDIUM


def _family(value: Any) -> Family:
    try:
        return Family(str(value))
    except ValueError:
        return Family.SECURITY
