"""`kyber logs rejected`: what no format understood, and what a cluster refused; by reason, the most frequent first."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

import typer

from kyber.cli import delivered
from kyber.cli.console import Where, plain, root_of, say
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.cli.delivered import Sent
    from kyber.logs.store.ledger import Refused
    from kyber.text import Words
    from kyber.workspace import Workspace

SHOWN: Final = 200
"""Characters of a rejected record that are shown."""
EXAMPLES: Final = 3
"""Records of each reason that are shown where nobody says how many."""
_OWN: Final = re.compile(r"'[^']*'|\[\d+:\d+\] ?")
"""What in a reason of Elasticsearch is of one document: its id and value, and where in it parsing ended."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """What has one reason: how many there are, and the first of them, at least one."""

    count: int
    examples: tuple[T, ...]


def grouped(found: Iterable[T], reason: Callable[[T], Hashable], limit: int) -> list[Group[T]]:
    """What was found by its reason, the most frequent first; `limit` examples of each are held."""
    counts: Counter[Hashable] = Counter()
    examples: dict[Hashable, list[T]] = {}
    for one in found:
        why = reason(one)
        counts[why] += 1
        if counts[why] <= limit:
            examples.setdefault(why, []).append(one)
    return [Group(count, tuple(examples[why])) for why, count in counts.most_common()]


def kind_of(reason: str) -> str:
    """A reason of Elasticsearch without what is of one document."""
    return _OWN.sub(lambda found: "'…'" if found[0].startswith("'") else "", reason)


def rejected(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE...", help="Log sources by their ids; else all.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Show so many of each reason; else {EXAMPLES}, and as JSON all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: one for each record and event.")] = False,
    workspace: Where = None,
) -> None:
    """Show the records that no format understood, and the events that Elasticsearch refused, by reason: all are kept
    whole. What was refused is sent again by `kyber logs retry`.

    Personal identity codes are masked. Ends with 3 where nothing is stored yet.
    """
    from kyber.logs.source import load_sources
    from kyber.logs.store.parquet import ParquetStore
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    folders = delivered.folders(here)
    if not folders:
        raise NothingReadError("nothing is stored yet: `kyber scan` or `kyber logs collect` stores what sources hold")
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(ParquetStore(folder))) for folder in folders]
        known = {one.id for one in load_sources(here.root)[0]}.union(*(store.totals() for store in stores))
        if unknown := sorted(set(sources or ()) - known):
            raise UsageError(f"there is no log source '{unknown[0]}'; there are {', '.join(sorted(known)) or 'none'}")
        unread = (_harmless(one) for store in stores for one in store.rejected(sources or None))
        refused = ((one, delivered.refused(one, sources)) for one in delivered.sent(here))
        if json:
            _as_json(unread, refused, words, limit)
        else:
            _show(unread, refused, words, limit or EXAMPLES, here)


def _as_json(
    unread: "Iterable[dict[str, Any]]",
    refused: "Iterable[tuple[Sent, Iterable[Refused]]]",
    words: "Words",
    limit: int | None,
) -> None:
    from kyber.privacy import mask
    from kyber.render.safe import json_line

    seen: Counter[Hashable] = Counter()

    def asked(why: Hashable) -> bool:
        seen[why] += 1
        return limit is None or seen[why] <= limit

    for one in unread:
        if asked(_why_unread(one, words)):
            say(json_line(one))
    for where, documents in refused:
        place = {"destination": where.address, "namespace": where.namespace}
        for document in documents:
            if asked((where.name, *_why_refused(document))):
                facts = {name: getattr(document, name) for name in ("source", "id", "day", "status")}
                raw, reason = mask(delivered.record_of(document)), mask(document.reason)
                say(json_line({**facts, **place, "reason": reason, "raw": raw}))


def _show(
    unread: "Iterable[dict[str, Any]]",
    refused: "Iterable[tuple[Sent, Iterable[Refused]]]",
    words: "Words",
    limit: int,
    here: "Workspace",
) -> None:
    from kyber.privacy import mask
    from kyber.problem import Place

    for group in grouped(unread, lambda one: _why_unread(one, words), limit):
        first = group.examples[0]
        say(f"{first['reason']} {plain(_message(first, group.count, words))}")
        _show_examples(group, lambda one: (str(Place(one["file"], one["record"])), one["raw"]), words)
    for where, documents in refused:
        groups = grouped(documents, _why_refused, limit)
        if not groups:
            continue
        say(words("ship.refused-by", address=plain(where.address), namespace=plain(where.namespace)))
        for found in groups:
            status, why = _why_refused(found.examples[0])
            say(f"  {words.many('ship.refused-for', found.count, status=status, reason=plain(mask(why)))}")
            _show_examples(found, lambda one: (one.source, mask(delivered.record_of(one))), words)
        say(words("ship.retry", command=plain(_retry(where, here))))


def _show_examples(group: Group[T], shown: Callable[[T], tuple[str, str]], words: "Words") -> None:
    for one in group.examples:
        where, raw = shown(one)
        say(f"    {plain(where)}: {plain(raw[:SHOWN])}{'…' if len(raw) > SHOWN else ''}")
    if more := group.count - len(group.examples):
        say(f"    {words.many('ship.more', more)}")


def _harmless(one: dict[str, Any]) -> dict[str, Any]:
    """A rejected record as text, with personal identity codes masked."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    return every_text({**one, "raw": one["raw"].decode(errors="replace")}, mask)


def _why_unread(one: dict[str, Any], words: "Words") -> tuple[str, str]:
    return one["reason"], _message(one, 1, words)


def _message(one: dict[str, Any], count: int, words: "Words") -> str:
    """Why a format could not read such records, of which there are so many."""
    from kyber.problem import Place, Problem

    return words.problem(Problem(Place(one["file"]), one["reason"], {**one["facts"], "count": words.number(count)}))[0]


def _why_refused(one: "Refused") -> tuple[int, str]:
    return one.status, kind_of(one.reason)


def _retry(where: "Sent", here: "Workspace") -> str:
    """The command that sends again what a destination refused."""
    from kyber.settings import Elasticsearch

    options = ["--files"] if where.folder.name == delivered.FILES else []
    if where.namespace != (here.settings.elasticsearch or Elasticsearch()).namespace:
        options += ["--namespace", where.namespace]
    return " ".join(("kyber logs retry", *options))
