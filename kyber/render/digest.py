"""A Digest in, what its reader sees out: a subject, plain text, a page for mail, a JSON record. Short in each of them.

Personal identity codes are masked always: mail travels, and nobody records who reads it. Every text is made plain.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from kyber.digest import Digest, Silence, Unread
from kyber.finding import Finding
from kyber.level import Level
from kyber.privacy import mask
from kyber.render.excerpt import excerpt
from kyber.render.html import environment
from kyber.render.safe import json_line, plain
from kyber.render.summary import LEVELS, by_rule
from kyber.render.times import iso, moment, span
from kyber.text import Words

FOLDER: Final = Path(__file__).parent
RULES_SHOWN: Final = 10
FINDINGS_SHOWN: Final = 3
UNREAD_SHOWN: Final = 20
"""How many of each a digest shows: rules a level, findings a rule, things unread. It says how many more there are."""
TEXT_SHOWN: Final = 200
"""Characters of a title or a name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: host, user and address, how many events, when, and the id that `kyber findings show` takes."""

    where: str
    events: str
    when: str
    id: str


@dataclass(frozen=True, slots=True)
class Group:
    """One rule's findings, and how many more there are than are shown."""

    title: str
    lines: tuple[Line, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Grade:
    """One level's findings, and how many more rules there are than are shown."""

    level: Level
    count: int
    groups: tuple[Group, ...]
    more: int


def subject(digest: Digest, words: Words) -> str:
    """What it comes to, in one line."""
    counts = [
        (words.many("digest.count.new", len(digest.new)) + _levels(digest.new, words)) if digest.new else "",
        words.many("digest.count.open", len(digest.open)) if digest.open else "",
        words.many("digest.count.silent", len(digest.silent)) if digest.silent else "",
        words.many("digest.count.unread", len(digest.unread)) if digest.unread else "",
    ]
    return f"kyber: {', '.join(filter(None, counts)) or words('digest.nothing')} – {_text(digest.organisation)}"


def text(digest: Digest, words: Words) -> str:
    """The digest as lines, each with its end."""
    return "".join(f"{one}\n" for one in _text_lines(digest, words))


def html(digest: Digest, words: Words) -> str:
    """The digest as one page that loads nothing and runs nothing."""
    style = (FOLDER / "digest.css").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("digest.html.j2")
        .render(
            words=words,
            style=style,
            policy=f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'",
            subject=subject(digest, words),
            organisation=_text(digest.organisation),
            owners=_owners(digest),
            period=_period(digest, words),
            parts=[(name, grades(findings, words)) for name, findings in (("new", digest.new), ("open", digest.open))],
            counts={"new": len(digest.new), "open": len(digest.open)},
            silent=[_silence(one, words) for one in digest.silent],
            unread=[_unread(one, words) for one in digest.unread[:UNREAD_SHOWN]],
            more_unread=max(0, len(digest.unread) - UNREAD_SHOWN),
            quiet=_is_quiet(digest),
        )
    )


def json(digest: Digest, words: Words) -> str:
    """The digest as one line of JSON."""

    def finding(one: Finding) -> dict[str, Any]:
        return {
            "id": one.id,
            "level": str(one.level),
            "family": one.family.value,
            "rule": mask(one.rule.id),
            "title": mask(one.rule.title_in(words.language)),
            "group": {mask(key): mask(value) for key, value in one.group.items()},
            "count": one.count,
            "first": iso(one.first),
            "last": iso(one.last),
        }

    def unread(one: Unread) -> dict[str, Any]:
        message, cure = words.problem(one.problem)
        place = one.problem.place
        return {
            "source": mask(one.source),
            "file": mask(place.file),
            "code": one.problem.code,
            "message": mask(message),
            "cure": mask(cure),
        }

    return json_line(
        {
            "id": digest.id,
            "organisation": mask(digest.organisation),
            "owners": [mask(one) for one in digest.owners],
            "time": iso(digest.time),
            "since": iso(digest.since),
            "news": digest.news,
            "new": [finding(one) for one in digest.new],
            "open": [finding(one) for one in digest.open],
            "silent": [
                {
                    "source": mask(one.source),
                    "name": mask(one.name),
                    "last": iso(one.last),
                    "expected_every": mask(one.expected),
                }
                for one in digest.silent
            ],
            "unread": [unread(one) for one in digest.unread],
        }
    )


