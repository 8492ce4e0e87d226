"""Changes in the text of a rule file: bytes and changes in, bytes out in which nothing else differs.

A text is changed at the place where the YAML reader found the value, so that comments, order and layout stay. What was
made is read again: it holds what was wanted and nothing else is different, or the change is left out.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kyber.logs.sigma.written import Change, Part, Path
from kyber.yamltext import YamlError, load

MAX_ATTEMPTS: Final = 32
"""How often a text is made and read again to find the changes that cannot be made; each takes as long as the file is
large. What is not found by then is left out with all that might be at fault."""
_QUOTES: Final = {"'": "'", '"': '"'}
_CANNOT: Final = (YamlError, yaml.YAMLError, UnicodeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change in a document, given by number, and what of the text it replaces by what."""

    number: int
    change: Change
    start: int
    end: int
    new: str


def mended(text: bytes, changes: Mapping[int, Sequence[Change]]) -> bytes:
    """The text of a rule file with its changes, given by number of document; those that cannot be made alone are left
    out. The text must be YAML that can be used."""
    try:
        file = _File(text)
    except _CANNOT:
        return text
    edits, taken = [], set()
    for number, found in changes.items():
        for change in found:
            try:
                edit = file.edit(number, change)
            except _CANNOT:
                continue
            # What an alias repeats stands in the text once.
            if (edit.start, edit.end) not in taken:
                taken.add((edit.start, edit.end))
                edits.append(edit)
    file.add(_applied(copy.deepcopy(file.documents), edits))
    return file.made


class _File:
    """The text of a rule file, and as much of what was asked for as could be made in it: `done`, and `made` with it."""

    def __init__(self, text: bytes) -> None:
        self.documents = load(text, "")
        self.mark = "\ufeff" if text.startswith(b"\xef\xbb\xbf") else ""
        self.text = text.decode().removeprefix(self.mark)
        self.tree = _Tree(list(yaml.compose_all(self.text, Loader=yaml.CSafeLoader)))
        self.done: list[_Edit] = []
        self.made = text
        self.attempts = MAX_ATTEMPTS

    def edit(self, number: int, change: Change) -> _Edit:
        """How a change is made. Raises one of _CANNOT where it cannot be, whatever the others are."""
        start, end, new = _edit(self.text, self.tree, number, change)
        if change.part is not Part.NEW and not _reads(new, change):
            raise ValueError(new)
        return _Edit(number, change, start, end, new)

    def add(self, edits: Sequence[_Edit]) -> None:
        """Make the edits; where they cannot be made together, one half and then what can be of the other."""
        if not edits or not self.attempts:
            return
        self.attempts -= 1
        made = self._attempt([*self.done, *edits])
        if made is not None:
            self.done += edits
            self.made = made
        elif len(edits) > 1:
            middle = len(edits) // 2
            self.add(edits[:middle])
            self.add(edits[middle:])

    def _attempt(self, edits: Sequence[_Edit]) -> bytes | None:
        """The text with all of the edits; None where it would not be what was asked for."""
        wanted = copy.deepcopy(self.documents)
        if len(_applied(wanted, edits)) < len(edits):
            return None
        parts, at = [self.mark], 0
        for edit in sorted(edits, key=lambda one: (one.start, one.end)):
            if edit.start < at:
                return None
            parts += [self.text[at : edit.start], edit.new]
            at = edit.end
        made = "".join((*parts, self.text[at:])).encode()
        try:
            return made if load(made, "") == wanted else None
        except _CANNOT:
            return None


def _reads(new: str, change: Change) -> bool:
    """Whether what is written for a value or key is read as it: `123` would be a number, and `- a` a list."""
    if change.part is Part.KEY:
        return bool(load(f"{new}: x".encode(), "") == [{change.text: "x"}])
    return bool(load(f"- {new}".encode(), "") == [[change.text]])


def _applied(documents: list[Any], edits: Sequence[_Edit]) -> list[_Edit]:
    """Make in the documents those of the changes that can be made, and give these. Keys are changed last, since they
    stand in the paths of values."""
    done = []
    renamed: dict[int, tuple[dict[str, Any], dict[str | int, str]]] = {}
    names: dict[int, set[str | int]] = {}
    for edit in edits:
        *steps, last = edit.change.path
        try:
            holder = documents[edit.number]
            for step in steps:
                holder = holder[step]
            if edit.change.part is not Part.KEY:
                holder[last] = edit.change.text
            else:
                if id(holder) not in names:
                    names[id(holder)] = set(holder)
                there = names[id(holder)]
                if edit.change.text in there:
                    continue
                there.remove(last)
                there.add(edit.change.text)
                renamed.setdefault(id(holder), (holder, {}))[1][last] = edit.change.text
        except _CANNOT:
            continue
        done.append(edit)
    for holder, anew in renamed.values():
        held = {anew.get(key, key): value for key, value in holder.items()}
        holder.clear()
        holder.update(held)
    return done


@dataclass(slots=True)
class _Tree:
    """The nodes of the documents of a text, whose entries are found by their names."""

    documents: Sequence[Node]
    known: dict[int, dict[str | int, tuple[Node, Node]]] = field(default_factory=dict)

    def found(self, number: int, path: Path, key: bool) -> Node:
        """What stands at a path, or the key that is its last step. Raises LookupError."""
        node = self.documents[number]
        for at, step in enumerate(path):
            if isinstance(node, SequenceNode) and isinstance(step, int):
                node = node.value[step]
            else:
                pair = self.entry(node, step)
                node = pair[0] if key and at == len(path) - 1 else pair[1]
        return node

    def entry(self, node: Node, key: str | int) -> tuple[Node, Node]:
        """The key and value of an entry of a mapping. Raises LookupError."""
        if id(node) not in self.known:
            pairs = node.value if isinstance(node, MappingNode) else ()
            self.known[id(node)] = {
                name.value: (name, value) for name, value in reversed(pairs) if isinstance(name, ScalarNode)
            }
        return self.known[id(node)][key]


def _edit(text: str, tree: _Tree, number: int, change: Change) -> tuple[int, int, str]:
    """Where in the text something is replaced, and by what. Raises LookupError or ValueError where it cannot be."""
    if change.part is Part.NEW:
        document = tree.documents[number]
        key, title = tree.entry(document, "title")
        if not isinstance(document, MappingNode) or document.flow_style:
            raise ValueError(change.text)
        line = text.index("\n", title.end_mark.index) + 1
        end = "\r\n" if text.endswith("\r\n", 0, line) else "\n"
        return line, line, f"{' ' * key.start_mark.column}{change.path[-1]}: {change.text}{end}"
    node = tree.found(number, change.path, change.part is Part.KEY)
    start, end_ = node.start_mark.index, node.end_mark.index
    written = text[start:end_]
    quote = written[:1] if written[:1] in _QUOTES and written[-1:] == written[:1] else ""
    if not isinstance(node, ScalarNode) or "\n" in written or (not quote and written != node.value):
        raise ValueError(written)
    if quote == '"':
        # Only what needs no escape is sure to be written as it reads.
        if any(sign in change.text for sign in '"\\') or not change.text.isprintable():
            return start, end_, "'" + change.text.replace("'", "''") + "'"
        return start, end_, f'"{change.text}"'
    return start, end_, quote + (change.text.replace("'", "''") if quote else change.text) + quote
