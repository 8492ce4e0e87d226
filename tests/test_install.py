"""kyber as it is installed: the wheel that the project makes, and its installation without a network."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "https_proxy": "http://127.0.0.1:9", "NO_COLOR": "1"}


def run(*command: str | Path, folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, made by what is installed here."""
    pytest.importorskip("hatchling", reason="hatchling, which makes the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, ROOT, folder=folder, environment=NO_NETWORK)
    (made,) = folder.glob("kyber-*.whl")
    return made


def test_the_wheel_holds_every_file_that_kyber_reads_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
    files = {path for folder in ("kyber", "rules") for path in (ROOT / folder).rglob("*") if path.is_file()}
    wanted = {
        (path.relative_to(ROOT) if path.is_relative_to(ROOT / "kyber") else "kyber" / path.relative_to(ROOT)).as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }
    assert held == wanted


def test_kyber_runs_from_its_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "lib")
    start = "import sys; sys.argv[0] = 'kyber'; from kyber.cli import main; main()"
    kyber = (sys.executable, "-c", start)
    environment = {"PYTHONPATH": str(tmp_path / "lib")}
    assert run(*kyber, "--version", folder=tmp_path, environment=environment).startswith("kyber ")
    found = run(*kyber, "scan", ROOT / "samples", "--json", folder=tmp_path, environment=environment)
    assert len(found.splitlines()) > 10
    assert "lib/kyber/rules/" in found
    assert "county" in run(*kyber, "init", "county", "--language", "en", folder=tmp_path, environment=environment)


def test_the_folder_of_wheels_is_filled_for_every_extra_that_users_have() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.search(r"pip wheel .*'\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert extras is not None
    assert set(extras[1].split(",")) == set(project["optional-dependencies"]) - {"dev"}


@pytest.mark.prove
@pytest.mark.skipif(not os.environ.get("KYBER_PROVE"), reason="KYBER_PROVE is not set: this fetches every dependency")
def test_kyber_is_installed_from_a_folder_of_wheels_without_a_network(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    constraint = ("--constraint", ROOT / "constraints.txt")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, *constraint, ROOT, folder=tmp_path)
    venv.create(tmp_path / "empty", with_pip=True)
    python, kyber = tmp_path / "empty" / "bin" / "python", tmp_path / "empty" / "bin" / "kyber"
    options = ("--quiet", "--no-index", "--find-links", wheels)
    run(python, "-m", "pip", "install", *options, "kyber", folder=tmp_path, environment=NO_NETWORK)
    alone = {"PYTHONPATH": ""}
    assert run(kyber, "--version", folder=tmp_path, environment=alone).startswith("kyber ")
    found = run(kyber, "scan", ROOT / "samples", "--json", folder=tmp_path, environment=alone)
    assert len(found.splitlines()) > 10
