"""An Explanation in, a tree for a person out, or one line of JSON for a program.

Personal identity codes are masked, and everything from logs and rules is made plain and shown as Text.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from rich.tree import Tree

from kyber.logs.sigma.explain import Answer, Explanation, Seen, Told, Why
from kyber.privacy import mask, shortened
from kyber.render.excerpt import excerpt
from kyber.render.safe import every_text, json_line, plain
from kyber.render.times import iso, moment
from kyber.text import Key, Words

VALUE_SHOWN: Final = 200
"""Characters of a value or pattern that a reader sees who does not ask for all."""
LONGEST: Final = 4_096
"""Characters of a value in JSON, and for a reader who asks for all."""
LIKE_SHOWN: Final = 6
"""Leaves of one field that failed side by side for one reason, up to which a reader sees them who did not ask for
all."""
SIGNS: Final = ("✗", "✓", "←")
ASCII: Final = ("[-]", "[+]", "<-")
"""No, yes, and what a pattern is asked of."""


def show(explained: Explanation, words: Words, console: Console, *, ascii_only: bool, verbose: bool = False) -> None:
    """Print an explanation as trees; `ascii_only` draws them without any sign beyond ASCII."""
    explained = every_text(every_text(explained, mask), plain)
    shown = _Shown(words, ASCII if ascii_only else SIGNS, verbose)
    for part in shown.all(explained):
        console.print(_Ascii(part) if ascii_only and isinstance(part, Tree) else part, highlight=False)


class _Ascii:
    """A tree whose guides are ASCII, whatever the console could show."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        options = options.copy()
        options.encoding = "ascii"
        yield from console.render(self._tree, options)


class _Shown:
    """The parts of what is shown."""

    def __init__(self, words: Words, signs: tuple[str, str, str], verbose: bool) -> None:
        self._words, self._verbose = words, verbose
        self._no, self._yes, self._arrow = signs
        self._room = LONGEST if verbose else VALUE_SHOWN

    def all(self, explained: Explanation) -> Iterator[Text | Tree]:
        words, event = self._words, explained.event
        yield Text(explained.rule.title_in(words.language), "bold")
        yield Text(explained.rule.path or explained.rule.id, "dim")
        time = f", {moment(event.time)} UTC" if event.time else ""
        yield Text(f"{event.file}:{event.record}{time}, {event.event_id}", "dim")
        yield self._verdict(explained)
        if explained.logsource:
            yield Text()
            tree = Tree(Text(words("explain.logsource"), "bold"))
            for seen in explained.logsource:
                self._seen(seen, tree)
            yield tree
        yield Text()
        tree = Tree(Text(words("explain.condition"), "bold"))
        self._grow(explained.condition, tree, "")
        yield tree
        for one in explained.filters:
            yield Text()
            tree = Tree(Text(words("explain.filter", title=one.filter.title_in(words.language)), "bold"))
            self._grow(one.condition, tree, "")
            yield tree

    def _verdict(self, explained: Explanation) -> Text:
        words = self._words
        if explained.matches:
            return Text(words("explain.matches"), "bold green")
        if explained.lacking:
            return Text(words("explain.lacking", names=", ".join(explained.lacking)), "bold yellow")
        if not explained.seen:
            return Text(words("explain.unseen"), "bold yellow")
        return Text(words("explain.hidden" if explained.condition.holds else "explain.no-match"), "bold yellow")

    def _seen(self, seen: Seen, tree: Tree) -> None:
        facts = {
            "key": Key(f"explain.key.{seen.key}"),
            "wanted": seen.wanted,
            "given": seen.given,
            "table": seen.table,
        }
        branch = tree.add(self._marked(seen.holds).append(self._words(f"explain.reach.{seen.reach}", **facts)))
        for alternative in seen.terms:
            below = branch
            if len(alternative) > 1:
                holds = all(term.holds for term in alternative)
                below = branch.add(self._marked(holds).append(self._words("explain.and")))
            for term in alternative:
                line = (
                    self._marked(term.holds)
                    .append(term.column, "bold")
                    .append(f" {self._arrow} {', '.join(term.wanted)}")
                )
                if term.value is None:
                    line.append(f"  {self._words('explain.no-value')}", "dim")
                else:
                    line.append(f"  {term.column} = ", "dim").append(excerpt(term.value, self._room))
                below.add(line)

    def _grow(self, answer: Answer, tree: Tree, part: str) -> None:
        """Add a node and what is below it; `part` is the selection that was named above."""
        if isinstance(answer, Told):
            tree.add(self._leaf(answer, part))
            return
        label = self._marked(answer.holds)
        own = _part(answer) if answer.join != "not" else ""
        if own and own != part:
            label.append(f"{own}: ", "bold")
            part = own
        branch = tree.add(label.append(self._words(f"explain.{answer.join}")))
        for alike in _alike(answer.nodes):
            folded = not self._verbose and len(alike) > LIKE_SHOWN
            for one in alike[: LIKE_SHOWN - 1] if folded else alike:
                self._grow(one, branch, part)
            if folded:
                branch.add(Text(self._words.many("explain.more", len(alike) - LIKE_SHOWN + 1), "italic dim"))

    def _leaf(self, leaf: Told, part: str) -> Text:
        words = self._words
        line = self._marked(leaf.holds)
        if leaf.part != part:
            line.append(f"{leaf.part}: ", "bold")
        line.append(leaf.field or words("explain.keyword"), "bold")
        line.append(f" {self._arrow} ", "dim").append(excerpt(leaf.pattern, self._room))
        if leaf.column:
            line.append(f"  {leaf.column} = ", "dim").append(excerpt(leaf.value or "", self._room, leaf.pattern))
        if leaf.why is not Why.HOLDS:
            why = words(f"explain.why.{leaf.why}", columns=", ".join(leaf.columns))
            line.append(f"  ({why})", "dim" if leaf.holds else "yellow")
        return line

    def _marked(self, holds: bool) -> Text:
        line = Text()
        return line.append(self._yes if holds else self._no, "green" if holds else "red").append(" ")


