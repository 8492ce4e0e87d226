"""What the report of a large workspace costs: `python -m bench report`.

Makes a workspace of so many risks, services and kept findings, and measures `kyber check`, which reads and checks the
same registers, and `kyber report` as JSON, each in a process of its own, in turn. Prints seconds and the ratio.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import yaml

from bench.graph import services_of
from bench.registers import KYBER, made, taken
from kyber import kept
from kyber.finding import Family, Finding, RuleRef, Sample
from kyber.level import Level
from tests.risks.county import lay_out

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TECHNIQUES = ("t1110", "t1021", "t1003", "t1486", "t1566.001")


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as folder:
        root = workspace(Path(folder), options.risks, options.services, options.findings)
        asked = ("--as-of", f"{NOW:%Y-%m-%d}", "--no-save", "--format", "json", "--workspace", str(root))
        commands = {
            "kyber check": [sys.executable, "-c", KYBER, "check", str(root)],
            "kyber report": [sys.executable, "-c", KYBER, "report", *asked],
        }
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(options.runs):
            for name, command in commands.items():
                best[name] = min(best[name], taken(command))
    many = f"{options.risks} risks, {options.services} services, {options.findings} findings"
    print(f"{many}; the best of {options.runs} runs")
    for name, seconds in best.items():
        print(f"{name:<18}{seconds:>7.2f} s {seconds / best['kyber check']:>6.2f} × check")


def workspace(root: Path, risks: int, services: int, findings: int) -> Path:
    """The same every time."""
    made(root, risks, max(1, risks // 5))
    records = services_of(services, 2 * services)
    for number, one in enumerate(records):
        one["hosts"] = [f"host-{number}"]
    lay_out(root, {f"continuity/services/{one['id']}.yaml": yaml.safe_dump(one, sort_keys=False) for one in records})
    for number, file in enumerate(sorted((root / "risks").glob("*.yaml"))):
        technique = TECHNIQUES[number % len(TECHNIQUES)].upper()
        of = f"s{number % services:05}"
        file.write_text(f"{file.read_text()}threats: [{technique}]\nservices: [{of}]\n")
    with kept.open(root / ".kyber") as store:
        store.save(_findings(findings, services), NOW)
    return root


def _findings(many: int, services: int) -> Iterator[Finding]:
    chance = Random(1)
    for number in range(many):
        rule = chance.randrange(200)
        technique = TECHNIQUES[rule % len(TECHNIQUES)]
        first = NOW - timedelta(minutes=chance.randrange(200 * 24 * 60))
        yield Finding(
            id=f"{number:032x}",
            rule=RuleRef(
                f"rule-{rule}", f"rule_{rule}", f"Rule {rule}", "0" * 64, "rules/r.yml", {"fi": f"Sääntö {rule}"}
            ),
            family=tuple(Family)[rule % 3],
            level=Level(rule % 5),
            tags=("attack.credential-access", f"attack.{technique}"),
            count=chance.randrange(1, 50),
            first=first,
            last=first,
            group={"host.name": f"host-{chance.randrange(services)}", "user.name": f"user{chance.randrange(900)}"},
            evidence=(),
            sample=Sample("e", "a.log", number, first, {"message": "failed " * 20}),
            description="What this means. " * 5,
        )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument("--risks", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=2_000)
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=2)
    return parser.parse_args(arguments)
