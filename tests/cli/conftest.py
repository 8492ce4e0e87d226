from pathlib import Path

import pytest

from tests.cli.run import kyber


@pytest.fixture
def county(tmp_path: Path) -> Path:
    """The example as `kyber init` lays it out, in English."""
    folder = tmp_path / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    return folder
