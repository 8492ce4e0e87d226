"""Where a secret is kept in, the secret out, or why there is none. No secret stands in an error, a text or a repr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kyber.problem import Place, Problem, Severity

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd names the folder of a service's credentials, see systemd.exec(5)."""
MAX_SECRET: Final = 65_536
"""Bytes of a secret."""

_OTHERS_READ: Final = 0o004


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Where a secret is kept: the name of an environment variable, or a file; `at` is where the settings say so.

    A variable that is not set is looked for as a systemd credential of the same name. A file is told from the root of
    the workspace, or absolute.
    """

    at: Place
    variable: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that does not show in a repr."""

    value: str = field(repr=False)


def find(named: Named, root: Path, environment: Mapping[str, str]) -> tuple[Secret | None, tuple[Problem, ...]]:
    """The secret, without the line end after it. S14: it is missing or empty. S15: others may read its file."""
    if named.variable is not None:
        value = environment.get(named.variable, "")
        folder = environment.get(CREDENTIALS)
        if not value and folder:
            value = _read(Path(folder) / named.variable)
        return _found(value, named.at, f"${named.variable}")
    file = root / (named.file or "")
    secret, problems = _found(_read(file), named.at, str(file))
    if secret is not None and file.stat().st_mode & _OTHERS_READ:
        problems = (Problem(named.at, "S15", {"file": file}, Severity.WARNING),)
    return secret, problems


def _found(value: str, at: Place, where: str) -> tuple[Secret | None, tuple[Problem, ...]]:
    return (Secret(value), ()) if value.strip() else (None, (Problem(at, "S14", {"where": where}),))


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_SECRET).decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError):
        return ""
