"""`kyber rules import`: a folder of Sigma rules from elsewhere in, the chosen ones below the workspace's rules out."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, root_of, say
from kyber.cli.files import standard_output, write_below
from kyber.cli.findings import Picture
from kyber.cli.rules_files import documents, watch_lists, with_others
from kyber.cli.rules_standing import DAYS
from kyber.cli.scan import Limit
from kyber.errors import NothingReadError, UsageError
from kyber.git import says

if TYPE_CHECKING:
    from kyber.logs.sigma.heading import Choice
    from kyber.logs.sigma.importing import Changes, Chosen, RuleText
    from kyber.logs.sigma.rule import RuleSet
    from kyber.logs.sigma.written import Written
    from kyber.logs.standing import Standing
    from kyber.problem import Problem
    from kyber.workspace import Workspace

FOLDER: Final = "imported"
"""The folder below the workspace's rules where imported ones go, each source into a folder of its own."""
MAX_LICENCE: Final = 2**20
"""Bytes of a licence's file that are copied."""
_LICENCE: Final = re.compile(r"(?:licen[cs]e|copying|notice)(?:[._-].*)?", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Maturity(StrEnum):
    """Sigma's statuses, from the least to the most that a rule has been tried."""

    UNSUPPORTED = "unsupported"
    DEPRECATED = "deprecated"
    EXPERIMENTAL = "experimental"
    TEST = "test"
    STABLE = "stable"


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A checkout of SigmaHQ's rules, or any folder of Sigma rules.", show_default=False
        ),
    ],
    product: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only rules of this product; may be repeated.", show_default=False),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only rules of this category; may be repeated.", show_default=False),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only rules of this service; may be repeated.", show_default=False),
    ] = None,
    level: Annotated[Limit, typer.Option(help="Only rules at or above this level.")] = Limit.INFORMATIONAL,
    status: Annotated[
        Maturity, typer.Option(help="Only rules that have come at least so far; one that says nothing is experimental.")
    ] = Maturity.EXPERIMENTAL,
    technique: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Only rules of this ATT&CK technique or one below it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[Picture, typer.Option(help="The family that the rules get.")] = Picture.SECURITY,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"The folder below rules/{FOLDER}; else called as the checkout or PATH is.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line; asks nothing.")] = False,
    workspace: Where = None,
) -> None:
    """Take over Sigma rules from elsewhere: choose, see what they would do here, and copy them into the workspace.

    The text of a rule stays as it is, but for the key kyber: with its family below it. Importing again brings what is
    new, leaves alone what was altered by hand, and deletes nothing. Without --yes, nothing is written unasked.
    """
    from kyber.cli import imported as show
    from kyber.level import Level
    from kyber.logs.sigma.heading import Choice
    from kyber.render.safe import plain
    from kyber.text import words_for
    from kyber.workspace import at

    here, now = at(root_of(workspace or Path())), datetime.now(UTC)
    words = words_for(here.settings.language)
    if not path.is_dir():
        raise UsageError(f"{path} is no folder: name a checkout of rules, or a folder in it")
    if path.resolve().is_relative_to(here.rules.resolve()):
        raise UsageError(f"{path} is among the rules of the workspace already")
    checkout = _checkout(path, here)
    folder = f"{here.rules.name}/{FOLDER}/{_folder_name(name, checkout, path)}"
    choice = Choice(
        level=Level.of(level),
        status=str(status),
        products=tuple(product or ()),
        categories=tuple(category or ()),
        services=tuple(service or ()),
        techniques=tuple(technique or ()),
    )
    offer = _offer(here, path, checkout, folder, choice, str(family), now)
    if json:
        with standard_output():
            say(show.as_json(offer))
    else:
        from rich.console import Console

        with standard_output():
            show.show(offer, words, Console())
    if not offer.changes.write:
        return
    count = len(offer.changes.write.keys() - offer.licences) or len(offer.changes.write)  # or a licence alone
    if not yes and (json or not _may_ask() or not typer.confirm(words.many("imported.ask", count), default=False)):
        say(words("imported.not-written", folder=plain(folder)), error=True)
        return
    _write(here, offer, now.astimezone(here.settings.zone).date(), _said(choice))
    say(words.many("imported.done", count, folder=plain(folder)), error=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an import would do. `read`: how many rules there are in `source`; `unread`: files that cannot be read or
    copied, with the reason. `standings`: where the rules would stand here, by id; `fields`: what is doubtful about
    theirs; `unlicensed`: how many name no licence of their own. `licences`: files of the checkout that are copied
    beside."""

    source: str
    commit: str
    folder: str
    read: int
    chosen: "Chosen"
    changes: "Changes"
    unread: Mapping[str, str]
    standings: "Mapping[str, Standing]"
    fields: "tuple[Problem, ...]"
    unlicensed: int
    licences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Checkout:
    """A checkout of git: its root and its commit."""

    root: Path
    commit: str


def _offer(
    here: "Workspace",
    path: Path,
    checkout: _Checkout | None,
    folder: str,
    choice: "Choice",
    family: str,
    now: datetime,
) -> Offer:
    from kyber.finding import Family
    from kyber.logs.sigma.importing import RECORD, changes, choose, recorded, with_family

    target = here.root / folder
    files, written, unread = _rules_of(path)
    if not files:
        raise NothingReadError(f"no rule could be read in {path}")
    chosen = choose(files, choice, _known(here, target))
    if not chosen.fit:
        read = sum(len(one.headings) for one in files)
        raise NothingReadError(f"no rule in {path} fits the choice, of those read there: {read}; nothing was written")
    made: dict[str, bytes] = {}
    for one in chosen.files:
        try:
            made[one.path] = with_family(one.text, Family(family))
        except ValueError as error:
            unread[one.path] = str(error)
    licences, unfit = _licences(path, checkout)
    unread |= unfit
    rules = _read(here, folder, made, now.astimezone(here.settings.zone).date())
    headings = [heading for one in chosen.files if one.path in made for heading in one.headings]
    ids = {heading.id for heading in headings}
    before = recorded(_bytes(target / RECORD) or b"")
    there = {name: text for name in {*made, *licences, *before} if (text := _bytes(target / name)) is not None}
    return Offer(
        source=str(path),
        commit=checkout.commit if checkout else "",
        folder=folder,
        read=sum(len(one.headings) for one in files),
        chosen=chosen,
        changes=changes({**made, **licences} if made else {}, there, before),
        unread=unread,
        standings={id_: one for id_, one in _standings(here, rules, now).items() if id_ in ids},
        fields=_fields(here, [one for one in written if _below(one.file, path) in made]),
        unlicensed=sum(not heading.license for heading in headings),
        licences=tuple(licences),
    )


def _rules_of(path: Path) -> "tuple[list[RuleText], list[Written], dict[str, str]]":
    """The rule files below a folder, the documents in them, and those that cannot be read, with the reason."""
    from kyber.logs.sigma.heading import headings
    from kyber.logs.sigma.importing import RuleText, is_plain
    from kyber.logs.sigma.rule import rule_files

    every = rule_files([str(path)])[0]
    texts, written = documents([str(path)])
    by_file: dict[str, list[Written]] = {}
    for one in written:
        by_file.setdefault(one.file, []).append(one)
    found, unread = [], {}
    for file in every:
        name, text = _below(str(file), path), texts.get(str(file))
        if file.is_symlink():
            unread[name] = "a symbolic link"
        elif text is None:
            unread[name] = "not YAML that can be used, or too large"
        elif not is_plain(name):
            unread[name] = "its name"
        elif told := headings(by_file.get(str(file), ())):
            found.append(RuleText(name, text, tuple(told)))
    return found, written, unread


def _below(file: str, path: Path) -> str:
    return Path(file).relative_to(path).as_posix()


def _known(here: "Workspace", target: Path) -> dict[str, str]:
    """The ids and names of the rules that are here, but for those of earlier imports from the same place."""
    from kyber.logs.sigma.heading import headings

    return {
        name: one.file
        for one in headings(documents(with_others((), here))[1])
        if not Path(one.file).is_relative_to(target)
        for name in (one.id, one.name)
        if name
    }


def _read(here: "Workspace", folder: str, made: Mapping[str, bytes], today: date) -> "RuleSet":
    """The rules as they would be read here, with those that are here beside them."""
    from kyber.cli.rules_files import rule_paths
    from kyber.logs.sigma.rule import RuleFile, checked, read_all, rule_texts

    lists, _ = watch_lists(here)
    new = [RuleFile(folder, f"{folder}/{name}", text) for name, text in made.items()]
    old = (one for one in rule_texts(rule_paths(here)) if not Path(one.file).is_relative_to(here.root / folder))
    return checked(read_all((*new, *old), lists), today)


def _standings(here: "Workspace", rules: "RuleSet", now: datetime) -> "Mapping[str, Standing]":
    from kyber.cli.reading import no_collector
    from kyber.cli.rules_standing import known_of

    with no_collector():
        return known_of(here, rules, DAYS, now).standings(rules)


def _fields(here: "Workspace", written: "Sequence[Written]") -> "tuple[Problem, ...]":
    """The fields that no table of their product has, or that look misspelt (R58, R73)."""
    from kyber.cli.rules_lint import registered
    from kyber.logs.sigma.lint import check_fields

    return tuple(hit.problem for hit in check_fields(written, registered(here)))


# --- where it comes from, and where it goes --------------------------------------------------------------------------


def _checkout(path: Path, here: "Workspace") -> _Checkout | None:
    """The checkout that a folder is in, if git says so; the workspace's own is none."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        run = says(git, path, "rev-parse", "--show-toplevel", "HEAD")
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = run.stdout.splitlines()
    if run.returncode or len(lines) != 2 or here.root.resolve().is_relative_to(Path(lines[0]).resolve()):
        return None
    return _Checkout(Path(lines[0]), lines[1])


def _licences(path: Path, checkout: _Checkout | None) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files of licences in the folder, or else in the root of its checkout; and those left out, with the reason."""
    from kyber.logs.sigma.importing import RULE_FILES, is_plain

    found: dict[str, bytes] = {}
    unfit: dict[str, str] = {}
    for place in (path, *((checkout.root,) if checkout else ())):
        for one in sorted(place.iterdir()):
            if not _LICENCE.fullmatch(one.name) or one.suffix in RULE_FILES or one.is_dir():
                continue
            text = _bytes(one, MAX_LICENCE + 1)
            if not is_plain(one.name):
                unfit[one.name] = "its name"
            elif text is None:
                unfit[one.name] = "not a regular file"
            elif len(text) > MAX_LICENCE:
                unfit[one.name] = "too large"
            else:
                found[one.name] = text
        if found:
            break
    return found, unfit


def _bytes(file: Path, limit: int = -1) -> bytes | None:
    """A regular file, or its first bytes; None where there is none, and for a link. Raises UsageError."""
    try:
        if file.is_symlink() or not file.is_file():
            return None
        with file.open("rb") as stream:
            return stream.read(limit)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def _folder_name(given: str | None, checkout: _Checkout | None, path: Path) -> str:
    if given is not None:
        if not _NAME.fullmatch(given):
            raise UsageError(f"--name {given}: use small letters, digits, dots, dashes and underscores")
        return given
    called = (checkout.root if checkout else path.resolve()).name.lower()
    return re.sub(r"[^a-z0-9._-]+", "-", called).strip(".-_")[:64] or "rules"


def _said(choice: "Choice") -> str:
    """The choice as it would be typed."""
    several: list[tuple[str, Sequence[Any]]] = [
        ("product", choice.products),
        ("category", choice.categories),
        ("service", choice.services),
        ("technique", choice.techniques),
        ("level", [choice.level]),
        ("status", [choice.status]),
    ]
    return " ".join(f"--{name} {value}" for name, values in several for value in values)


def _may_ask() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stdout.isatty()


def _write(here: "Workspace", offer: Offer, today: date, choice: str) -> None:
    """The files, and last the record of them: what is there without one counts as altered by hand."""
    from kyber.logs.sigma.importing import RECORD, Origin, record
    from kyber.render.safe import plain

    origin = Origin(
        folder=plain(offer.source), commit=offer.commit, day=today.isoformat(), choice=choice, licences=offer.licences
    )
    text = record(origin, offer.changes.hashes)
    write_below(
        here.root, {f"{offer.folder}/{name}": made for name, made in (*offer.changes.write.items(), (RECORD, text))}
    )
