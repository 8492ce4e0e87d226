"""Proof: how many attacks on many services some shipped rule finds.

In: those of CrowdSec's own test cases (`crowdsec-cases.tar.gz` of the outside data, see `crowdsec`) that carry an
attack: CrowdSec's scenarios overflow on their lines (`overflows`), or name who attacked (`sources`). Out: a Proof
with a table, a row a service, and one of the rules that found them. Each log is scanned alone, as `kyber scan` would,
with all rules of the folder `rules`; kyber tells the format itself.

**An attack** is a case. It is found where a finding of a rule on security names one of the case's sources: in its
group, among the fields of its sample, or in the record that the sample was made of. A source is the attacker's
address, user, or parent process. Of a case without sources, any such finding counts. **Attackers** are the sources
one by one.

**A service** is what CrowdSec says that the log is of. Of logs that came by syslog it does not say, and then it is
the program that most lines are of; LOGIN_PROGRAMS together are `linux-auth`.

The held-out cases are read only when asked for (`held_out`, or `--all` of `python -m tests.prove.attacks`), and told
apart.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from kyber.finding import Family, Finding
from kyber.logs.inputs import Input
from kyber.logs.parse import Job, Tally
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.values import texts
from tests.prove.both import File, batches_of
from tests.prove.crowdsec import CASES, cases, plain, share
from tests.prove.page import Proof, table

LOGIN_PROGRAMS: Final = frozenset(
    ("su", "sudo", "login", "passwd", "systemd-logind", "polkitd", "pkexec", "unix_chkpwd", "PAM", "useradd")
)
SERVICES: Final[Mapping[str, str]] = {
    "apache2": "apache",
    "sshd-session": "sshd",
    "sshd-auth": "sshd",
    **dict.fromkeys(LOGIN_PROGRAMS, "linux-auth"),
}
"""CrowdSec's name, or a program's -> the name under which a service is counted."""


@dataclass(slots=True)
class Count:
    """What one service's attacks came to; `missed` names the cases that no rule found."""

    attacks: int = 0
    found: int = 0
    attackers: int = 0
    named: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        """Count another's too."""
        self.attacks += other.attacks
        self.found += other.found
        self.attackers += other.attackers
        self.named += other.named
        self.rules += other.rules
        self.missed += other.missed


@cache
def shipped() -> RuleSet:
    """The shipped rules, as they stand in `rules`."""
    return read_rules([str(shipped_rules())], {})


def is_attack(case: Mapping[str, Any]) -> bool:
    """Whether CrowdSec finds an attack in a case."""
    return bool(case.get("overflows") or case.get("sources"))


