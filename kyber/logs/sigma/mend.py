"""Changes in the text of a rule file: bytes and changes in, bytes out in which nothing else differs.

A text is changed at the place where the YAML reader found the value, so that comments, order and layout stay. What was
made is read again: it holds what was wanted and nothing else is different, or the change is left out.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kyber.logs.sigma.written import Change, Part, Path
from kyber.yamltext import YamlError, load

_QUOTES = {"'": "'", '"': '"'}


def mended(text: bytes, changes: Mapping[int, Sequence[Change]]) -> bytes:
    """The text of a rule file with its changes, given by number of document; those that cannot be made alone are left
    out. The text must be YAML that can be used."""
    asked = [(number, change) for number, found in changes.items() for change in found]
    made = _attempt(text, asked)
    if made is not None:
        return made
    done: list[tuple[int, Change]] = []
    for one in asked:
        if _attempt(text, [*done, one]) is not None:
            done.append(one)
    return _attempt(text, done) or text


def _attempt(text: bytes, asked: Sequence[tuple[int, Change]]) -> bytes | None:
    """The text with all of the changes; None where it would not be what was asked for."""
    try:
        wanted = _wanted(load(text, ""), asked)
        mark = "\ufeff" if text.startswith(b"\xef\xbb\xbf") else ""
        written = text.decode().removeprefix(mark)
        nodes = list(yaml.compose_all(written, Loader=yaml.CSafeLoader))
        edits = [_edit(written, nodes[number], change) for number, change in asked]
        for start, end, new in sorted(edits, reverse=True):
            written = written[:start] + new + written[end:]
        made = (mark + written).encode()
        return made if load(made, "") == wanted else None
    except (YamlError, yaml.YAMLError, UnicodeError, LookupError, TypeError, ValueError):
        return None


def _wanted(documents: list[Any], asked: Sequence[tuple[int, Change]]) -> list[Any]:
    """The documents as they must be afterwards. Keys are changed last, since they stand in the paths of values."""
    documents = copy.deepcopy(documents)
    for number, change in sorted(asked, key=lambda one: one[1].part is Part.KEY):
        *steps, last = change.path
        holder = documents[number]
        for step in steps:
            holder = holder[step]
        if change.part is Part.KEY:
            held = {change.text if key == last else key: value for key, value in holder.items()}
            if len(held) < len(holder):
                raise ValueError(change.text)
            holder.clear()
            holder.update(held)
        else:
            holder[last] = change.text
    return documents


def _edit(text: str, document: Node, change: Change) -> tuple[int, int, str]:
    """Where in the text something is replaced, and by what. Raises LookupError or ValueError where it cannot be."""
    if change.part is Part.NEW:
        key, title = _entry(document, "title")
        line = text.index("\n", title.end_mark.index) + 1
        end = "\r\n" if text[:line].endswith("\r\n") else "\n"
        return line, line, f"{' ' * key.start_mark.column}{change.path[-1]}: {change.text}{end}"
    node = _found(document, change.path, change.part is Part.KEY)
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


def _found(node: Node, path: Path, key: bool) -> Node:
    for at, step in enumerate(path):
        if isinstance(node, SequenceNode) and isinstance(step, int):
            node = node.value[step]
        else:
            pair = _entry(node, step)
            node = pair[0] if key and at == len(path) - 1 else pair[1]
    return node


def _entry(node: Node, key: str | int) -> tuple[Node, Node]:
    for name, value in node.value if isinstance(node, MappingNode) else ():
        if isinstance(name, ScalarNode) and name.value == key:
            return name, value
    raise LookupError(key)
