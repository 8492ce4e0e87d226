"""A collector that is killed at any moment, in a process of its own, while its logs grow and are rotated.

`Killed(folder, seed).run(kills)` starts `python -m tests.logs.killed FOLDER` again and again, kills it with SIGKILL
after a random while, and after each time opens the store and reads all of it: every stored record was written, and
none stands there twice. In the end one run is let through, and every line is stored.
"""

import gzip
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.store.parquet import ParquetStore, writing

ROOT: Final = Path(__file__).parent.parent.parent
LINES: Final = (200, 3_000)
"""How many lines are written between two kills."""
LONGEST: Final = 0.6
"""Seconds that a collector runs at most, once it has begun."""
LATER: Final = timedelta(days=1)
"""How much later than now the collector takes it to be, so that no file counts as still being written."""


def main(folder: Path) -> None:
    """Collect the logs of a folder into its store, and say when that begins."""
    now = datetime.now(UTC) + LATER
    found, _ = inputs([str(folder / "logs" / "*")], now)
    job = Job(source="server", inputs=found, zone=UTC, format="syslog")
    print("begun", flush=True)
    with writing(folder / ".kyber", "a collector that will be killed") as store:
        collect([job], store, now)


@dataclass(slots=True)
class Killed:
    """One series of kills. `kills` that came before the collector was done are counted; the others hit nothing."""

    folder: Path
    seed: int
    written: list[str] = field(default_factory=list)
    kills: int = 0
    done: int = 0
    rotations: int = 0
    chance: Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)

    def run(self, kills: int) -> None:
        """Kill so often, look each time, and then collect once more."""
        while self.kills < kills:
            self._write()
            self._collect(self.chance.uniform(0, LONGEST))
            self._look()
        self._collect(None)
        assert Counter(self.stored()) == Counter(self.written), f"seed {self.seed}: lines were lost or stored twice"

    def stored(self) -> list[str]:
        """Every raw record in the store."""
        if not ParquetStore.exists(self.folder / ".kyber"):
            return []
        store = ParquetStore(self.folder / ".kyber")
        try:
            return [batch.raw[row].decode() for batch in store.events() for row in range(batch.rows)]
        finally:
            store.close()

    def _look(self) -> None:
        found = Counter(self.stored())
        known = set(self.written)
        assert all(count == 1 and line in known for line, count in found.items()), f"seed {self.seed}: stored wrongly"

    def _write(self) -> None:
        """Some lines, over some days, in one of three logs; and now and then a rotation."""
        log = self.folder / "logs" / f"app{self.chance.randrange(3)}.log"
        first = len(self.written)
        start = datetime(2026, 3, 1, tzinfo=UTC)
        lines = [
            f"{start + timedelta(seconds=37 * number):%Y-%m-%dT%H:%M:%SZ} host{number % 7} app[{number}]: line {number}"
            for number in range(first, first + self.chance.randint(*LINES))
        ]
        self.written += lines
        with log.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        if self.chance.random() < 0.3:
            self.rotations += 1
            oldest = log.with_name(f"{log.name}.2.gz")
            older = log.with_name(f"{log.name}.1")
            if older.exists() and not oldest.exists():
                with gzip.open(oldest, "wb") as packed:
                    packed.write(older.read_bytes())
                older.unlink()
            if not older.exists():
                log.rename(older)

    def _collect(self, seconds: float | None) -> None:
        """Run a collector; kill it so many seconds after it has begun, unless it is done before."""
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.logs.killed", str(self.folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                self.kills += 1
                return
        assert code == 0, f"seed {self.seed}: the collector ended with {code}"
        self.done += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
