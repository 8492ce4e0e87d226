"""One stage of a benchmark in a process of its own; prints its figures as one line of JSON."""

import gc
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime

from kyber.logs.formats import Context
from kyber.logs.formats.known import detect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.records import FRAMINGS
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import read_rules
from kyber.logs.stream import Stream


def main() -> None:
    """`stage INPUT RULES`: measure it."""
    stage, given, rules = sys.argv[1:4]
    now = datetime.now(UTC)
    found, _ = inputs([given], now)
    figures: dict[str, float] = {}
    gc.disable()
    if stage == "help":
        wall = time.perf_counter()
        subprocess.run([sys.executable, "-c", "from kyber.cli import main; main()", "--help"], capture_output=True)
        figures["seconds"] = time.perf_counter() - wall
    elif stage == "parse":
        cpu, wall = time.process_time(), time.perf_counter()
        events = size = 0
        for one in found:
            stream = Stream(one)
            form = detect(stream.sample)
            parser = form.parser(Context(reference=one.modified, zone=UTC))
            for chunk in FRAMINGS[form.framing](stream):
                events += len(parser.feed(chunk).events)
            events += len(parser.finish().events)
            size += stream.produced
            stream.close()
        figures = {"events": events, "bytes": size}
        figures |= {"cpu": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    else:
        wall = time.perf_counter()
        ruleset = read_rules([rules], {})
        figures["reading"] = time.perf_counter() - wall
        cpu, wall = time.process_time(), time.perf_counter()
        scan([], ruleset, now)  # nothing to read: what planning costs
        planned = time.process_time() - cpu, time.perf_counter() - wall
        figures["planning"] = planned[1]
        cpu, wall = time.process_time(), time.perf_counter()
        result = scan([Job(source="", inputs=found, zone=UTC)], ruleset, now)
        figures["cpu"] = time.process_time() - cpu - planned[0]
        figures["seconds"] = time.perf_counter() - wall - planned[1]
        figures |= {"events": sum(one.events for one in result.inputs), "bytes": sum(one.read for one in result.inputs)}
        figures |= {"rules": result.rules, "findings": len(result.findings)}
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
