"""What a large register of risks costs, against reading its YAML alone: `python -m bench registers`.

Makes a workspace of so many risks, and measures `kyber check`, `kyber risks list` and parsing the same files
with the YAML reader and nothing else, each in a process of its own, in turn. Prints seconds and the ratio to parsing.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from tests.risks.county import ACTION, CONTROL, PEOPLE, RISK, SETTINGS, lay_out

KYBER = "import sys; sys.argv[0] = 'kyber'; from kyber.cli import main; main()"
PARSE = """
import sys
from pathlib import Path
from kyber.yamltext import load
for file in Path(sys.argv[1]).rglob("*.yaml"):
    load(file.read_bytes(), str(file))
"""


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
        root = made(Path(folder), options.risks, options.controls)
        commands = {
            "parse": [sys.executable, "-c", PARSE, str(root)],
            "kyber --version": [sys.executable, "-c", KYBER, "--version"],
            "kyber check": [sys.executable, "-c", KYBER, "check", str(root)],
            "kyber risks list": [sys.executable, "-c", KYBER, "risks", "list", "--workspace", str(root)],
        }
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(options.runs):
            for name, command in commands.items():
                best[name] = min(best[name], taken(command))
    print(
        f"{options.risks} risks, {options.controls} controls, {options.risks} actions; the best of {options.runs} runs"
    )
    for name, seconds in best.items():
        print(f"{name:<18}{seconds:>7.2f} s {seconds / best['parse']:>6.2f} × parsing")


def made(root: Path, risks: int, controls: int) -> Path:
    """A workspace of so many risks and controls; the same every time."""
    files = {"kyber.yaml": SETTINGS, "people.yaml": PEOPLE}
    for number in range(1, risks + 1):
        changes = {
            "R-001": f"R-{number:03}",
            "A stolen account opens records": f"Risk {number} of the county",
            "C-001": f"C-{number % controls + 1:03}",
            "A-001": f"A-{number:03}",
            "likelihood: 3\n": f"likelihood: {number % 5 + 1}\n",
        }
        text = RISK
        for old, new in changes.items():
            text = text.replace(old, new)
        files[f"risks/R-{number:03}-a.yaml"] = text
        files[f"actions/A-{number:03}-a.yaml"] = ACTION.replace("A-001", f"A-{number:03}")
    for number in range(1, controls + 1):
        text = CONTROL.replace("C-001", f"C-{number:03}").replace("A second factor", f"Control {number}")
        files[f"controls/C-{number:03}-a.yaml"] = text
    return lay_out(root, files)


def taken(command: Sequence[str]) -> float:
    """How long a command takes; SystemExit where it does not end as one that checks does."""
    start = perf_counter()
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if run.returncode not in (0, 1):  # 1: there is something to mend
        raise SystemExit(run.stderr.decode())
    return perf_counter() - start


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench registers", description=__doc__)
    parser.add_argument("--risks", type=int, default=1000)
    parser.add_argument("--controls", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(arguments)
