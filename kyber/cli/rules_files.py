"""The rule files that a command is given: paths in, the workspace around them and their documents out."""

from pathlib import Path
from typing import TYPE_CHECKING

from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.logs.sigma.written import Written
    from kyber.workspace import Workspace


def surroundings(folder: Path | None, paths: "Sequence[str] | None") -> "tuple[Workspace | None, Sequence[str]]":
    """The workspace that was named or is around here, and the paths of its rules where none were given.

    Raises WorkspaceError, and UsageError where there is neither a workspace nor a path.
    """
    from kyber.cli.console import root_of
    from kyber.workspace import at, find

    here = find(Path()) if folder is None else at(root_of(folder))
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
