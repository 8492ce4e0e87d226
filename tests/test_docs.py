"""The documents, held against the program: what they show is run, what they list is counted, what they link is there.

In a ```console block, a line that begins with `$ ` is a command and the lines below it are its output, standard error
included. The blocks of a document run in order, in a folder that holds copies of `rules` and `samples`; `$ cd` lasts
until the next one. A ```yaml block whose first line is a comment that names a file is written to that file. In output,
a line `…` stands for any number of lines, and `…` within a line for any text.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from json import loads
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kyber.cli import app
from kyber.join import MODELS
from kyber.logs.formats.known import FORMATS
from kyber.logs.sigma.detection import MODIFIERS
from kyber.text import catalogue

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "rules" / "README.md"], key=lambda file: file.as_posix()
)
COPIED = ("rules", "samples")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAMED = re.compile(r"# ([\w.-]+(?:/[\w.-]+)*\.ya?ml)\n")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")

NORMALISED = (
    (re.compile(re.escape(f"{ROOT}/")), ""),  # where the checkout lies
    (re.compile(r"\b\d+\.\d s\b"), "0.0 s"),  # how long a scan took
)
"""What differs from one machine to the next, and what stands for it."""


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# --- what the documents show -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """A command and what it is told to show, or a file and its content."""

    told: str
    output: tuple[str, ...] = ()
    file: str = ""


def steps(document: str) -> Iterator[Step]:
    for language, body in BLOCK.findall(document):
        if language == "yaml" and (named := FILE_NAMED.match(body)):
            yield Step(body, file=named[1])
        elif language == "console":
            command, output = "", []
            for line in body.splitlines():
                if line.startswith("$ "):
                    if command:
                        yield Step(command, tuple(output))
                    command, output = line.removeprefix("$ "), []
                else:
                    output.append(line)
            yield Step(command, tuple(output))


def normalised(lines: list[str]) -> list[str]:
    for pattern, stands_for in NORMALISED:
        lines = [pattern.sub(stands_for, line) for line in lines]
    return [line.rstrip() for line in lines]


def agrees(told: list[str], shown: list[str]) -> bool:
    """Whether the output is as told."""
    pieces: list[list[str]] = [[]]
    for line in told:
        if line == "…":
            pieces.append([])
        else:
            pieces[-1].append(line)
    head, *rest = pieces
    if not rest:
        return is_same(head, shown)
    *middle, tail = rest
    if len(shown) < len(head) + len(tail) or not is_same(head, shown[: len(head)]):
        return False
    at, end = len(head), len(shown) - len(tail)
    for piece in middle:
        at = next((n for n in range(at, end - len(piece) + 1) if is_same(piece, shown[n : n + len(piece)])), end + 1)
        at += len(piece)
    return at <= end and is_same(tail, shown[end:])


def is_same(told: list[str], shown: list[str]) -> bool:
    return len(told) == len(shown) and all(map(is_same_line, told, shown))


def is_same_line(told: str, shown: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, told.split("…"))), shown) is not None


def parting(told: list[str], shown: list[str]) -> str:
    """What is told and stands nowhere in the output, and the output."""
    missing = [line for line in told if not any(is_same_line(line, other) for other in shown)]
    return "\n".join(
        ("told, not shown:" if missing else "told in another order or number;", *missing, "shown:", *shown)
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder like a checkout, beside it a `kyber` that runs this source with this interpreter."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name)
    command = tmp_path / "bin" / "kyber"
    command.parent.mkdir()
    start = "import sys; sys.argv[0] = 'kyber'; from kyber.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return folder


def answer(command: str, folder: Path, place: Path) -> list[str]:
    """What a command shows, as lines."""
    environment = {
        "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(place.parent),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    command = "kyber scan samples" if command == "make scan" else command
    run = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return run.stdout.splitlines()


SHOWING = [document for document in DOCUMENTS if any(steps(document.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("document", SHOWING, ids=name_of)
def test_what_a_document_shows_is_what_the_commands_answer(document: Path, place: Path) -> None:
    folder = place
    for step in steps(document.read_text(encoding="utf-8")):
        if step.file:
            (folder / step.file).write_text(step.told, encoding="utf-8")
        elif step.told.startswith("cd "):
            folder = (folder / step.told.removeprefix("cd ")).resolve()
            assert folder.is_relative_to(place), step.told
        else:
            told, shown = normalised(list(step.output)), normalised(answer(step.told, folder, place))
            if not agrees(told, shown):
                pytest.fail(f"$ {step.told}\n{parting(told, shown)}", pytrace=False)


def test_the_readme_shows_commands_at_work() -> None:
    commands = [step.told for step in steps(read("README.md")) if not step.file]
    assert "make scan" in commands
    assert len(commands) > 10


def test_make_scan_scans_the_samples() -> None:
    assert re.search(r"^scan:.*\n\t@?\$\(BIN\)/kyber scan samples$", read("Makefile"), re.MULTILINE)


@pytest.mark.parametrize(
    ("told", "shown", "expected"),
    [
        ("a|b", "a|b", True),
        ("a|b", "a|b|c", False),
        ("a|…|c", "a|b|b|c", True),
        ("a|…|c", "a|c", True),
        ("a|…|c", "a|c|d", False),
        ("…|b|…", "a|b|c", True),
        ("…|b|…|b", "a|b|c", False),
        ("…|b|…|b|…", "a|b|c|b|d", True),
        ("a…z", "a to z", True),
        ("a…z", "a to y", False),
        ("a.z", "a-z", False),
        ("…", "", True),
    ],
)
def test_output_agrees_where_all_that_is_told_stands_in_it_in_order(told: str, shown: str, expected: bool) -> None:
    assert agrees(told.split("|"), shown.split("|")) is expected


# --- what the documents list -----------------------------------------------------------------------------------------


def sections(document: str) -> dict[str, str]:
    """Heading (without its marks) -> the text up to the next heading of its level or above."""
    found = {}
    headings = list(
        re.finditer(
            r"^(#+) (.+)$", re.sub(BLOCK, lambda m: re.sub("^#", " ", m[0], flags=re.M), document), re.MULTILINE
        )
    )
    for at, heading in enumerate(headings):
        end = next((one.start() for one in headings[at + 1 :] if len(one[1]) <= len(heading[1])), len(document))
        found[heading[2]] = document[heading.end() : end]
    return found


def table_of(section: str) -> list[list[str]]:
    """The cells of the tables in a section, their headers and rulers left out."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    rulers = [at for at, row in enumerate(rows) if all(set(cell) <= {"-", ":"} for cell in row)]
    return [row for at, row in enumerate(rows) if at not in rulers and at + 1 not in rulers]


