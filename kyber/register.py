"""A register: YAML files in, frozen records with their places out, and every problem at once; edits change one line.

A record is a pydantic model. Its documentation strings are the descriptions in the JSON Schema that editors read.
Unknown keys warn and are left out; an empty value is an absent one. Writing keeps comments, order and quotes.
"""

import ast
import contextlib
import difflib
import inspect
import os
import re
import tempfile
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from kyber import privacy
from kyber.duration import Duration
from kyber.errors import KyberError
from kyber.problem import Place, Problem, Severity
from kyber.text import Key
from kyber.yamltext import Located, LocatedList, YamlError, line_of, load

Path_ = tuple[str | int, ...]
"""Where a value stands in a record: keys and list indexes."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a field as the id of a record of one of these kinds: `Annotated[str, Ref("role", "person")]`."""

    kinds: tuple[str, ...]

    def __init__(self, *kinds: str) -> None:
        object.__setattr__(self, "kinds", kinds)


YEARS: Final = range(1900, 2201)
"""The years that a moment of a register can be in: what is counted from it stays within the calendar."""


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-01-31") else _bad("date")
    except ValueError:
        return _bad("date")


def _moment(value: object) -> object:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return _bad("moment")
    return time if time.utcoffset() is not None and time.year in YEARS else _bad("moment")


def _span(value: object) -> object:
    if isinstance(value, Duration):
        return value
    try:
        return Duration.parse(value) if isinstance(value, str) else _bad("duration")
    except ValueError:
        return _bad("duration")


def _bad(kind: str) -> object:
    raise PydanticCustomError(kind, "not the kind of value that belongs here")


def _filled(value: str) -> str:
    return value if value else str(_bad("text"))


Id = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,99}$")]
"""A stable name for a record: letters, digits, dots, underscores and hyphens. Never reused."""

Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_filled)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-01-31T12:30:00Z"]})
]
"""A day and time with its offset from UTC."""
Span = Annotated[
    Duration,
    BeforeValidator(_span),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["4 h", "2 d", "12 months", "PT4H"]}),
]


class Part(BaseModel):
    """A mapping inside a record."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False, defer_build=True
    )


class Record(Part):
    """One entry of a register, which knows where it stands."""

    _file: str = PrivateAttr("")
    _document: Any = PrivateAttr(None)

    @property
    def at(self) -> Place:
        """Where the record begins."""
        return Place(self._file, line_of(self._document, ()))

    def where(self, *path: str | int) -> Place:
        """Where a field of the record stands, or the nearest thing around it."""
        return Place(self._file, line_of(self._document, path))


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A kind of record: its model, and the files of a workspace that hold one record each."""

    model: type[Record]
    glob: str


def read(text: bytes, file: str, model: type[R]) -> tuple[R | None, tuple[Problem, ...]]:
    """One file's record, or None where it has an error; and all that is to be mended in it."""
    try:
        documents = load(text, file)
    except YamlError as error:
        return None, (error.problem, *private_data(text, file))
    found = list(private_data(text, file))
    if len(documents) > 1:
        return None, (Problem(Place(file, line_of(documents[1], ())), "K82", {"documents": len(documents)}), *found)
    document = documents[0] if documents else None
    if not isinstance(document, Located):
        return None, (Problem(Place(file, line_of(document, ())), "K85"), *found)
    if _SECRET_KEY.search(text.lower()):
        found += _secrets(document, file)
    record, problems = validate(document, file, model)
    return record, tuple(sorted([*found, *problems], key=_by_line))


def read_all(root: Path, glob: str, model: type[R]) -> tuple[tuple[R, ...], tuple[Problem, ...]]:
    """The records of every file that matches `glob` under `root`, by path; symbolic links are not followed."""
    records, problems = [], []
    for file in files(root, glob):
        try:
            text = file.read_bytes()
        except OSError as error:
            problems.append(Problem(Place(str(file)), "K83", {"reason": error.strerror or str(error)}))
            continue
        record, found = read(text, str(file), model)
        problems += found
        if record is not None:
            records.append(record)
    problems += _passed_over(root, glob)
    return tuple(records), tuple(problems)


