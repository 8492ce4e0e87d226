"""What a large graph of services costs, against reading its YAML alone: `python -m bench graph`.

Makes so many services with so many needs, some with alternatives and orders of restoring. Measures the analysis whole
(the graph, recovery, loss of data, single points of failure, who rests on whom) within this process, and
`kyber continuity recovery`, `simulate`, `graph` and parsing the same files, each in a process of its own, in turn.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import yaml

from bench.registers import KYBER, PARSE
from kyber.continuity.graph import Graph, graph_of
from kyber.continuity.recovery import losses, recoveries
from kyber.continuity.service import Service
from tests.risks.county import SETTINGS, lay_out

SIMULATED = 100
"""How often everything is restored: the fewest runs that there are."""


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    options = _options(arguments)
    records = services_of(options.services, options.needs)
    services = [Service.model_validate(record) for record in records]
    analysed = {name: min(times) for name, times in _analysed(services, options.runs).items()}
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
        files = {f"continuity/services/{one['id']}.yaml": yaml.safe_dump(one, sort_keys=False) for one in records}
        root = lay_out(Path(folder), {"kyber.yaml": SETTINGS, **files})
        kyber = [sys.executable, "-c", KYBER, "continuity"]
        commands = {
            "parse": [sys.executable, "-c", PARSE, str(root)],
            "kyber continuity recovery": [*kyber, "recovery", "--workspace", str(root)],
            "kyber continuity graph": [*kyber, "graph", "--workspace", str(root)],
            f"kyber continuity simulate, {SIMULATED} runs": [
                *(*kyber, "simulate", "--crew", "10", "--runs", str(SIMULATED), "--workspace", str(root)),
            ],
        }
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(options.runs):
            for name, command in commands.items():
                best[name] = min(best[name], _seconds(command))
    print(f"{options.services} services, {options.needs} needs; the best of {options.runs} runs")
    for name, seconds in analysed.items():
        print(f"{name:<38}{seconds:>7.2f} s")
    print(f"{'analysed whole':<38}{sum(analysed.values()):>7.2f} s")
    for name, seconds in best.items():
        print(f"{name:<38}{seconds:>7.2f} s {seconds / best['parse']:>6.2f} × parsing")


def _analysed(services: Sequence[Service], runs: int) -> Mapping[str, list[float]]:
    times: dict[str, list[float]] = {}
    for _ in range(runs):
        graph = graph_of(())
        for name, analyse in {
            "the graph and its circles": lambda _: graph_of(services),
            "recovery": recoveries,
            "loss of data": losses,
            "single points of failure": _single_points,
            "who rests on whom": lambda graph: graph.resting,
            "what is less critical": lambda graph: list(graph.weaker()),
        }.items():
            start = perf_counter()
            found = analyse(graph)
            times.setdefault(name, []).append(perf_counter() - start)
            graph = found if isinstance(found, Graph) else graph
    return times


def _single_points(graph: Graph) -> list[tuple[str, ...]]:
    return [graph.hidden_points(id_) for id_ in graph.services]


def services_of(services: int, needs: int) -> list[dict[str, Any]]:
    """The same every time. Each needs some that come before it."""
    chance = Random(1)
    found: list[dict[str, Any]] = [
        {
            "id": f"s{n:05}",
            "name": f"Service {n} of the county",
            "criticality": chance.randint(1, 4),
            "rto": f"{chance.randint(1, 72)} h",
            "rpo": "4 h",
            "restore": {"p50": f"{chance.randint(10, 100)} min", "p90": f"{chance.randint(2, 10)} h"},
            "capability": {"rto": f"{chance.randint(5, 600)} min"},
            "depends_on": [],
        }
        for n in range(services)
    ]
    for _ in range(needs):
        need, one = sorted(chance.sample(range(services), 2))
        edge: dict[str, Any] = {"id": found[need]["id"], "kind": chance.choice(["technical", "data", "supplier"])}
        if chance.random() < 0.3:
            edge["restore_order"] = chance.randint(1, 3)
        if chance.random() < 0.3:
            edge["either"] = chance.choice("xy")
        found[one]["depends_on"].append(edge)
    return found


def _seconds(command: Sequence[str]) -> float:
    start = perf_counter()
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if run.returncode:
        raise SystemExit(run.stderr.decode())
    return perf_counter() - start


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench graph", description=__doc__)
    parser.add_argument("--services", type=int, default=2_000)
    parser.add_argument("--needs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(arguments)