def measured(case: Mapping[str, Any], log: bytes, rules: RuleSet) -> tuple[str, Count]:
    """The service of one case, and what the rules found in its log."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(log)
        service = service_of(case, path)
        now = datetime.now(UTC)
        result = scan([Job(source="", inputs=[Input("log", path, len(log), now)], zone=UTC)], rules, now)
    lines = log.decode(errors="replace").split("\n")
    sources = set(case.get("sources") or ())
    named: set[str] = set()
    count = Count(attacks=1, attackers=len(sources))
    for finding in result.findings:
        if finding.family is not Family.SECURITY:
            continue
        here = {source for source in sources if names(finding, source, lines)}
        if here or not sources:
            count.rules[finding.rule.name] = 1
            count.found = 1
        named |= here
    count.named = len(named)
    if not count.found:
        count.missed.append(case["test"])
    return service, count


def names(finding: Finding, source: str, lines: list[str]) -> bool:
    """Whether a finding names a source: in its group, its sample's fields, or its sample's record (`lines`)."""
    if plain(source) in map(plain, (*finding.group.values(), *finding.sample.fields.values())):
        return True
    number = finding.sample.record - 1
    record = lines[number] if 0 <= number < len(lines) else ""
    return re.search(rf"(?<![\w.:]){re.escape(source)}(?![\w:]|\.\w)", record) is not None


def service_of(case: Mapping[str, Any], log: Path) -> str:
    """Of which service the log of a case is."""
    name = str(case["log_type"])
    if name == "syslog":
        programs: Counter[str] = Counter()
        for batch in batches_of(File("log", log), Tally()):
            column = batch.column("process.name")
            if column is not None:
                programs.update(text for row in range(batch.rows) for text in texts(column.at(row)))
        name = min(programs, key=lambda one: (-programs[one], one), default=name)
    return SERVICES.get(name, name)


def per_service(held_out: bool, rules: RuleSet, most: int | None = None) -> dict[str, Count]:
    """A count a service. `most`: only so many attacks, the first."""
    found: dict[str, Count] = defaultdict(Count)
    attacks = ((case, log) for case, log in cases(held_out) if is_attack(case))
    for case, log in islice(attacks, most):
        service, count = measured(case, log, rules)
        found[service].add(count)
    return dict(sorted(found.items()))


def total(counts: Iterable[Count]) -> Count:
    """All of them together."""
    whole = Count()
    for one in counts:
        whole.add(one)
    return whole


def services_table(found: Mapping[str, Count], tell_missed: bool) -> str:
    """A row a service. `tell_missed`: with the cases that no rule found, by name."""

    def row(name: str, one: Count) -> tuple[object, ...]:
        cells = (name, one.attacks, one.found, f"{one.named} of {one.attackers}" if one.attackers else "")
        return (*cells, ", ".join(sorted(one.missed))) if tell_missed else cells

    head = ("service", "attacks", "found", "attackers named")
    return table((*head, "not found") if tell_missed else head, [row(name, one) for name, one in found.items()])


def rules_table(whole: Count) -> str:
    """A row a rule: how many attacks it found."""
    return table(("rule", "attacks"), Counter(dict(sorted(whole.rules.items()))).most_common())


CLAIM = """\
How many attacks on many services some shipped rule finds, without any hint of what the log is of. The attacks are
those of CrowdSec's own test cases, most of them as few lines as CrowdSec's scenario needs. Nothing is claimed but
that all were looked at; the numbers are the answer."""
MEANT = """\
An attack, a case, is found where a finding of a rule on security names one of the case's sources (the attacker's
address, user or parent process), or, where the case names none, where there is any such finding. A case belongs to
the working ones where its name's SHA-256, as a number, is divisible by 4; the rules were improved with those only."""


def attacks(most: int | None = None, held_out: bool = False) -> Proof:
    """The working cases, and the held-out ones where asked for. `most`: only so many of each."""
    rules = shipped()
    parts: list[str] = [MEANT]
    counts: dict[str, int] = {"rules": len(rules.rules) + len(rules.correlations)}
    wrong = [f"{Path(problem.place.file).name}: {problem.code}" for problem in rules.problems]
    for side, name in ((False, "working cases"), (True, "held-out cases")):
        if side and not held_out:
            continue
        found = per_service(side, rules, most)
        whole = total(found.values())
        counts |= {
            f"{name}: attacks": whole.attacks,
            f"{name}: attacks found": whole.found,
            f"{name}: attackers": whole.attackers,
            f"{name}: attackers named": whole.named,
        }
        if whole.attacks != whole.found + len(whole.missed):
            wrong.append(f"{name}: {whole.attacks} attacks, {whole.found} found, {len(whole.missed)} not found")
        parts += [
            f"## The {name}",
            f"{share(whole.found, whole.attacks)} of the attacks are found.",
            # What was missed of the held-out ones stays untold, for the rules not to be fitted to it.
            services_table(found, tell_missed=not side),
            "By rule; an attack counts for each rule that found it:",
            rules_table(whole),
        ]
    return Proof(
        title="Attacks that the shipped rules find", claim=CLAIM, counts=counts, wrong=wrong, parts=parts, data=(CASES,)
    )


if __name__ == "__main__":
    proof = attacks(held_out="--all" in sys.argv[1:])
    print("\n\n".join([f"# {proof.title}", table(("what", "count"), proof.counts.items()), *proof.parts]))
