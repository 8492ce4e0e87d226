"""Run proofs whole and write their pages: `python -m tests.prove [NAME …]`; without names, all of them.

Reads the outside data in the folder that KYBER_TEST_DATA names; a proof whose data or program is absent is skipped,
with its reason, and its page stays as it was. Exit 1 if a proof does not hold.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from time import monotonic

import pytest

from tests.data import outside
from tests.prove.page import Proof
from tests.prove.proofs import PROOFS

PAGES = Path(__file__).parents[2] / "docs" / "proofs"


def digest(name: str) -> str:
    """How the SHA-256 of a file of the outside data begins."""
    with outside(name).open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()[:16]


def run(name: str) -> Proof:
    """Run one proof whole and write its page."""
    started = monotonic()
    proof = PROOFS[name]()
    page = proof.page(
        command=f"python -m tests.prove {name}",
        day=datetime.now(UTC).date(),
        seconds=monotonic() - started,
        data={one: digest(one) for one in proof.data},
    )
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{name}.md").write_text(page, encoding="utf-8")
    return proof


def main(names: Sequence[str]) -> int:
    """Run the named proofs, or all; say what became of each."""
    if unknown := sorted(set(names) - PROOFS.keys()):
        print(f"no such proof: {', '.join(unknown)}; there are {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    fine = True
    for name in names or PROOFS:
        try:
            proof = run(name)
        except pytest.skip.Exception as skipped:
            print(f"{name}: skipped, its page stays as it was: {skipped}")
            continue
        counts = ", ".join(f"{what} {count:,}" for what, count in proof.counts.items())
        print(f"{name}: {'does NOT hold' if proof.wrong else 'holds'}: {counts}", flush=True)
        fine = fine and not proof.wrong
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