def commands() -> Iterator[tuple[str, Any]]:
    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        yield " ".join(path), command
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*path, name))

    return below(get_command(app), ("kyber",))


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_and_arguments_of_every_command_are_listed_and_no_others(name: str) -> None:
    listed = " ".join(row[0] for row in table_of(sections(read("docs/commands.md"))[f"`{name}`"]))
    parameters = [one for one in COMMANDS[name].params if one.name != "help"]
    known = {opt for one in parameters for opt in one.opts if opt.startswith("-")}
    assert set(OPTION.findall(listed)) == known
    for argument in (one for one in parameters if one.param_type_name == "argument"):
        assert argument.metavar in listed


def test_the_list_of_commands_has_a_section_for_each_and_for_nothing_else() -> None:
    assert {heading for heading in sections(read("docs/commands.md")) if heading.startswith("`kyber")} == {
        f"`{name}`" for name in COMMANDS
    }


def test_the_readme_names_every_format() -> None:
    listed = {row[0].strip("`") for row in table_of(sections(read("docs/reading.md"))["Formats"])}
    assert listed == set(FORMATS)
    assert all(f"`{name}`" in read("README.md") for name in FORMATS)


@pytest.mark.parametrize(
    ("letters", "document"), [("F", "docs/reading.md"), ("R", "docs/sigma.md"), ("KS", "docs/registers.md")]
)
def test_every_code_is_explained_and_no_other(letters: str, document: str) -> None:
    known = {key.partition(".")[0] for letter in letters for key in catalogue("en", letter)}
    listed = {row[0].strip("`") for row in table_of(read(document)) if re.fullmatch(r"`[A-Z]\d\d`", row[0])}
    assert listed == known


def bounds() -> Iterator[tuple[str, str, float]]:
    for document in DOCUMENTS:
        for row in table_of(document.read_text(encoding="utf-8")):
            if len(row) > 1 and (named := re.fullmatch(r"`((?:\w+\.)+)([A-Z_]+)`", row[0])):
                yield f"kyber.{named[1]}"[:-1], named[2], float(row[1].replace(",", ""))


@pytest.mark.parametrize(("module", "constant", "value"), list(bounds()))
def test_a_bound_is_what_the_document_says(module: str, constant: str, value: float) -> None:
    assert getattr(import_module(module), constant) == value


def test_the_documents_say_what_bounds_there_are() -> None:
    assert {"MAX_RECORD", "MAX_RATIO", "CHUNK", "MAX_LEAVES", "MAX_ALIASES"} <= {name for _, name, _ in bounds()}


def test_every_modifier_is_explained_and_no_other() -> None:
    rows = table_of(sections(read("docs/sigma.md"))["Modifiers"])
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} == MODIFIERS


def test_every_field_of_a_line_about_a_finding_is_explained(place: Path) -> None:
    lines = answer("kyber scan samples --json 2>/dev/null", place, place)
    assert len(lines) > 10
    explained = set(re.findall(r"`([\w.]+)`", read("docs/findings.md")))
    assert {name for line in lines for name in names_in(loads(line))} <= explained


def names_in(record: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names in a record, joined by dots; those that come from logs, and languages, are not looked into."""
    for key, value in record.items():
        name = f"{before}{key}"
        yield name
        if name not in ("group", "sample.fields", "next"):
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from names_in(inner, f"{name}.")


@pytest.mark.parametrize("name", MODELS)
def test_every_field_of_a_register_is_explained_and_no_other(name: str) -> None:
    section = next(
        text for heading, text in sections(read("docs/registers.md")).items() if f"`{MODELS[name].glob}`" in heading
    )
    known = {info.alias or field for field, info in MODELS[name].model.model_fields.items()}
    assert {row[0].strip("`") for row in table_of(section)} >= known
    assert {row[0].strip("`").partition(".")[0] for row in table_of(section)} - {"NAME"} <= known


def test_every_target_of_make_is_explained() -> None:
    targets = re.findall(r"^([a-z]+): .*##", read("Makefile"), re.MULTILINE)
    assert len(targets) > 5
    assert [target for target in targets if f"make {target}" not in read("CONTRIBUTING.md")] == []


# --- what the documents link -----------------------------------------------------------------------------------------


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = sections(file.read_text(encoding="utf-8"))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_within_the_project_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(BLOCK, "", document.read_text(encoding="utf-8"))):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_readme_leads_to_every_document() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", read("README.md")))
    assert {name_of(document) for document in DOCUMENTS} - {"README.md"} <= linked


def test_the_changelog_has_the_current_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## \[{re.escape(version)}\]", read("CHANGELOG.md"), re.MULTILINE)
