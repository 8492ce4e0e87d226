"""veraPDF, which judges whether a PDF is what PDF/UA-1 asks: in, what the machine has (Maven, a JRE); out, what it says
of files, or Missing.

Maven fetches it once from Maven Central into the cache that the tests with Elasticsearch use, too.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from hashlib import sha512
from pathlib import Path
from typing import Final

from tests.elastic.server import CACHE, COPY, Missing, locked

COORDINATES: Final = "org.verapdf.apps:greenfield-apps:1.28.2"
SHA512: Final = (
    "b7dd3a4a34c83e2d92d334e3f16be631a793dd39088a0a376b59ce5aabbac744"
    "f7a0781c4c844bc9855ec0778be749b78854093a8c7d9d5c8f50da75d48aba7d"
)
FETCHED: Final = 300.0
JUDGED: Final = 300.0
"""Deadlines, in seconds."""


def breaches(files: Sequence[Path]) -> dict[str, list[str]]:
    """For each file by its name the rules that it does not keep; none: it is PDF/UA-1. Raises Missing."""
    java = shutil.which("java")
    if java is None:
        raise Missing("no java in PATH to run veraPDF: install a JRE")
    jar = _jar()
    with tempfile.TemporaryDirectory() as home:
        run = subprocess.run(
            [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true", f"-Duser.home={home}",
             f"-Djava.io.tmpdir={home}", "-cp", jar, "org.verapdf.apps.GreenfieldCliWrapper",
             "--flavour", "ua1", "--format", "json", *files],
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=JUDGED, check=False,
        )  # fmt: skip
    jobs = json.loads(run.stdout)["report"]["jobs"]
    return {Path(job["itemDetails"]["name"]).name: _kept(job["validationResult"]) for job in jobs}


def _kept(results: Sequence[dict[str, object]]) -> list[str]:
    found = []
    for result in results:
        details = result["details"]
        assert isinstance(details, dict)
        assert result["compliant"] is (details["failedRules"] == 0)
        assert details["passedChecks"] > 0
        found += [f"{one['clause']}: {one['description']}" for one in details["ruleSummaries"]]
    assert results
    return found


def _jar() -> Path:
    _, name, version = COORDINATES.split(":")
    folder = Path(os.environ[CACHE]) / "verapdf"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}.jar"
    with locked(folder / "lock"):
        if not file.exists():
            _fetch(file)
    if sha512(file.read_bytes()).hexdigest() != SHA512:
        raise Missing(f"{file} is not what it was: remove it")
    return file


def _fetch(file: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no mvn in PATH to fetch it: install Maven")
    with tempfile.TemporaryDirectory(dir=file.parent) as beside:
        try:
            subprocess.run(
                [maven, "-B", "-q", f"-Dmaven.repo.local={beside}/repository", COPY, f"-Dartifact={COORDINATES}",
                 f"-DoutputDirectory={beside}"],
                capture_output=True, stdin=subprocess.DEVNULL, cwd=beside, timeout=FETCHED, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Missing(f"Maven could not fetch it within {FETCHED:.0f} s") from None
        if not Path(beside, file.name).exists():
            raise Missing(f"Maven could not fetch {file.name}")
        Path(beside, file.name).replace(file)
