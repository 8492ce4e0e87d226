"""Outside data for tests: found through KYBER_TEST_DATA, unpacked once a run, never copied into the project."""

import os
import tarfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest


def outside(name: str) -> Path:
    """A file or folder of the outside data; the test is skipped, saying why, where it is absent."""
    folder = os.environ.get("KYBER_TEST_DATA")
    if not folder:
        pytest.skip(f"KYBER_TEST_DATA is not set: {name} is not at hand")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def unpacked(name: str) -> Path:
    """The folder of what an archive of the outside data holds."""
    return _unpacked(outside(name))


@cache
def _unpacked(archive: Path) -> Path:
    folder = Path(mkdtemp(prefix="kyber-test-data-"))
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):
            opened.extraction_filter = tarfile.data_filter  # Python 3.11 before 3.11.4 has none
        opened.extractall(folder)
    return folder