def files(root: Path, glob: str) -> list[Path]:
    """The files of a register, sorted by path."""
    return sorted(file for file in root.glob(glob) if file.is_file() and not file.is_symlink())


def _passed_over(root: Path, glob: str) -> Iterator[Problem]:
    """Files that someone will have meant as records, but whose name the register does not read."""
    if not glob.endswith("*.yaml"):
        return
    for suffix in (".yml", ".json", ".YAML"):
        for file in files(root, glob.removesuffix(".yaml") + suffix):
            yield Problem(Place(str(file)), "K84", {"suffix": file.suffix}, Severity.WARNING)


# --- from a document to a record -------------------------------------------------------------------------------------


def validate(document: Located, file: str, model: type[R]) -> tuple[R | None, list[Problem]]:
    """The record that a mapping makes, or None where it has an error; and its problems in the order of the lines."""
    problems: list[Problem] = []
    value = _without_empty(document)
    try:
        record = model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        problems = [_problem(detail, document, file, model) for detail in details]
        if any(problem.severity is Severity.ERROR for problem in problems):
            return None, sorted(problems, key=_by_line)
        for detail in details:
            _remove(value, detail["loc"])
        record = model.model_validate(value)
    record._file, record._document = file, document
    return record, sorted(problems, key=_by_line)


def _by_line(problem: Problem) -> tuple[Place, str]:
    return problem.place, problem.code


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_empty(item) if isinstance(item, dict | list) else item
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_without_empty(item) if isinstance(item, dict | list) else item for item in value]
    return value


def _remove(value: Any, path: Path_) -> None:
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]


_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode", "text"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "integer"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "boolean"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "mapping_type"), "mapping"),
    **{
        kind: kind
        for kind in (
            "date",
            "moment",
            "duration",
            "month",
            "timezone",
            "scalar",
            "matrix",
            "network",
            "finding",
            "regex",
        )
    },
    **{kind: kind for kind in ("timing", "rrule", "rrule-often", "rrule-end", "rrule-short", "rrule-never")},
    "too_short": "not-empty",
    "string_pattern_mismatch": "id",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": (">", "gt"),
    "greater_than_equal": ("≥", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("≤", "le"),
}
_SHOWN: Final = 60
_NEAREST: Final = 3


def _problem(detail: ErrorDetails, document: Located, file: str, model: type[BaseModel]) -> Problem:
    path, kind = detail["loc"], detail["type"]
    place = Place(file, line_of(document, path))
    field = privacy.mask(".".join(str(step) for step in path))
    context = detail.get("ctx", {})
    if kind == "missing":
        return Problem(place, "K80", {"field": field})
    if kind == "extra_forbidden":
        known = _nearest_first(str(path[-1]), _keys_at(model, path[:-1]))
        return Problem(place, "K90", {"key": field, "known": known}, Severity.WARNING)
    value = _shown(detail["input"])
    if kind in ("literal_error", "enum"):
        allowed = tuple(re.findall(r"'([^']*)'", context["expected"]))
        return Problem(place, "K07", {"field": field, "value": value, "expected": allowed})
    if kind in _BOUNDS:
        sign, bound = _BOUNDS[kind]
        return Problem(place, "K07", {"field": field, "value": value, "expected": f"{sign} {context[bound]}"})
    expected: object = Key(f"kind.{_KINDS[kind]}") if kind in _KINDS else detail["msg"]
    return Problem(place, "K81", {"field": field, "value": value, "expected": expected})


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return Key("kind.mapping")
    if isinstance(value, list | tuple):
        return Key("kind.list")
    text = privacy.mask("true" if value is True else "false" if value is False else str(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _model_in(argument))), None)


