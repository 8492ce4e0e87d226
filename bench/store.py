"""What the embedded store costs and saves: `python -m bench store --input FILE --rules FOLDER [--times 10] [--runs 1]`.

The input is taken several times over (see `bench.many`), and then are measured, each in a process of its own: a scan of
the file; the first scan in a workspace, which collects it and scans what was stored; a second scan of all that is
stored; and one host's day, searched for in the store and in the file. The same with the input as it is, for the growth
of peak memory. Aims are printed beside what was found, and nothing is asserted.
"""

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.many import many
from bench.measure import Figures, measured, ratio, show

SCANS = ("files", "first", "second")
STEPS = (*SCANS, "forgotten", "search-files", "search-store")
PACKAGES = ("numpy", "orjson", "pyarrow", "ahocorasick_rs")

Runs = dict[str, list[Figures]]


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the tables."""
    options = _options(arguments)
    machine = _machine()
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as made:
        folder = Path(made)
        cache = Path(options.cache) if options.cache else folder
        cache.mkdir(parents=True, exist_ok=True)
        sizes = {times: many(options.input, times, cache) for times in sorted({1, options.times}, reverse=True)}
        runs = {
            times: _runs(
                str(file), options.rules, folder / "store", options.runs, STEPS if times == options.times else SCANS
            )
            for times, file in sizes.items()
        }
    whole, single = runs[options.times], runs[1] if options.times > 1 else None
    show((*machine, ("load", _load()), ("input", _input(options.input, options.times, whole))))
    print()
    _steps(whole)
    print()
    show(_answers(whole, single, options.times))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench store", description=__doc__)
    parser.add_argument("--input", required=True, help="a log file, maybe compressed")
    parser.add_argument("--rules", default="rules", help="a rule file or folder")
    parser.add_argument("--times", type=int, default=10, help="how many times over the input is taken")
    parser.add_argument("--runs", type=int, default=1, help="how often each step is measured")
    parser.add_argument("--cache", help="a folder in which the input, many times over, is kept for the next time")
    return parser.parse_args(arguments)


def _runs(file: str, rules: str, store: Path, runs: int, steps: Sequence[str]) -> Runs:
    """Every step, so many times; the store is made anew each time."""
    found: Runs = {step: [] for step in steps}
    for _ in range(runs):
        shutil.rmtree(store, ignore_errors=True)
        asked: Figures = {}
        for step in steps:
            if step.startswith("search"):
                asked = asked or measured("bench.stored", "busiest", str(store))
                if not asked:
                    continue
                place = file if step == "search-files" else str(store)
                figures = measured("bench.stored", step, place, asked["query"], asked["day"]) | {"asked": asked}
            else:
                given = {"files": (file, rules), "first": (file, rules, str(store))}.get(step, (str(store), rules))
                figures = measured("bench.stored", step, *given)
            found[step].append(figures)
    shutil.rmtree(store, ignore_errors=True)
    return found


def _machine() -> Iterator[tuple[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield "machine", f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield "versions", f"{platform.python_implementation()} {platform.python_version()}, {versions}"


def _load() -> str:
    return f"{os.getloadavg()[2]:.1f} on average over the last 15 minutes, this benchmark's own included"


def _input(given: str, times: int, runs: Runs) -> str:
    best = _best(runs["files"])
    return (
        f"{Path(given).name}, {times} times over: {best['events']:,.0f} events, {best['bytes'] / 1e6:,.0f} MB "
        f"decompressed; {best['rules']:,.0f} rules ran"
    )


def _best(runs: Sequence[Figures]) -> Figures:
    return min(runs, key=lambda one: float(one["cpu"]))


def _steps(runs: Runs) -> None:
    """What each step took: of several runs, the one with the least CPU."""
    print(f"{'':<36}{'CPU s':>9}{'wall s':>9}{'events/s':>11}{'peak MB':>9}")
    for name, step, before in (
        ("scan of the file", "files", ""),
        ("first scan in a workspace", "first", ""),
        ("  of it collecting", "first", "collecting "),
        ("  of it scanning what was stored", "first", "scanning "),
        ("second scan of all that is stored", "second", ""),
        ("  with nothing known of keywords", "forgotten", ""),
        ("one host's day, searched in the file", "search-files", ""),
        ("one host's day, searched in the store", "search-store", ""),
    ):
        if not runs[step]:
            continue
        best = _best(runs[step])
        cpu, seconds, memory = best[before + "cpu"], best[before + "seconds"], best.get(before + "memory")
        shown = f"{memory / 1e6:,.0f}" if memory else ""
        print(f"{name:<38}{cpu:>7,.2f}{seconds:>9,.2f}{best['events'] / seconds:>11,.0f}{shown:>9}")


def _answers(runs: Runs, single: Runs | None, times: int) -> Iterator[tuple[str, str]]:
    first, asked = _best(runs["first"]), next((one["asked"] for one in runs["search-store"]), None)
    yield "findings", _same(runs)
    yield "first scan : second scan", f"{_against(runs, 'first', 'second')} (aim: at least 4)"
    yield "  with start-up", _against(runs, "first", "second", whole=True)
    yield "scan of the file : second scan", _against(runs, "files", "second")
    if asked is not None:
        yield (
            "search in the file : in the store",
            f"{_against(runs, 'search-files', 'search-store')} (aim: at least 20)",
        )
        yield "scan of the file : search in the store", _against(runs, "files", "search-store")
        counts = {step: sorted({one["found"] for one in runs[step]}) for step in ("search-files", "search-store")}
        equal = counts["search-files"] == counts["search-store"] and len(counts["search-store"]) == 1
        yield "what was searched for", f"{asked['query']} on {asked['day']}"
        yield "  found in the file and in the store", f"{_listed(counts)}: {'equal' if equal else 'NOT EQUAL'}"
    yield (
        "store",
        (
            f"{first['size'] / 1e6:,.0f} MB in {first['segments']:,.0f} segments: "
            f"{100 * first['size'] / _best(runs['files'])['bytes']:.1f} % of the input; "
            f"{first['stored']:,.0f} events stored, {first['duplicate']:,.0f} found stored before"
        ),
    )
    start = _best(runs["second"])
    yield (
        "start-up",
        f"{start['reading']:.2f} s to read the rules, {start['planning']:.2f} s to plan; in no figure above",
    )
    if single is not None:
        for name, step in (("scan of the file", "files"), ("first scan", "first"), ("second scan", "second")):
            yield f"peak memory, {times} times : once, {name}", f"{_grown(runs, single, step)} (aim: at most 1.2)"


def _against(runs: Runs, one: str, other: str, *, whole: bool = False) -> str:
    def spent(run: Figures, name: str, once: str) -> float:
        return float(run[name]) + (float(run["reading"]) + float(run[once]) if whole else 0.0)

    def of(name: str, once: str) -> str:
        pairs = zip(runs[one], runs[other], strict=True)
        return ratio([spent(left, name, once) / spent(right, name, once) for left, right in pairs])

    return f"CPU {of('cpu', 'planning cpu')}, wall {of('seconds', 'planning')}"


def _grown(runs: Runs, single: Runs, step: str) -> str:
    pairs = list(zip(runs[step], single[step], strict=True))
    large, small = pairs[0]
    found = ratio([many_["memory"] / once["memory"] for many_, once in pairs])
    return f"{found}: {large['memory'] / 1e6:,.0f} MB : {small['memory'] / 1e6:,.0f} MB"


def _same(runs: Runs) -> str:
    """Whether every scan found the same: ids and counts."""
    expected: dict[str, int] = runs["files"][0]["findings"]
    said = f"{len(expected):,} findings of {sum(expected.values()):,} matches"
    for step in (*SCANS, "forgotten"):
        for run in runs[step]:
            if run["findings"] != expected:
                other = set(run["findings"].items()) ^ set(expected.items())
                return f"{said}; NOT THE SAME in {step}: {len({one for one, _ in other}):,} differ"
    return f"{said}; the same ids and counts in every scan"


def _listed(counts: dict[str, list[int]]) -> str:
    return " and ".join(", ".join(f"{one:,}" for one in found) for found in counts.values())
