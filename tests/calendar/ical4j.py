"""ical4j, another library for calendar files: in, what the machine has (Maven, a JDK); out, what it reads, or Missing.

Maven fetches it once from Maven Central into the cache that the tests with Elasticsearch use, too.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from tests.elastic.server import CACHE, Missing, locked

JARS: Final = {
    "org.mnode.ical4j:ical4j:4.0.8": "0fbbf5cee117aa504bb80390739595f126b50f8d788100559a1e3466a0b52ffe",
    "org.slf4j:slf4j-api:2.0.12": "a79502b8abdfbd722846a27691226a4088682d6d35654f9b80e2a9ccacf7ed47",
    "org.apache.commons:commons-lang3:3.14.0": "7b96bf3ee68949abb5bc465559ac270e0551596fa34523fddf890ec418dde13c",
    "commons-codec:commons-codec:1.17.0": "f700de80ac270d0344fdea7468201d8b9c805e5c648331c3619f2ee067ccfc59",
    "org.threeten:threeten-extra:1.8.0": "51e4d21edc4e9447f7760c050e0baee75d7d973f387ba605a17abdc4d24fd6d8",
}
"""What is needed, and its SHA-256."""
COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
POM: Final = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>kyber</groupId><artifactId>test</artifactId>"
    "<version>1</version><dependencies>"
    + "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *coordinates.split(":")
        )
        for coordinates in JARS
    )
    + "</dependencies></project>"
)
FETCHED: Final = 300.0
READ: Final = 60.0
"""Deadlines, in seconds."""


@dataclass(frozen=True)
class Read:
    """What ical4j says of a calendar file, and of rules."""

    valid: bool
    events: list[tuple[str, ...]]
    rules: list[list[str]]


def read(calendar: bytes, rules: list[tuple[str, ...]]) -> Read:
    """What ical4j reads. Raises Missing."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise Missing("no JDK in PATH to run ical4j: install one")
    jars = os.pathsep.join(map(str, _jars()))
    with tempfile.TemporaryDirectory() as folder:
        file, asked = Path(folder, "calendar.ics"), Path(folder, "rules.txt")
        file.write_bytes(calendar)
        asked.write_text("".join("\t".join(rule) + "\n" for rule in rules), encoding="utf-8")
        run = subprocess.run(
            [java, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "-cp", jars,
             Path(__file__).with_name("Read.java"), file, asked],
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=READ, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [tuple(line.split("\t")) for line in run.stdout.splitlines()]
    return Read(
        lines[0] == ("valid",),
        [line[1:] for line in lines if line[0] == "event"],
        [line[1].split() for line in lines if line[0] == "rule"],
    )


def _jars() -> list[Path]:
    folder = Path(os.environ[CACHE]) / "ical4j"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "{1}-{2}.jar".format(*coordinates.split(":")) for coordinates in JARS]
    with locked(folder / "lock"):
        if not all(file.exists() for file in files):
            _fetch(folder, files)
    for file, digest in zip(files, JARS.values(), strict=True):
        if sha256(file.read_bytes()).hexdigest() != digest:
            raise Missing(f"{file} is not what it was: remove it")
    return files


def _fetch(folder: Path, files: list[Path]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no mvn in PATH to fetch it: install Maven")
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        Path(beside, "pom.xml").write_text(POM, encoding="utf-8")
        try:
            subprocess.run(
                [maven, "-B", "-q", f"-Dmaven.repo.local={beside}/repository", COPY, f"-DoutputDirectory={beside}"],
                capture_output=True, stdin=subprocess.DEVNULL, cwd=beside, timeout=FETCHED, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Missing(f"Maven could not fetch it within {FETCHED:.0f} s") from None
        for file in files:
            if not Path(beside, file.name).exists():
                raise Missing(f"Maven could not fetch {file.name}")
            Path(beside, file.name).replace(file)
