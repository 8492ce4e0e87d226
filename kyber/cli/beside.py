"""What other domains know of a service: its id in, the risks that name it and the findings that threaten it out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kyber.cli.continuity_files import ContinuityDesk
from kyber.cli.web import web_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.finding import Finding
    from kyber.risks.risk import Risk
    from kyber.text import Words

FINDINGS_DAYS: Final = 30
"""How far back the findings go that are shown of a service."""
RULES_SHOWN: Final = 6
"""Rules whose findings are shown of a service, the most serious first."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other domains know of a service: the risks that name it, the largest first, and the findings of the last
    days that threaten it; None where no findings are kept."""

    risks: "Sequence[Risk]"
    findings: "Sequence[Finding] | None"

    def record(self) -> dict[str, Any]:
        found = self.findings
        ids = None if found is None else [one.id for one in found]
        return {"risks": [one.id for one in self.risks], "findings": ids, "days": FINDINGS_DAYS}


def beside(at: ContinuityDesk, service: str) -> Beside:
    """What the other domains know of a service."""
    from datetime import UTC, datetime, timedelta

    from kyber import kept
    from kyber.risks.register import load_register

    register, _ = load_register(at.here.root, at.here.settings, at.today, only_risks=True)
    risks = [one for one in register.prioritised() if one.is_open and service in one.services]
    if not (at.here.state / kept.FILE).exists():
        return Beside(risks, None)
    with kept.open(at.here.state) as store:
        kept_ones = store.all(since=datetime.now(UTC) - timedelta(days=FINDINGS_DAYS))
    web = web_of(at.here, at.today, risks=False)
    touched = web.thread(one.finding for one in kept_ones)
    return Beside(risks, [one.finding for one in kept_ones if touched[one.finding.id].threatens(service)])


def told(known: Beside, words: "Words") -> Iterator[tuple[str, str]]:
    """The same in lines: a label and a text."""
    from kyber.privacy import mask

    for one in known.risks:
        yield words("continuity.label.risks"), f"{one.id} {mask(one.title)}"
    if known.findings is None:
        return
    label = words.many("continuity.label.recent", FINDINGS_DAYS)
    if not known.findings:
        yield label, words("continuity.no-findings")
    counts = Counter((-one.level, one.level, one.rule.title_in(words.language)) for one in known.findings)
    for (_, level, title), count in sorted(counts.items())[:RULES_SHOWN]:
        yield label, f"{words(f'findings.level.{level}')}: {mask(title)} ({words.number(count)})"
    if len(counts) > RULES_SHOWN:
        yield label, words.many("continuity.more-findings", len(counts) - RULES_SHOWN)
