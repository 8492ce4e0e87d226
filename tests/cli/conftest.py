import shutil
from pathlib import Path

import pytest

from tests.cli.run import kyber


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example as `kyber init` lays it out, in English."""
    folder = tmp_path / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    return folder


@pytest.fixture
def county(example: Path) -> Path:
    """The example without its registers, whose days pass: what is left has nothing to mend on any day."""
    for name in ("incidents", "risks", "controls", "actions", "continuity", "calendar"):
        shutil.rmtree(example / name)
    for name in ("waivers.yaml", "introduction.yaml"):
        (example / name).unlink()
    return example
