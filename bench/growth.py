"""How a scan grows with events and with rules, as two pictures:
`python -m bench growth --input FILE --rules FOLDER [--times 8] [--out docs/pictures]`.

Events: the input once, twice, ... so many times over, with all rules. Rules: all, one in two, one in four, ..., with
the input once. Each scan is a process of its own with one worker; CPU seconds without start-up. What a straight line
from the first point would give is drawn beside it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from bench.many import many
from bench.measure import Figures, measured, show
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import read_rules

PARTS = (16, 8, 4, 2, 1)
"""One rule in so many."""
WIDE, HIGH, EDGE = 560, 320, 56

Points = list[tuple[float, float]]


def main(arguments: Sequence[str]) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    parser.add_argument("--input", required=True, help="a log file, maybe compressed")
    parser.add_argument("--rules", default="rules", help="a rule file or folder")
    parser.add_argument("--times", type=int, default=8, help="how many times over the input is taken at most")
    parser.add_argument("--out", type=Path, help="the folder that the pictures go to")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
        steps = [times for times in (1, 2, 4, 8, 16) if times <= options.times]
        by_events: list[Figures] = []
        for times in steps:
            made = many(options.input, times, Path(folder))
            by_events.append(measured("bench.growth", str(made), options.rules, "1"))
            if times > 1:
                made.unlink()
        by_rules = [measured("bench.growth", str(many(options.input, 1, Path(folder))), options.rules, str(part))
                    for part in PARTS]  # fmt: skip
    events: Points = [(one["events"], one["cpu"]) for one in by_events]
    rules: Points = [(one["rules"], one["cpu"]) for one in by_rules]
    show((f"{count:,.0f} events", f"{cpu:.1f} s CPU") for count, cpu in events)
    show((f"{count:,.0f} rules", f"{cpu:.1f} s CPU") for count, cpu in rules)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, unit, points in (("events", "events", events), ("rules", "rules", rules)):
            (options.out / f"growth-{name}.svg").write_text(drawn(points, unit), encoding="utf-8")


def drawn(points: Points, unit: str) -> str:
    """CPU seconds over a count as SVG, with the straight line through nothing and the first point."""
    right = max(count for count, _ in points)
    line = right / points[0][0] * points[0][1]
    top = max(*(cpu for _, cpu in points), line) * 1.05

    def at(count: float, cpu: float) -> tuple[float, float]:
        return EDGE + count / right * (WIDE - 2 * EDGE), HIGH - EDGE - cpu / top * (HIGH - 2 * EDGE)

    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in points))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in (at(*one) for one in points))
    texts = "".join(
        f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="end">{cpu:.1f} s</text>'
        for (count, cpu) in points
        for x, y in (at(count, cpu),)
    )
    (x0, y0), (x1, y1), (_, ytop) = at(0, 0), at(right, line), at(0, top)
    title = escape(f"CPU seconds of a scan over {unit}: {len(points)} measured points and a straight line")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" font-family="sans-serif" '
        f'font-size="12"><title>{title}</title><rect width="{WIDE}" height="{HIGH}" fill="#fff"/>'
        f'<path d="M{x0:.1f} {ytop:.1f}V{y0:.1f}H{WIDE - EDGE}" fill="none" stroke="#444"/>'
        f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="#888" stroke-dasharray="5 4" fill="none"/>'
        f'<polyline points="{path}" fill="none" stroke="#0b5cad" stroke-width="2"/><g fill="#0b5cad">{dots}</g>'
        f'<g fill="#111">{texts}</g><text x="{x0:.1f}" y="{ytop - 14:.1f}" fill="#111">CPU seconds</text>'
        f'<text x="{WIDE - EDGE}" y="{HIGH - 16}" text-anchor="end" fill="#111">{right:,.0f} {escape(unit)}</text>'
        "</svg>\n"
    )


def _scan(given: str, rules: str, part: str) -> Figures:
    now = datetime.now(UTC)
    ruleset = read_rules([rules], {})
    ruleset = replace(ruleset, rules=tuple(ruleset.rules)[:: int(part)])
    started = time.process_time()
    scan([], ruleset, now)
    planning = time.process_time() - started
    found, _ = inputs([given], now)
    started = time.process_time()
    result = scan([Job(source="", inputs=found, zone=UTC)], ruleset, now)
    spent = time.process_time() - started - planning
    return {"events": sum(one.events for one in result.inputs), "rules": len(ruleset.rules), "cpu": spent}


if __name__ == "__main__":
    print(json.dumps(_scan(*sys.argv[1:])))
