"""YAML with places: bytes in, plain values out, whose mappings and lists know the line of everything in them.

Scalars follow the core schema of YAML 1.2: `yes`, `no` and `on` are words, `12:30` is a word, and so are dates and
numbers with a leading zero. Keys are always text. Merge keys (`<<`) work. Unknown tags, a key that stands twice, and
input beyond the bounds below are errors, each with its line.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kyber.errors import KyberError
from kyber.problem import Place, Problem

MAX_BYTES = 1024 * 1024
MAX_ALIASES = 64
MAX_DEPTH = 64
MAX_EXPANDED = 100_000
"""How many values a file may hold once its aliases are followed: what a walk over it has to visit."""
MAX_DIGITS = 300
"""A longer number is a word: Python refuses to read some of them, and no field holds one."""

_TAG = "tag:yaml.org,2002:"
_STR, _INT, _FLOAT, _BOOL, _NULL = (_TAG + name for name in ("str", "int", "float", "bool", "null"))
_MERGE = _TAG + "merge"
_SEQ, _MAP = _TAG + "seq", _TAG + "map"

_INT_FORM = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT_FORM = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), _NULL),
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), _BOOL),
    "<<": _MERGE,
}
_MERGE_MARK = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: |$)|^={7}$", re.MULTILINE)
_NUMERIC_STARTS = frozenset("0123456789+-.")
_ELDER = yaml.resolver.Resolver()

# Block nesting moves the text at least one column to the right every second level; the zero bytes are those of UTF-16.
_DEEP_INDENT = re.compile(rb"^(?:\xff\xfe|\xfe\xff|\xef\xbb\xbf)?[ \t?:\x00-]{%d,}" % (MAX_DEPTH // 2), re.MULTILINE)

Document = Any
"""A document's value: Located, LocatedList, str, int, float, bool or None."""

REASONS: Mapping[str, str] = {
    "K91": "not YAML: {reason}",
    "K92": "the key '{key}' stands twice in one mapping (first on line {first})",
    "K93": "larger than {limit} bytes",
    "K94": "nested deeper than {limit} levels",
    "K95": "uses more than {limit} aliases, an alias within itself, or aliases that multiply",
    "K96": "the tag {tag} is not allowed here",
    "K97": "a key must be plain text",
    "K98": "a merge of two versions stopped here, and both stand in the file",
}


class YamlError(KyberError):
    """The text cannot be used as YAML. `problem` says where and why, with its code (K91 to K98) and facts."""

    def __init__(self, place: Place, code: str, **facts: object) -> None:
        self.place = place
        self.reason = REASONS[code].format(**facts)
        self.problem = Problem(place, code, facts)
        super().__init__(f"{place}: {self.reason}")


class Located(dict[str, Any]):
    """A mapping that knows its own line (from 1) and, in `lines`, the line of each of its keys."""

    __slots__ = ("line", "lines")
    line: int
    lines: dict[str, int]


class LocatedList(list[Any]):
    """A list that knows its own line (from 1) and, in `lines`, the line of each of its items."""

    __slots__ = ("line", "lines")
    line: int
    lines: list[int]


def load(text: bytes, file: str) -> list[Document]:
    """The documents of one YAML file, in order; an empty document is None. `file` is how places name the file.

    Raises YamlError at the first thing that makes the text unusable.
    """
    if len(text) > MAX_BYTES:
        raise YamlError(Place(file), "K93", limit=MAX_BYTES)
    if (mark := _MERGE_MARK.search(text)) is not None and text.count(b"\n=======") and text.count(b"\n>>>>>>>"):
        raise YamlError(Place(file, text.count(b"\n", 0, mark.start()) + 1), "K98")
    try:
        if text.count(b"[") + text.count(b"{") >= MAX_DEPTH or _DEEP_INDENT.search(text):
            _check_depth(text, file)
        loader = _Composer(text)
        builder = _Builder(file)
        documents = []
        while loader.check_node() and (node := loader.get_node()) is not None:
            documents.append(builder.build(node, 1))
        if builder.aliases:
            _check_expanded(documents, file)
        return documents
    except yaml.YAMLError as error:
        raise _syntax(error, text, file) from None


def line_of(document: Document, path: Iterable[str | int], default: int = 0) -> int:
    """The line of what stands at `path` (keys and list indexes), or of the nearest thing around it that has one."""
    line = document.line if isinstance(document, Located | LocatedList) else default
    for step in path:
        if isinstance(document, Located) and step in document.lines:
            line, document = document.lines[str(step)], document[str(step)]
        elif isinstance(document, LocatedList) and isinstance(step, int) and 0 <= step < len(document):
            line, document = document.lines[step], document[step]
        else:
            break
    return line