def _nearest_first(key: str, known: Iterable[str]) -> tuple[str, ...]:
    def distance(name: str) -> float:
        return -difflib.SequenceMatcher(None, key.casefold(), name.casefold()).ratio()

    return tuple(sorted(known, key=distance)[:_NEAREST])


def off_scale(one: Record, path: Path_, value: object, expected: object) -> Problem:
    """K07: a value that the field cannot have; `expected` is what it can."""
    facts = {"field": ".".join(map(str, path)), "value": value, "expected": expected}
    return Problem(one.where(*path), "K07", facts)


def out_of_order(
    one: Record, path: Path_, day: date | None, *, first: date | None = None, last: date | None = None
) -> Iterator[Problem]:
    """K06 where a day lies before `first` or after `last`; nothing where there is no day."""
    if day is None:
        return
    limit = first if first is not None and day < first else last if last is not None and day > last else None
    if limit is not None:
        facts = {"field": ".".join(map(str, path)), "day": day, "limit": limit}
        yield Problem(one.where(*path), "K06", facts)


# --- what must not stand in a register -------------------------------------------------------------------------------

_TOKENS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}"
)
_TOKEN_MARKS: Final = ("PRIVATE KEY", "AKIA", "xox", "ghp_", "gho_", "ghu_", "ghs_", "ghr_")
"""Without one of these in it, a text is not looked through for tokens."""
_SECRET_KEYS: Final = frozenset(("password", "passwd", "salasana", "lösenord", "secret", "token", "api_key", "apikey"))
_SECRET_KEY: Final = re.compile(rb"pass|salasana|senord|secret|token|api|\\")
"""What a file has in small letters where a key in it may be one of those, as it stands or escaped."""


def private_data(text: bytes, file: str) -> Iterator[Problem]:
    """K08 for each personal identity code and recognisable secret in a text, comments included; never its value."""
    decoded = text.decode("utf-8", "replace")
    for start, _ in privacy.find(decoded):
        yield Problem(Place(file, decoded.count("\n", 0, start) + 1), "K08", {"what": Key("kind.personal-code")})
    for match in _TOKENS.finditer(decoded) if any(mark in decoded for mark in _TOKEN_MARKS) else ():
        yield Problem(Place(file, decoded.count("\n", 0, match.start()) + 1), "K08", {"what": Key("kind.secret")})


def _secrets(value: Any, file: str) -> Iterator[Problem]:
    if isinstance(value, Located):
        for key, item in value.items():
            if key.casefold() in _SECRET_KEYS and isinstance(item, str | int) and item != "":
                yield Problem(Place(file, value.lines[key]), "K08", {"what": Key("kind.secret")})
            yield from _secrets(item, file)
    elif isinstance(value, LocatedList):
        for item in value:
            yield from _secrets(item, file)


# --- references between records --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another record by its id."""

    place: Place
    path: Path_
    kinds: tuple[str, ...]
    id: str


def references(record: Record) -> Iterator[Reference]:
    """Every reference in a record, in the order of its fields."""
    for path, ref, target in _references(record, ()):
        yield Reference(record.where(*path), path, ref.kinds, target)


def without_references(record: R, gone: Collection[tuple[str, str]]) -> R | None:
    """The record without references to records of these kinds and ids, and without the parts that cannot do without
    one; None where it cannot itself. Nothing that is left says that there was any."""
    found = _left_of(record, None, gone)
    return None if found is _GONE else cast(R, found)


_GONE: Final = object()


def _left_of(value: object, ref: Ref | None, gone: Collection[tuple[str, str]]) -> object:
    if isinstance(value, BaseModel):
        changed: dict[str, object] = {}
        for name, _, mark in _referring(type(value)):
            old = getattr(value, name)
            if (new := _left_of(old, mark, gone)) is _GONE:
                field = type(value).model_fields[name]
                if field.is_required():
                    return _GONE
                new = field.get_default(call_default_factory=True)
            if new != old:
                changed[name] = new
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, Mapping):
        left = ((key, _left_of(item, ref, gone)) for key, item in value.items())
        return {key: item for key, item in left if item is not _GONE}
    if isinstance(value, tuple):
        return tuple(item for item in (_left_of(one, ref, gone) for one in value) if item is not _GONE)
    if isinstance(value, str) and ref is not None and any((kind, value) in gone for kind in ref.kinds):
        return _GONE
    return value


