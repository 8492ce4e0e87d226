import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.run import kyber

ROOT = Path(__file__).parent.parent.parent
HEAVY = (
    "numpy",
    "yaml",
    "ruamel",
    "babel",
    "jinja2",
    "orjson",
    "evtx",
    "re2",
    "zstandard",
    "elasticsearch",
)


HELPS = """
import sys
from typer.main import get_command
from kyber.cli import app

assert "pydantic" not in sys.modules  # later, Typer itself may load it

def walk(command, path):
    try:
        ROOT.main([*path, "--help"], prog_name="kyber")
    except SystemExit as end:
        assert end.code == 0, path
    for parameter in command.params:
        if parameter.name != "help" and not (parameter.name or "").endswith("_completion"):
            assert getattr(parameter, "help", None), f"{path} {parameter.name} has no help"
    assert command.help, path
    for name, inner in getattr(command, "commands", {}).items():
        walk(inner, [*path, name])

ROOT = get_command(app)
walk(ROOT, [])
print("\\nLOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_every_command_and_option_has_help_and_showing_it_loads_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", HELPS], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert not loaded & set(HEAVY)
    assert "typer" in loaded


def test_the_version_is_shown() -> None:
    result = kyber("--version")
    assert result.exit_code == 0
    assert result.output.startswith("kyber ")


@pytest.mark.parametrize(
    ("command", "option"),
    [("scan", "--store"), ("scan", "--level"), ("search", "--format"), ("findings list", "--status")],
)
def test_a_value_that_an_option_does_not_take_is_told_in_plain_words(command: str, option: str) -> None:
    result = kyber(*command.split(), option, "nosuch")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert ": 'nosuch' is not one of '" in result.stderr
