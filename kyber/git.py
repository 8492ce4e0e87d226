"""What git says of a workspace: a folder in, commits, former names and texts out. Never writes.

Where there is no git, or the folder is in no repository, there is no history: the answers are empty.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

SHA1: Final = 40
"""Letters of an id where git uses SHA-1."""
SECONDS: Final = 10.0
"""How long git may take for a short answer."""
HISTORY_SECONDS: Final = 60.0
"""How long it may take to go through the history."""

QUIETLY: Final = (
    *("-c", "safe.bareRepository=explicit"),  # a folder of the workspace that poses as a repository is none
    *("-c", "core.fsmonitor=false"),
    *("-c", "log.showSignature=false"),
    *("-c", "core.hooksPath=/dev/null"),
    "--no-pager",
)
"""A repository's own configuration may name programs; a workspace may be a stranger's, so none of them is run."""
_FORMAT: Final = "%x00%H%x00%aI%x00%an%x00%s%x00"
"""Of each commit; a NUL is the one character that none of it can hold."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, and the files in it that were asked for, by their names from the workspace's root."""

    id: str
    time: datetime
    author: str
    subject: str
    files: tuple[str, ...]


def _environment() -> dict[str, str]:
    return {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def says(git: str, folder: Path, *arguments: str, seconds: float = SECONDS) -> "subprocess.CompletedProcess[str]":
    """What git answers in a folder, whatever it ends with. Raises OSError, and TimeoutExpired after so long."""
    return subprocess.run(  # noqa: S603 - git's own path, and arguments that nobody else chose
        [git, *QUIETLY, *arguments],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
    )


def head(folder: Path) -> str | None:
    """The id of the commit that is checked out; None where there is none."""
    return _answer(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None


def changed(folder: Path, *globs: str) -> tuple[str, ...]:
    """The names of the files that match and differ from the commit that is checked out, are in no commit, or are gone.

    Contents are compared here: git would ask the filters that the repository's configuration names.
    """
    listed = _answer(folder, "ls-tree", "-r", "-z", "HEAD")
    committed: dict[str, str] = {}
    for entry in filter(None, listed.split("\0")):
        about, _, name = entry.partition("\t")
        if any(_matches(name, glob) for glob in globs):
            committed[name] = about.split()[2]
    there = {
        file.relative_to(folder).as_posix(): file for glob in globs for file in folder.glob(glob) if file.is_file()
    }
    names = {*committed, *there}
    return tuple(sorted(one for one in names if committed.get(one) != _object_id(there.get(one), committed.get(one))))


def _matches(name: str, glob: str) -> bool:
    path = PurePosixPath(name)
    return len(path.parts) == len(PurePosixPath(glob).parts) and path.match(glob)


def _object_id(file: Path | None, like: str | None) -> str | None:
    """The id that git gives a file's content, of the kind of another id."""
    if file is None:
        return None
    content = file.read_bytes()
    made = hashlib.sha256 if like is not None and len(like) > SHA1 else hashlib.sha1
    return made(b"blob %d\0" % len(content) + content).hexdigest()


def used_names(folder: Path, *folders: str) -> frozenset[str]:
    """Every name that a file in these folders has had, on any branch."""
    said = _answer(folder, "log", "--all", "--relative", "--format=", "--name-only", "--diff-filter=AR", "-M", "--",
                   *folders)  # fmt: skip
    return frozenset(line for line in said.splitlines() if line)


def removed_names(folder: Path, *folders: str) -> frozenset[str]:
    """The names of files in these folders that were taken out, by the history of what is checked out."""
    said = _answer(folder, "log", "--relative", "--format=", "--name-only", "--diff-filter=D", "-M", "--", *folders)
    return frozenset(line for line in said.splitlines() if line)


def changed_names(folder: Path, since: datetime, *folders: str) -> frozenset[str]:
    """The names of files in these folders that commits since a moment (aware) changed."""
    said = _answer(folder, "log", "--relative", "--format=", "--name-only", f"--since={since.isoformat()}", "--",
                   *folders)  # fmt: skip
    return frozenset(line for line in said.splitlines() if line)


def commits(folder: Path, *paths: str) -> tuple[Commit, ...]:
    """The commits that changed these files or folders, the first one first; merges left out."""
    said = _answer(
        folder,
        "log",
        "--reverse",
        "--no-merges",
        "--relative",
        "-M",
        "--name-only",
        f"--format={_FORMAT}",
        "--",
        *paths,
    )
    parts = iter(said.split("\0")[1:])
    return tuple(_commit(*entry) for entry in zip(parts, parts, parts, parts, parts, strict=True))


def files_at(folder: Path, revision: str, *folders: str) -> tuple[str, tuple[str, ...]] | None:
    """The id of a commit, tag or branch, and the files in these folders then; None where git knows no such name."""
    commit = _answer(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    if not commit:
        return None
    said = _answer(folder, "ls-tree", "-r", "--name-only", commit, "--", *folders)
    return commit, tuple(line for line in said.splitlines() if line)


def texts(folder: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[bytes | None]:
    """The content of files, each by commit and name; None where a commit does not have it. In the order asked."""
    git = shutil.which("git")
    if git is None or not wanted:
        yield from (None for _ in wanted)
        return
    asked = "".join(f"{commit}:./{name}\n" for commit, name in wanted)
    run = subprocess.run(  # noqa: S603 - as above
        [git, *QUIETLY, "cat-file", "--batch"],
        cwd=folder,
        env=_environment(),
        input=asked.encode(),
        capture_output=True,
        timeout=HISTORY_SECONDS,
        check=False,
    )
    said, at = run.stdout, 0
    for _ in wanted:
        end = said.find(b"\n", at)
        about, at = said[at:end].split(), end + 1
        if len(about) != 3 or not about[2].isdigit():
            yield None
            continue
        size = int(about[2])
        yield said[at : at + size]
        at += size + 1


def _commit(id_: str, time: str, author: str, subject: str, names: str) -> Commit:
    return Commit(id_, datetime.fromisoformat(time), author, subject, _names(names))


def _names(rest: str) -> tuple[str, ...]:
    return tuple(line for line in rest.splitlines() if line)


def _answer(folder: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        run = says(git, folder, "-c", "core.quotePath=false", *arguments, seconds=HISTORY_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""
