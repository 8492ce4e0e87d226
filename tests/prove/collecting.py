"""What is too large for CI of the proofs that collecting loses nothing."""

import tempfile
from pathlib import Path

from tests.logs.killed import Killed
from tests.prove.page import Proof


def kill(kills: int = 100, seed: int = 20_261_122) -> Proof:
    """SIGKILL at random moments of collecting."""
    wrong = []
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
