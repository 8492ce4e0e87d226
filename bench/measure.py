"""Steps measured in processes of their own, so that none warms another; ratios and tables of what they measured."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

Figures = dict[str, Any]


def measured(module: str, *arguments: str) -> Figures:
    """What `python -m MODULE ARGUMENT...` prints as its last line, which is JSON."""
    environment = {"ARROW_DEFAULT_MEMORY_POOL": "system", **os.environ}  # as the command line has it
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def ratio(found: Sequence[float]) -> str:
    """A ratio that was measured several times."""
    if len(found) == 1:
        return f"{found[0]:.2f}"
    return f"{statistics.median(found):.2f} (median of {len(found)}; {min(found):.2f} to {max(found):.2f})"


def show(rows: Iterable[tuple[str, str]]) -> None:
    """Print what has a name and a text, one a line."""
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    for name, text in listed:
        print(f"{name:<{width}}  {text}".rstrip())
