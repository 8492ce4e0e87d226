"""What the registers prove of the introduction: the registers in, a proof for each phase that leaves something out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kyber import kept
from kyber.continuity.assessment import Assessment
from kyber.continuity.register import ContinuityRegister
from kyber.introduction import Proof
from kyber.logs.source import LogSource, SourceStatus
from kyber.register import files
from kyber.risks.register import RiskRegister
from kyber.risks.risk import lacking

CALENDAR = "calendar/*.yaml"
"""Where the tasks of the annual clock are."""


def proofs(
    root: Path,
    state: Path,
    register: RiskRegister,
    continuity: ContinuityRegister,
    assessments: Sequence[Assessment],
    known: Sequence[LogSource],
) -> Mapping[str, Proof]:
    """How far the registers of the workspace at `root` show each phase to be done; one that leaves nothing is left out.

    `state` is the folder in which kyber keeps events and findings.
    """
    there = [one for one in register.risks if one.is_open]
    sources = [one for one in known if one.status is not SourceStatus.RETIRED]
    kinds = [one.type for one in continuity.plans]
    return {
        "risk-interviews": Proof(sum(one.identified_in == "interview" for one in register.risks)),
        "risk-workshops": Proof(
            sum(one.identified_in == "workshop" or bool(one.assessments) for one in register.risks)
        ),
        "risk-analysis": Proof(sum(one.current is not None for one in there), len(there)),
        "risk-definition": Proof(sum(not lacking(one) for one in there), len(there)),
        "risk-approval": Proof(len(register.approvals)),
        "current-state": Proof(sum(bool(one.answers) for one in assessments)),
        "continuity-parts": Proof(sum(one.bia is not None for one in continuity.services), len(continuity.services)),
        "recovery-planning": Proof(kinds.count("recovery")),
        "preparedness": Proof(kinds.count("preparedness")),
        "annual-clock": Proof(len(files(root, CALENDAR))),
        "log-survey": Proof(len(sources)),
        "log-policy": Proof(sum(bool(one.purpose and one.retention) for one in sources), len(sources)),
        "log-sources": Proof(sum(map(_is_defined, sources)), len(sources)),
        "log-adoption": Proof(_in_use(state, sources)),
    }


def _is_defined(one: LogSource) -> bool:
    return one.read is not None and bool(one.owner)


def _in_use(state: Path, sources: Sequence[LogSource]) -> int:
    """How many sources there are, once events or findings of them were kept here; otherwise none."""
    from kyber.logs.store.parquet import ParquetStore  # loads what reads Parquet

    return len(sources) if ParquetStore.exists(state) or (state / kept.FILE).exists() else 0
