"""What is too large for CI of the proofs that collecting loses nothing."""

import tempfile
from collections import Counter
from pathlib import Path

from tests.logs.killed import Killed
from tests.logs.storm import Storm
from tests.prove.page import Proof

COUNTED = {
    "steps": "steps",
    "lines": "lines written",
    "collects": "collectings that went through",
    "races": "of them, while files were changed",
    "crashes": "collectings that crashed on the way",
    "deleted": "files deleted or replaced by a compressed one",
    "reused": "of their inodes given to another file",
    "stored": "events stored by those that went through",
    "duplicate": "events read again and recognised",
}
"""What a storm counts, and what its page calls it."""


def kill(kills: int = 100, seed: int = 20_261_122) -> Proof:
    """SIGKILL at random moments of collecting."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        series = Killed(Path(folder), seed)
        try:
            series.run(kills)
        except AssertionError as error:
            wrong.append(str(error))
        stored = len(series.stored())
    return Proof(
        title="Killed while collecting",
        claim=(
            "A collector is killed with SIGKILL at random moments, while its logs grow and are rotated. After each "
            "time the store can be read, every record in it was written, and none stands there twice. After a last "
            "run that is let through, every line is stored, once."
        ),
        counts={
            "kills": series.kills,
            "runs that were done before they were killed": series.done,
            "rotations": series.rotations,
            "lines written": len(series.written),
            "lines stored": stored,
        },
        wrong=wrong,
    )


def storm(steps: int = 10_000, each: int = 150, seed: int = 5_000) -> Proof:
    """Random writing, rotation, crashes and collecting, against a model of what has to be stored."""
    total: Counter[str] = Counter()
    first = seed
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        while total["steps"] < steps and not wrong:
            place = Path(folder) / str(seed)
            place.mkdir()
            try:
                total += Storm(seed, place).run(each)
            except AssertionError as error:
                wrong.append(str(error).partition("\n")[0])
            seed += 1
    return Proof(
        title="A storm of rotations",
        claim=(
            "Log files are written, renamed, copied and truncated, compressed and deleted at random, their inodes are "
            "used again, lines stand unfinished, and the collector crashes at any of its steps. After each collecting "
            "the lines stored are those written, each once. What nobody could tell apart is left out of the storm, as "
            "`tests/logs/storm.py` says."
        ),
        counts={"storms, each of another seed": seed - first} | {name: total[key] for key, name in COUNTED.items()},
        wrong=wrong,
    )
