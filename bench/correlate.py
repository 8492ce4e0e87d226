"""How long correlations take over two million occurrences: `python -m bench.correlate [COUNT]`, one line a type.

The occurrences are made, so that neither reading nor matching is in the figures. Half of them fall to each rule where a
type has two.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import numpy as np
import yaml

from kyber.logs.sigma.correlate import Correlator
from kyber.logs.sigma.occurrences import Occurrences, needs
from kyber.logs.sigma.rule import RuleSet, read_rules

COUNT: Final = 2_000_000
GROUPS: Final = 1_000
VALUES: Final = 5_000
WEEK: Final = 7 * 86_400_000_000
TYPES: Final[dict[str, dict[str, Any]]] = {
    "event_count": {"rules": ["a"], "condition": {"gte": 10}},
    "value_count": {"rules": ["a"], "condition": {"gte": 10, "field": "v"}},
    "temporal": {"rules": ["a", "b"], "timespan": "5s"},
    "temporal_ordered": {"rules": ["a", "b"], "timespan": "5s"},
    "value_sum": {"rules": ["a"], "condition": {"gte": 30_000, "field": "v"}},
    "value_avg": {"rules": ["a"], "condition": {"gte": 4_990, "field": "v"}},
    "value_percentile": {"rules": ["a"], "condition": {"gte": 4_990, "field": "v", "percentile": 50}},
    "value_median": {"rules": ["a"], "condition": {"gte": 4_990, "field": "v"}},
}


def ruleset(kind: str) -> RuleSet:
    """Two rules and a correlation over them."""
    rules = [
        {"title": name, "id": name, "logsource": {}, "detection": {"sel": {"k": name}, "condition": "sel"}}
        for name in ("a", "b")
    ]
    correlation = {"type": kind, "group-by": ["g"], "timespan": "10m", **TYPES[kind]}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        documents = [*rules, {"title": kind, "id": kind, "correlation": correlation}]
        file.write_text("---\n".join(map(yaml.safe_dump, documents)), encoding="utf-8")
        return read_rules([str(file)], {})


def made(rules: RuleSet, count: int) -> Occurrences:
    """So many occurrences within a week, at random."""
    (one,) = rules.correlations
    found, random = Occurrences(needs(rules.correlations)), np.random.default_rng(1)
    found.sources[""] = 0
    found.entries["g",] = {((str(number),),): number for number in range(GROUPS)}
    found.entries[one.fields] = {((str(number),),) if one.fields else ((),): number for number in range(VALUES)}
    for gathered in found.rules.values():
        size = count // len(found.rules)
        gathered.times = random.integers(0, WEEK, size)
        gathered.keys = np.arange(size) + found.serial
        gathered.sources = np.zeros(size, dtype=np.int32)
        values = random.integers(0, VALUES, size) if one.fields else np.zeros(size)
        gathered.codes = {
            ("g",): random.integers(0, GROUPS, size).astype(np.int32),
            one.fields: values.astype(np.int32),
        }
        gathered.seen, found.serial = size, found.serial + size
    return found


def main(count: int) -> None:
    for kind in TYPES:
        rules = ruleset(kind)
        found = made(rules, count)
        start = perf_counter()
        bursts = list(Correlator(rules.correlations, found, rules.rules).bursts())
        print(
            f"{kind:17} {count:>11,} occurrences {perf_counter() - start:6.2f} s {len(bursts):>9,} bursts", flush=True
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
