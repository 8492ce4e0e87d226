"""What a scan costs, against parsing the same input: `python -m bench --input FILE --rules FOLDER`.

Prints events/s, MB/s (decompressed), peak memory, start-up, and the ratio of the whole scan to parsing alone. Parsing
alone reads, decompresses and splits the input and parses each record (JSON by orjson; other formats by their parser),
and keeps nothing. Start-up (rules read, and planned, as a scan of nothing shows) is printed apart and is in neither
figure. Every measurement is a process of its own, so that none warms another; their order alternates.

`python -m bench NAME` measures something else, see `bench.NAME`: `cores` a scan by several processes, `growth` how it
grows with events and rules, `store` the embedded store, `rules` reading and planning rules, `readers` ways to read
JSON lines, `shipping` sending to Elasticsearch, `registers` checking and listing a large register of risks, `graph` a
large graph of services, `report` the report of a large workspace.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench import cores, graph, growth, readers, registers, report, rules, shipping, store
from bench.measure import Figures, measured, ratio, show

STAGES = ("parse", "scan")
OTHERS = {
    "store": store.main,
    "rules": rules.main,
    "readers": readers.main,
    "cores": cores.main,
    "growth": growth.main,
    "shipping": shipping.main,
    "registers": registers.main,
    "graph": graph.main,
    "report": report.main,
}
WRITTEN = 20_000


def main() -> None:
    """Measure, and print one table."""
    if sys.argv[1:2] and (other := OTHERS.get(sys.argv[1])):
        other(sys.argv[2:])
        return
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        given = options.input or _generated(Path(folder) / "events.jsonl")
        runs: dict[str, list[Figures]] = {stage: [] for stage in STAGES}
        for _ in range(options.runs):
            for stage in STAGES:
                runs[stage].append(measured("bench.stage", stage, given, options.rules))
        help_seconds = [measured("bench.stage", "help", given, options.rules)["seconds"] for _ in range(options.runs)]
    parse, scan = (min(runs[stage], key=lambda one: one["cpu"]) for stage in STAGES)
    ratios = [scanned["cpu"] / parsed["cpu"] for parsed, scanned in zip(runs["parse"], runs["scan"], strict=True)]
    walls = [
        scanned["seconds"] / parsed["seconds"] for parsed, scanned in zip(runs["parse"], runs["scan"], strict=True)
    ]
    rows = [
        ("input", f"{Path(given).name}: {scan['events']:,.0f} events, {scan['bytes'] / 1e6:,.0f} MB decompressed"),
        ("rules", f"{scan['rules']:,.0f} run, {scan['findings']:,.0f} findings"),
        ("parsing alone", _speed(parse)),
        ("scan", _speed(scan)),
        ("scan : parsing, CPU", ratio(ratios)),
        ("scan : parsing, wall", ratio(walls)),
        ("start-up: rules", f"{scan['reading']:.2f} s to read, {scan['planning']:.2f} s to plan; outside the ratio"),
        ("start-up: kyber --help", f"{statistics.median(help_seconds):.2f} s"),
        ("peak memory of the scan", f"{scan['memory'] / 1e6:,.0f} MB (parsing alone {parse['memory'] / 1e6:,.0f} MB)"),
    ]
    show(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--input", help="a log file; without it, events are generated")
    parser.add_argument("--rules", default="rules", help="a rule file or folder")
    parser.add_argument("--runs", type=int, default=3, help="how often each stage is measured")
    return parser.parse_args()


def _speed(run: Figures) -> str:
    return (
        f"{run['cpu']:.2f} s CPU, {run['seconds']:.2f} s wall, "
        f"{run['events'] / run['seconds']:,.0f} events/s, {run['bytes'] / 1e6 / run['seconds']:,.0f} MB/s"
    )


def _generated(file: Path) -> str:
    """Windows process events of which one in a thousand is worth a finding; the same every time."""
    with file.open("w", encoding="utf-8") as out:
        for index in range(WRITTEN):
            bad = index % 1_000 == 0
            command = "rundll32 comsvcs.dll, MiniDump 612 C:\\t.dmp full" if bad else f"tool.exe --job {index % 97}"
            event = {
                "EventID": 1,
                "Channel": "Microsoft-Windows-Sysmon/Operational",
                "SourceName": "Microsoft-Windows-Sysmon",
                "Hostname": f"host{index % 50}",
                "@timestamp": f"2026-03-{1 + index % 28:02}T{index % 24:02}:00:00Z",
                "Image": "C:\\Windows\\System32\\rundll32.exe" if bad else "C:\\Program Files\\Tool\\tool.exe",
                "CommandLine": command,
                "User": f"USER{index % 400}",
                "ProcessGuid": f"{{{index:032x}}}",
            }
            out.write(json.dumps(event) + "\n")
    return str(file)


if __name__ == "__main__":
    main()