def _part(answer: Answer) -> str:
    """The selection in which everything below stands; empty where there are several."""
    if isinstance(answer, Told):
        return answer.part
    parts = {_part(one) for one in answer.nodes}
    return parts.pop() if len(parts) == 1 else ""


def _alike(nodes: Sequence[Answer]) -> list[list[Answer]]:
    """Neighbours that failed alike are together; everything else stands alone."""

    def kind(numbered: tuple[int, Answer]) -> object:
        at, one = numbered
        return (one.field, one.why, one.column) if isinstance(one, Told) and not one.holds else at

    return [[one for _, one in alike] for _, alike in groupby(enumerate(nodes), kind)]


def as_json(explained: Explanation) -> str:
    """Everything as one line of JSON; values are cut at LONGEST characters."""
    explained = every_text(explained, mask)
    return json_line(
        {
            "matches": explained.matches,
            "rule": {
                "id": explained.rule.id,
                "name": explained.rule.name,
                "title": explained.rule.title,
                "path": explained.rule.path,
            },
            "level": str(explained.level),
            "event": {
                "event_id": explained.event.event_id,
                "file": explained.event.file,
                "record": explained.event.record,
                "time": iso(explained.event.time),
            },
            "logsource": {"holds": explained.seen, "words": [_of_seen(one) for one in explained.logsource]},
            "condition": _of_answer(explained.condition),
            "filters": [
                {"id": one.filter.id, "title": one.filter.title, "path": one.filter.path}
                | {"condition": _of_answer(one.condition)}
                for one in explained.filters
            ],
            "lacking": list(explained.lacking),
        }
    )


def _of_answer(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer, Told):
        return {"holds": answer.holds, "join": answer.join, "nodes": [_of_answer(one) for one in answer.nodes]}
    return {
        "holds": answer.holds,
        "why": str(answer.why),
        "part": answer.part,
        "field": answer.field,
        "pattern": answer.pattern,
        "columns": list(answer.columns),
        "column": answer.column,
        "value": None if answer.value is None else shortened(answer.value, LONGEST),
    }


def _of_seen(seen: Seen) -> dict[str, Any]:
    return {
        "holds": seen.holds,
        "reach": str(seen.reach),
        "key": seen.key,
        "wanted": seen.wanted,
        "given": seen.given,
        "table": seen.table,
        "conditions": [
            [
                {"holds": term.holds, "column": term.column, "wanted": list(term.wanted), "value": term.value}
                for term in one
            ]
            for one in seen.terms
        ],
    }
