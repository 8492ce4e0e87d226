"""The rules that a command looks at: where they lie, the watch lists beside them, and the documents in their files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import around
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.logs.sigma.written import Written
    from kyber.problem import Problem
    from kyber.workspace import Workspace


RulePaths = Annotated[
    list[str] | None,
    typer.Option(
        "--rules",
        "-r",
        metavar="PATH",
        help="A rule file or a folder of them, instead of the shipped rules and the workspace's; may be repeated.",
        show_default=False,
    ),
]
"""The option that names other rules."""


def rule_paths(here: "Workspace | None") -> list[str]:
    """Where a scan finds rules. The workspace's own come first: one with the id of a shipped rule takes its place."""
    from kyber.logs.sigma.shipped import shipped_rules

    shipped, current = shipped_rules(), Path.cwd()
    return [*_own(here), str(shipped.relative_to(current) if shipped.is_relative_to(current) else shipped)]


def with_others(paths: "Sequence[str]", here: "Workspace | None") -> list[str]:
    """Some paths, and after them all others from where a scan would read rules, since rules name each other."""
    from kyber.logs.sigma.shipped import shipped_rules

    return list(dict.fromkeys((*paths, *_own(here), str(shipped_rules()))))


def _own(here: "Workspace | None") -> list[str]:
    return [str(here.rules)] if here is not None and here.rules.is_dir() else []


def watch_lists(here: "Workspace | None") -> "tuple[Mapping[str, tuple[str, ...]], tuple[Problem, ...]]":
    """The watch lists of the workspace, by name, and what is wrong with them; none without one."""
    from kyber.logs.lists import load_lists

    return load_lists(here.root) if here is not None else ({}, ())


def surroundings(folder: Path | None, paths: "Sequence[str] | None") -> "tuple[Workspace | None, Sequence[str]]":
    """The workspace that was named or is around here, and the paths of its rules where none were given.

    Raises WorkspaceError, and UsageError where there is neither a workspace nor a path.
    """
    here = around(folder)
    if paths:
        return here, paths
    if here is None:
        raise UsageError("there is no workspace here: name the rule files, or folders of them")
    return here, [str(here.rules)]


def documents(paths: "Sequence[str]") -> "tuple[dict[str, bytes], list[Written]]":
    """The text of each rule file, and the documents in them; what cannot be read is left to `read_rules` to tell."""
    from kyber.logs.sigma.rule import MAX_FILE, rule_files
    from kyber.logs.sigma.written import Written
    from kyber.yamltext import YamlError, load

    texts: dict[str, bytes] = {}
    found = []
    for file in dict.fromkeys(rule_files(paths)[0]):
        try:
            if not file.is_file() or file.stat().st_size > MAX_FILE:
                continue
            text = file.read_bytes()
            read = load(text, str(file))
        except (OSError, YamlError):
            continue
        texts[str(file)] = text
        found += [Written(str(file), number, one) for number, one in enumerate(read) if isinstance(one, dict)]
    return texts, found