def grades(findings: tuple[Finding, ...], words: Words) -> tuple[Grade, ...]:
    """Findings by level and rule, shortened."""
    groups = by_rule(findings)
    found = []
    for level in LEVELS:
        of = [group for group in groups if group.level is level]
        if of:
            shown = tuple(
                Group(
                    title=_text(group.rule.title_in(words.language)),
                    lines=tuple(_line(one, words) for one in group.findings[:FINDINGS_SHOWN]),
                    more=max(0, len(group.findings) - FINDINGS_SHOWN),
                )
                for group in of[:RULES_SHOWN]
            )
            count = sum(len(group.findings) for group in of)
            found.append(Grade(level, count, shown, max(0, len(of) - RULES_SHOWN)))
    return tuple(found)


def _text_lines(digest: Digest, words: Words) -> Iterator[str]:
    yield f"{_text(digest.organisation)} – kyber"
    if digest.owners:
        yield f"{words('digest.for')} {_owners(digest)}"
    yield _period(digest, words)
    if _is_quiet(digest):
        yield ""
        yield words("digest.nothing-at-all")
    for name, findings in (("new", digest.new), ("open", digest.open)):
        if findings:
            yield from _heading(words.many(f"digest.heading.{name}", len(findings)))
        for grade in grades(findings, words):
            yield ""
            yield f"{words(f'findings.level.{grade.level}').upper()}: {words.number(grade.count)}"
            for group in grade.groups:
                yield f"  {group.title}"
                for one in group.lines:
                    yield f"    {one.where}, {one.events}, {one.when}"
                    yield f"      kyber findings show {one.id}"
                if group.more:
                    yield f"    {words.many('findings.more-findings', group.more)}"
            if grade.more:
                yield f"  {words.many('findings.more-rules', grade.more)}"
    if digest.silent:
        yield from _heading(words.many("digest.heading.silent", len(digest.silent)))
        for silence in digest.silent:
            yield f"  {_silence(silence, words)}"
    if digest.unread:
        yield from _heading(words.many("digest.heading.unread", len(digest.unread)))
        for unread in digest.unread[:UNREAD_SHOWN]:
            first, cure = _unread(unread, words)
            yield f"  {first}"
            yield f"    {cure}"
        if len(digest.unread) > UNREAD_SHOWN:
            yield f"  {words.many('findings.more-problems', len(digest.unread) - UNREAD_SHOWN)}"
    yield ""
    yield words("digest.footer")


def _heading(heading: str) -> Iterator[str]:
    yield ""
    yield heading
    yield "-" * len(heading)


def _line(finding: Finding, words: Words) -> Line:
    return Line(
        where=_text(" · ".join(filter(None, finding.group.values()))) or words("findings.no-group"),
        events=words.many("findings.events", finding.count),
        when=f"{period} UTC" if (period := span(finding.first, finding.last)) else words("findings.no-time"),
        id=plain(finding.id),
    )


def _silence(one: Silence, words: Words) -> str:
    facts = {"name": _text(one.name), "source": _text(one.source), "expected": _text(one.expected)}
    if one.last is None:
        return words("digest.silent.never", **facts)
    return words("digest.silent.since", last=f"{moment(one.last)} UTC", **facts)


def _unread(one: Unread, words: Words) -> tuple[str, str]:
    message, cure = words.problem(one.problem)
    where = f" ({_text(one.source)})" if one.source else ""
    return f"{_text(str(one.problem.place))}{where}: {one.problem.code} {_text(message)}", _text(cure)


def _levels(findings: tuple[Finding, ...], words: Words) -> str:
    counts = {level: sum(one.level is level for one in findings) for level in LEVELS}
    parts = [words.many(f"digest.level.{level}", n) for level, n in counts.items() if n]
    return f" ({', '.join(parts)})"


def _owners(digest: Digest) -> str:
    return ", ".join(_text(one) for one in digest.owners)


def _period(digest: Digest, words: Words) -> str:
    if digest.since is None:
        return words("digest.time", time=moment(digest.time))
    return words("digest.time-since", time=moment(digest.time), since=moment(digest.since))


def _is_quiet(digest: Digest) -> bool:
    return not (digest.new or digest.open or digest.silent or digest.unread)


def _text(value: str) -> str:
    """A text from outside as one short line without identity codes."""
    return excerpt(plain(mask(value)), TEXT_SHOWN)
