"""A scan on several cores, against `orjson.loads` of the same lines on as many:
`python -m bench cores --input FILE --rules FOLDER [--times 10] [--workers 2] [--runs 1]`.

The bound reads the file by lines in so many processes, each its own share, calls `orjson.loads` of every line, and
keeps nothing. The scan is `kyber.logs.scan.scan` with so many workers, rules planned; its start-up is printed apart.
Both are processes of their own; CPU is the sum over the processes, memory the greatest sum of their proportional
shares (PSS) that was seen, looked at five times a second; what looking takes is told off.
"""

import argparse
import gc
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bench.many import many
from bench.measure import Figures, measured, ratio, show
from kyber.logs.gather import NATIVE
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import read_rules

LOOKED = 0.2
"""Seconds between two looks at memory."""


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench cores", description=__doc__)
    parser.add_argument("--input", required=True, help="a file of JSON lines, maybe compressed")
    parser.add_argument("--rules", default="rules", help="a rule file or folder")
    parser.add_argument("--times", type=int, default=10, help="how many times over the input is taken")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many processes")
    parser.add_argument("--runs", type=int, default=1, help="how often each is measured")
    parser.add_argument("--cache", help="a folder in which the input, many times over, is kept for the next time")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
        cache = Path(options.cache) if options.cache else Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        given = str(many(options.input, options.times, cache))
        pairs = [
            (
                measured("bench.cores", "loads", given, str(options.workers)),
                measured("bench.cores", "scan", given, str(options.workers), options.rules),
            )
            for _ in range(options.runs)
        ]
    bound, whole = min(pairs, key=lambda pair: float(pair[1]["seconds"]))
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    show(
        (
            ("input", f"{whole['events']:,} events, {whole['bytes'] / 1e6:,.0f} MB; {options.workers} processes"),
            ("rules", f"{whole['rules']:,} ran; {whole['findings']:,} findings"),
            ("the extension kyber-columns", "installed" if NATIVE else "not installed"),
            ("load of the machine", load),
            ("orjson.loads of every line", _speed(bound)),
            ("scan", _speed(whole)),
            ("scan : orjson.loads, CPU", _aimed([one["cpu"] / other["cpu"] for other, one in pairs])),
            ("scan : orjson.loads, wall", _aimed([one["seconds"] / other["seconds"] for other, one in pairs])),
            ("start-up", f"{whole['reading']:.2f} s to read and plan the rules, outside the ratio"),
            ("peak memory of all processes", f"{whole['memory'] / 1e6:,.0f} MB (aim: under 900)"),
        )
    )


def _aimed(found: Sequence[float]) -> str:
    return f"{ratio(found)} (aim: under 2.2)"


def _speed(run: Figures) -> str:
    return f"{run['cpu']:.1f} s CPU, {run['seconds']:.1f} s wall, {run['events'] / run['seconds']:,.0f} events/s"


def _loads(given: str, workers: str) -> Figures:
    count, size = int(workers), Path(given).stat().st_size
    with _watched() as figures:
        children = []
        for share in range(count):
            reads, writes = os.pipe()
            child = os.fork()
            if not child:
                lines = _read(given, size * share // count, size * (share + 1) // count)
                os.write(writes, str(lines).encode())
                os._exit(0)
            os.close(writes)
            children.append((child, reads))
        figures["events"] = 0
        for child, reads in children:
            figures["events"] += int(os.read(reads, 20))
            os.waitpid(child, 0)
    return figures


def _read(given: str, start: int, stop: int) -> int:
    """The lines that begin in a share of a file, each parsed; how many they are."""
    count = 0
    with Path(given).open("rb") as file:
        if start:
            file.seek(start - 1)
            start += len(file.readline()) - 1
        for line in file:
            if start >= stop:
                break
            start += len(line)
            orjson.loads(line)
            count += 1
    return count


def _scan(given: str, workers: str, rules: str) -> Figures:
    now = datetime.now(UTC)
    started = time.perf_counter()
    ruleset = read_rules([rules], {})
    scan([], ruleset, now)
    reading = time.perf_counter() - started
    found, _ = inputs([given], now)
    with _watched() as figures:
        result = scan([Job(source="", inputs=found, zone=UTC)], ruleset, now, workers=int(workers))
    return figures | {
        "reading": reading,
        "events": sum(one.events for one in result.inputs),
        "bytes": sum(one.read for one in result.inputs),
        "rules": result.rules,
        "findings": len(result.findings),
    }


@contextmanager
def _watched() -> Iterator[Figures]:
    """CPU and wall seconds of this process and its children, and the most memory that they held together."""
    figures, done = Figures(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(os.getpid(), figures, done), daemon=True)
    before, started = _spent(), time.perf_counter()
    watcher.start()
    yield figures
    figures["seconds"], figures["cpu"] = time.perf_counter() - started, _spent() - before - figures["watching"]
    done.set()
    watcher.join()


def _spent() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _watch(process: int, figures: Figures, done: threading.Event) -> None:
    figures["memory"], figures["watching"] = 0, 0.0
    while not done.wait(LOOKED):
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        figures["memory"] = max(figures["memory"], sum(map(_share, (str(process), *children))))
        figures["watching"] = time.thread_time()  # adding up shares takes the longer the more there is


def _share(process: str) -> int:
    """The proportional share of memory of a process, in bytes; 0 once it has ended."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    gc.disable()
    step, *given_ = sys.argv[1:]
    print(json.dumps(_loads(*given_) if step == "loads" else _scan(*given_)))
