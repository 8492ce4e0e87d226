"""What reading and planning rules costs: `python -m bench rules --rules FOLDER [--runs 3]`.

Measured each time in processes of their own: reading, planning and keeping them where nothing is kept yet; the same
from what was kept; and every rule made of that, without its condition. Beside them what a process spends before it, on
imports. Figures are CPU seconds, the least of several runs. Aims are printed beside what was found, and nothing is
asserted.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.measure import Figures, measured, show

COLD, KEPT = "at most 3 s", "at most 0.5 s"


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench rules", description=__doc__)
    parser.add_argument("--rules", default="rules", help="a rule file or folder")
    parser.add_argument("--runs", type=int, default=3, help="how often each step is measured")
    options = parser.parse_args(arguments)
    cold, kept = [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
            cold.append(measured("bench.rules", options.rules, folder))
            kept.append(measured("bench.rules", options.rules, folder))
    first, again = (min(runs, key=lambda one: one["reading"] + one["planning"]) for runs in (cold, kept))
    show(
        (
            ("rules", f"{first['rules']:,} that run, of {first['files']:,} files with {first['bytes'] / 1e6:.1f} MB"),
            ("questions that they ask", f"{first['questions']:,} of {first['fields']:,} fields"),
            ("imports", f"{first['imports']:.2f} s; in no figure below"),
            ("read, planned and kept", f"{_seconds(first)} (aim: {COLD})"),
            ("from what was kept", f"{_seconds(again)} (aim: {KEPT})"),
            ("  and every rule by its name", f"{again['looking']:.2f} s more"),
            ("what is kept takes", f"{again['size'] / 1e6:.1f} MB"),
            ("the same", str({one["same"] for one in (*cold, *kept)} == {first["same"]})),
        )
    )


def _seconds(run: Figures) -> str:
    return f"{run['reading'] + run['planning']:.2f} s"


def _step(rules: str, folder: Path) -> Figures:
    """Read the rules and plan them as a scan does; after `imports`, each figure without what stands before it."""
    gc.disable()  # as a scan does
    started = time.process_time()
    from hashlib import sha256

    from kyber.logs.sigma import cache
    from kyber.logs.sigma.match import Matcher
    from kyber.logs.sigma.plan import plan
    from kyber.logs.sigma.rule import rule_texts

    imported = time.process_time()
    found = cache.read([rules], {}, folder)
    read = time.process_time()
    planned = plan(found.rules, found.filters)
    Matcher(planned)
    begun = time.process_time()
    listed = list(found.rules)
    looked = time.process_time()
    same = sha256(repr(listed).encode("utf-8", "backslashreplace")).hexdigest()
    sizes = [len(one.text) for one in rule_texts([rules])]
    return {
        "imports": imported - started,
        "reading": read - imported,
        "planning": begun - read,
        "looking": looked - begun,
        "same": same,
        "rules": planned.rules,
        "questions": len(planned.questions),
        "fields": len(planned.asked),
        "files": len(sizes),
        "bytes": sum(sizes),
        "size": sum(file.stat().st_size for file in folder.iterdir()),
    }


if __name__ == "__main__":
    print(json.dumps(_step(sys.argv[1], Path(sys.argv[2]))))