def is_otherwise_in_yaml_1_1(text: str) -> bool:
    """Whether a reader of YAML 1.1 takes the text, unquoted, for something else than a text: `yes`, `12:30:00`.

    Source: https://yaml.org/type/, as PyYAML has it; and `y` and `n`, which only some readers take for booleans.
    """
    tag: str = _ELDER.resolve(ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return text in ("y", "Y", "n", "N") or tag != _STR


class _Composer(CParser):
    """libyaml's parser, composing nodes in C, with the tags of plain scalars after YAML 1.2."""

    def ascend_resolver(self) -> None: ...

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None: ...

    def resolve(self, kind: type[Node], value: str, implicit: Any) -> str:
        if kind is not ScalarNode:
            return _SEQ if kind is SequenceNode else _MAP
        if not implicit[0]:
            return _STR
        if value[:1] in _NUMERIC_STARTS and value:
            if _INT_FORM.fullmatch(value):
                return _INT if len(value) <= MAX_DIGITS else _STR
            return _FLOAT if _FLOAT_FORM.fullmatch(value) else _STR
        return _WORDS.get(value, _STR)


class _Builder:
    """Builds the values of one file from its nodes, counting aliases over the whole file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.aliases = 0
        self.built: dict[int, tuple[Node, Any]] = {}  # holds the node, so that its id is not given to another

    def build(self, node: Node, depth: int) -> Any:
        if isinstance(node, ScalarNode):
            return node.value if node.tag == _STR else self.scalar(node)
        known = self.built.get(id(node))
        if known is not None:
            self.aliases += 1
            if known[1] is None or self.aliases > MAX_ALIASES:
                raise YamlError(self.place(node), "K95", limit=MAX_ALIASES)
            return known[1]
        if depth > MAX_DEPTH:
            raise YamlError(self.place(node), "K94", limit=MAX_DEPTH)
        self.built[id(node)] = (node, None)
        value = self.mapping(node, depth) if isinstance(node, MappingNode) else self.sequence(node, depth)
        self.built[id(node)] = (node, value)
        return value

    def sequence(self, node: Node, depth: int) -> LocatedList:
        if node.tag != _SEQ:
            raise YamlError(self.place(node), "K96", tag=node.tag)
        build = self.build
        result = LocatedList([build(item, depth + 1) for item in node.value])
        result.line = _line(node)
        result.lines = [_line(item) for item in node.value]
        return result

    def mapping(self, node: Node, depth: int) -> Located:
        if node.tag != _MAP:
            raise YamlError(self.place(node), "K96", tag=node.tag)
        build, result = self.build, Located()
        lines: dict[str, int] = {}
        merged: list[Located] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise YamlError(self.place(key_node), "K97")
            key, line = key_node.value, _line(key_node)
            if key in lines:
                raise YamlError(Place(self.file, line), "K92", key=key, first=lines[key])
            value = build(value_node, depth + 1)
            if key_node.tag == _MERGE:
                merged += self.merged(value, value_node)
            else:
                lines[key] = line
                result[key] = value
        for source in merged:
            for key, value in source.items():
                if key not in result:
                    lines[key] = source.lines[key]
                    result[key] = value
        result.line, result.lines = _line(node), lines
        return result

    def merged(self, value: Any, node: Node) -> list[Located]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, Located) for source in sources):
            raise YamlError(self.place(node), "K91", reason="<< takes a mapping or a list of mappings")
        return sources

    def scalar(self, node: ScalarNode) -> Any:
        text, tag = node.value, node.tag
        if tag == _NULL and _WORDS.get(text) == _NULL:
            return None
        if tag == _BOOL and _WORDS.get(text) == _BOOL:
            return text[0] in "tT"
        if tag == _INT and len(text) <= MAX_DIGITS and _INT_FORM.fullmatch(text):
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        if tag == _FLOAT and _FLOAT_FORM.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if tag in (_MERGE, _STR, "!"):
            return text
        raise YamlError(self.place(node), "K96", tag=tag)

    def place(self, node: Node) -> Place:
        return Place(self.file, _line(node))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _check_depth(text: bytes, file: str) -> None:
    """Refuse what the composer, which recurses in C without a bound, must not be given."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise YamlError(Place(file, line), "K94", limit=MAX_DEPTH)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_expanded(documents: list[Document], file: str) -> None:
    """Refuse aliases that make a small text deep or large for whoever walks it."""
    seen: dict[int, tuple[int, int]] = {}

    def measure(value: Any) -> tuple[int, int]:
        if not isinstance(value, dict | list):
            return 1, 0
        if id(value) not in seen:
            inner = [measure(item) for item in (value.values() if isinstance(value, dict) else value)]
            size, depth = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
            if depth > MAX_DEPTH:
                raise YamlError(Place(file, line_of(value, ())), "K94", limit=MAX_DEPTH)
            if size > MAX_EXPANDED:
                raise YamlError(Place(file, line_of(value, ())), "K95", limit=MAX_ALIASES)
            seen[id(value)] = size, depth
        return seen[id(value)]

    for document in documents:
        measure(document)


def _syntax(error: yaml.YAMLError, text: bytes, file: str) -> YamlError:
    mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if isinstance(error, yaml.MarkedYAMLError) and mark is not None:
        parts = (error.context, error.problem)
        return YamlError(Place(file, mark.line + 1), "K91", reason=", ".join(part for part in parts if part))
    at = getattr(error, "position", None)
    line = text.count(b"\n", 0, at) + 1 if isinstance(at, int) and at >= 0 else 0
    return YamlError(Place(file, line), "K91", reason=str(getattr(error, "reason", error)))