def _references(model: BaseModel, path: Path_) -> Iterator[tuple[Path_, Ref, str]]:
    for name, key, ref in _referring(type(model)):
        yield from _references_in(getattr(model, name), ref, (*path, key))


def _references_in(value: object, ref: Ref | None, path: Path_) -> Iterator[tuple[Path_, Ref, str]]:
    if isinstance(value, BaseModel):
        yield from _references(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _references_in(item, ref, (*path, str(key)))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _references_in(item, ref, (*path, index))
    elif isinstance(value, str) and ref is not None:
        yield path, ref, value


@cache
def _referring(model: type[BaseModel]) -> tuple[tuple[str, str, Ref | None], ...]:
    """The fields in which references can stand: name, key in the file, and the mark of one that is a reference."""
    found = []
    for name, info in model.model_fields.items():
        ref = next((mark for mark in info.metadata if isinstance(mark, Ref)), None) or _ref_in(info.annotation)
        if ref is not None or any(_referring(part) for part in _models_in(info.annotation)):
            found.append((name, info.alias or name, ref))
    return tuple(found)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _ref_in(annotation: object) -> Ref | None:
    for argument in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        found = argument if isinstance(argument, Ref) else _ref_in(argument)
        if found is not None:
            return found
    return None


# --- schemas for editors ---------------------------------------------------------------------------------------------


def schema(model: type[Record], name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, for editors that complete and check while one types.

    The descriptions are the texts below the fields in the source: looked up here, since pydantic would read the source
    of every model whenever kyber starts.
    """
    made = model.model_json_schema()
    parts = {"": made, **made.get("$defs", {})}
    for part in _models_below(model):
        properties = parts.get("" if part is model else part.__name__, {}).get("properties", {})
        for key, text in descriptions(part).items():
            if key in properties:
                properties[key]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": f"kyber {name}"}


def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """What the source says of the fields of a model, by their keys in a file."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not (isinstance(one, type) and issubclass(one, Part) and one.__module__ != __name__):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body  # type: ignore[attr-defined]  # a class
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and field.target.id in model.model_fields
            ):
                alias = model.model_fields[field.target.id].alias
                found[alias or field.target.id] = inspect.cleandoc(str(text.value.value))
    return found


def _models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model, and each that stands in it, once."""
    waiting, seen = [model], set[type[BaseModel]]()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += (inner for info in one.model_fields.values() for inner in _models_in(info.annotation))


# --- writing back ----------------------------------------------------------------------------------------------------


class _Absent:
    """What is to be there no more."""


ABSENT: Final = _Absent()
"""As the value of an edit: take it out."""


class EditError(KyberError):
    """The edit cannot be made without touching other lines of the file."""


def edited(text: str, path: Path_, value: object) -> str:
    """The text of a YAML file with the value at `path` set; no line changes that the value does not stand on.

    The last step of the path may be a new key, or a list's length to append; ABSENT takes out what is there. Raises
    EditError where a step before it does not exist, or where the file's layout does not let one value be changed alone.
    """
    from ruamel.yaml.error import YAMLError

    yaml = _round_trip(text)
    try:
        before = _dump(yaml, yaml.load(text))
    except YAMLError as error:
        raise EditError(f"the file cannot be edited one value at a time: {' '.join(str(error).split())}") from None
    document = yaml.load(text)
    parent = document
    try:
        for step in path[:-1]:
            parent = parent[step]
        if value is ABSENT:
            del parent[path[-1]]
        elif isinstance(parent, list) and path[-1] == len(parent):
            parent.append(_laid_out(value))
        else:
            parent[path[-1]] = _laid_out(value)
    except (KeyError, IndexError, TypeError):
        raise EditError(f"there is nothing at {'.'.join(map(str, path))}") from None
    return _carry_over(text, before, _dump(yaml, document))


def text_of(document: Mapping[str, object]) -> str:
    """The text of a new YAML file that holds a mapping."""
    return _dump(_round_trip(""), _laid_out(document))


def write(file: Path, text: str) -> None:
    """Replace a file's text whole or not at all, keeping its permissions."""
    with tempfile.NamedTemporaryFile("wb", dir=file.parent, prefix=f".{file.name}.", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
            temporary.chmod(file.stat().st_mode & 0o7777 if file.exists() else 0o644)
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    with contextlib.suppress(OSError):
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _laid_out(value: object) -> object:
    """The value, with texts of several lines as blocks, which a diff shows line by line."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    if isinstance(value, Mapping):
        return {key: _laid_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_laid_out(item) for item in value]
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, str) and "\n" in value and _is_block(value):
        return LiteralScalarString(value)
    return value


def _is_block(text: str) -> bool:
    """Whether a text can stand as a literal block and be read back as it is."""
    lines = text.split("\n")
    return not text[0].isspace() and all(line.isprintable() and line == line.rstrip() for line in lines)


def _round_trip(text: str) -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**20
    yaml.explicit_start = text.startswith("---")
    indented = re.search(r"^([ ]*)[^\s#-][^\n]*:[ ]*\n\1([ ]*)- ", text, re.MULTILINE)
    offset = len(indented[2]) if indented else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml


def _dump(yaml: Any, document: object) -> str:
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _carry_over(text: str, before: str, after: str) -> str:
    """Make in `text` the change that leads from `before`, which is `text` as the writer lays it out, to `after`."""
    if text == before:
        return after
    own, base, new = (part.splitlines(keepends=True) for part in (text, before, after))
    line_in_own = {
        base_line: own_line
        for tag, own_start, own_end, base_start, base_end in _changes(own, base)
        if tag == "equal" or own_end - own_start == base_end - base_start
        for own_line, base_line in zip(range(own_start, own_end), range(base_start, base_end), strict=True)
    }
    result, done = [], 0
    for tag, start, end, new_start, new_end in _changes(base, new):
        if tag == "equal":
            continue
        anchors = range(start, end) if end > start else range(max(start - 1, 0), start)
        if not all(line in line_in_own for line in anchors):
            raise _no_edit()
        first = line_in_own[start] if end > start else line_in_own[start - 1] + 1 if start else 0
        depth = _indent(new[new_start]) if new_end > new_start else 0
        alike = [line for line in range(end) if line in line_in_own and _indent(base[line]) == depth]
        shift = _indent(own[line_in_own[alike[-1]]]) - depth if alike else 0
        result += own[done:first] + [_shifted(line, shift) for line in new[new_start:new_end]]
        done = first + (end - start)
    made = "".join(result + own[done:])
    if load(made.encode(), "") != load(after.encode(), ""):
        raise _no_edit()
    return made


def _changes(a: Sequence[str], b: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _shifted(line: str, by: int) -> str:
    return " " * by + line if by >= 0 else line.removeprefix(" " * -by)


def _no_edit() -> EditError:
    return EditError("the file's layout does not let this value be changed alone; edit it by hand")


__all__ = [
    "ABSENT",
    "Day",
    "EditError",
    "Id",
    "Moment",
    "Part",
    "Record",
    "Ref",
    "Reference",
    "Register",
    "Span",
    "Text",
    "edited",
    "files",
    "off_scale",
    "out_of_order",
    "private_data",
    "read",
    "read_all",
    "references",
    "schema",
    "text_of",
    "validate",
    "without_references",
    "write",
]
