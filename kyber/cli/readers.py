"""Who may see personal identity codes: a purpose in, a line in `.kyber/readers.jsonl` out, before anything is shown."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from kyber.cli.files import append
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.workspace import Workspace


def may_reveal(here: "Workspace | None", purpose: str) -> None:
    """Raises UsageError where --reveal cannot be recorded, or nobody says what for."""
    if here is None:
        raise UsageError("--reveal needs a workspace, where the reading is recorded; make one with `kyber init`")
    if not purpose.strip():
        raise UsageError("--reveal needs --purpose: say why personal identity codes have to be seen")


def record_reading(
    here: "Workspace", command: str, purpose: str, now: datetime, looked_at: Mapping[str, object]
) -> None:
    """Who saw identity codes, when and why, and what they looked at.

    Raises UsageError where it cannot be written: what is not recorded is not shown.
    """
    from kyber.render.safe import json_line

    line = json_line(
        {"time": now.isoformat(), "user": user(), "command": command, "purpose": purpose.strip(), **looked_at}
    )
    readers = here.state / "readers.jsonl"
    try:
        here.state.mkdir(exist_ok=True)
        append(readers, line)
    except OSError as error:
        raise UsageError(f"--reveal must be recorded in {readers}, which fails: {error.strerror}") from None


def user() -> str:
    """The account that runs kyber, as the system knows it: the environment could say anything."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
    except ImportError:  # Windows
        import getpass

        return getpass.getuser()
