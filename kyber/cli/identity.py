"""Who acts: git's identity in a workspace and its people in, the name that a decision is signed with out."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kyber.errors import UsageError
from kyber.git import says

if TYPE_CHECKING:
    from kyber.people import People

_HOW: Final = (
    'set it with git config user.name "First Last" and git config user.email first.last@example.org, '
    "or name the person with --by"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who git says is working here; either may be empty."""

    name: str
    email: str


def git_identity(folder: Path) -> Identity:
    """`user.name` and `user.email` as git has them in a folder. Raises UsageError where git cannot be asked."""
    git = shutil.which("git")
    if git is None:
        raise UsageError("who decides is not known: there is no git on this machine; name the person with --by")
    return Identity(_configured(git, folder, "user.name"), _configured(git, folder, "user.email"))


def _configured(git: str, folder: Path, name: str) -> str:
    try:
        run = says(git, folder, "config", "--get", name)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"who decides is not known, because git does not answer: {error}") from None
    return run.stdout.strip()  # empty where it is not set


def who(folder: Path, people: "People", by: str | None = None) -> str:
    """The id of the person who acts, or their name where `people.yaml` has no such person.

    `by` (an id or an e-mail address) comes before git. Raises UsageError where nobody is named.
    """
    if by is not None:
        return _named(by.strip(), people)
    found = git_identity(folder)
    if person := people.with_email(found.email):
        return person.id
    if name := found.name or found.email:
        return name
    raise UsageError(f"who decides is not known, because git has no user.name and user.email here: {_HOW}")


def _named(by: str, people: "People") -> str:
    known = {person.id for person in people.people}
    if by in known:
        return by
    if person := people.with_email(by):
        return person.id
    if known or not by:
        raise UsageError(f"--by {by}: there is no such person in people.yaml; there are {', '.join(sorted(known))}")
    return by
