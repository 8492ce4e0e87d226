"""What reading JSON lines costs, library by library: `python -m bench readers --input FILE [--runs 3] [--check]`.

Each way of `bench.reading` is measured in a process of its own over the same lines: CPU and wall-clock seconds and peak
memory, and what it makes of a file in which one line is odd. Libraries that kyber does not need are measured where they
are installed, and named where not. `--check` holds the needed cells of the whole input against those of orjson.
"""

import argparse
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measure import Figures, measured, show
from bench.reading import BROKEN, CELLS, READERS, THREADED

PACKAGES = ("numpy", "orjson", "pyarrow", "msgspec", "pysimdjson", "polars", "duckdb")
BOUND = "orjson.loads"


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench readers", description=__doc__)
    parser.add_argument("--input", required=True, help="a file of JSON lines, not compressed")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured; the least CPU is shown")
    parser.add_argument("--only", default="", help="readers whose name holds this text")
    parser.add_argument("--check", action="store_true", help="compare the needed cells with those of orjson")
    options = parser.parse_args(arguments)
    names = [name for name in READERS if options.only in name]
    show((*_machine(), ("input", f"{Path(options.input).name}, {Path(options.input).stat().st_size / 1e6:,.0f} MB")))
    print()
    _costs(options.input, names, options.runs)
    print()
    _odd([name for name in names if name in CELLS])
    if options.check:
        print()
        show((name, _compared(name, options.input)) for name in names if name in CELLS and name != BOUND)


def _machine() -> Iterator[tuple[str, str]]:
    yield "machine", f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; load {os.getloadavg()[2]:.1f}"
    found = {name: _version(name) for name in PACKAGES}
    listed = ", ".join(f"{name} {there}" for name, there in found.items() if there)
    yield "versions", f"{platform.python_implementation()} {platform.python_version()}, {listed}"
    if absent := [name for name, there in found.items() if not there]:
        yield "not installed", ", ".join(absent)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _costs(file: str, names: Sequence[str], runs: int) -> None:
    found: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(runs):  # in turns, so that what else the machine does falls on all of them
        for name in names:
            for threads in (1, 2) if name in THREADED else (1,):
                found.setdefault((name, threads), []).append(_run("measure", name, threads, file))
    best = {which: min(runs, key=lambda one: one.get("cpu", 0.0)) for which, runs in found.items()}
    bound = best.get((BOUND, 1), {}).get("cpu")
    print(f"{'':<52}{'threads':>8}{'CPU s':>8}{'wall s':>8}{'of orjson':>10}{'peak MB':>9}{'events':>11}")
    for (name, threads), figures in best.items():
        if "cpu" not in figures:
            print(f"{name:<52}{threads:>8}  {_why(figures)}")
            continue
        part = f"{figures['cpu'] / bound:.2f}" if bound else ""
        print(
            f"{name:<52}{threads:>8}{figures['cpu']:>8.2f}{figures['seconds']:>8.2f}{part:>10}"
            f"{figures['memory'] / 1e6:>9,.0f}{figures['events']:>11,.0f}"
        )


def _odd(names: Sequence[str]) -> None:
    print("One odd line among 1,000; the value is that of a needed column of text")
    for name in names:
        found = _run("broken", name, 1)
        print(f"  {name}")
        if found.keys() & {"missing", "failed"}:
            print(f"    {_why(found)}")
            continue
        same: dict[str, list[str]] = {}
        for kind in BROKEN:
            same.setdefault(found[kind], []).append(kind)
        for outcome, kinds in same.items():
            print(f"    {outcome}: {', '.join(kinds)}")


def _compared(name: str, file: str) -> str:
    found = _run("check", name, 1, file)
    if "cells" not in found:
        return _why(found)
    missing = f", {found['left']:,} events missing" if found["left"] else ""
    first = f" ({found['first']})" if found["differ"] else ""
    return f"{found['cells']:,} cells, {found['differ']:,} differ from orjson's{missing}{first}"


def _run(act: str, name: str, threads: int, *given: str) -> Figures:
    try:
        return measured("bench.reading", act, name, str(threads), *given)
    except subprocess.CalledProcessError as error:
        return {"failed": error.returncode}


def _why(figures: Figures) -> str:
    if "missing" in figures:
        return f"{figures['missing']} is not installed"
    return f"stops: {figures['stops']}" if "stops" in figures else f"failed ({figures['failed']})"
