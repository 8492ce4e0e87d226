"""Scales and the matrix: an estimate in, its level out, by look-up; and what a class of likelihood means a year."""

from dataclasses import dataclass
from math import inf

from kyber.risks.risk import Estimate
from kyber.settings import Matrix, RiskLevel, Settings

LEVELS: tuple[RiskLevel, ...] = tuple(RiskLevel)
"""From the lowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What an estimate is held against."""

    matrix: Matrix
    """Rows by likelihood, columns by impact, from the lowest; cells are 1 to 5."""
    bounds: tuple[float, ...]
    """The frequencies, in times a year, that part one class of likelihood from the next."""
    dimensions: tuple[str, ...]
    """What impact is judged on."""

    @property
    def likelihoods(self) -> int:
        """How many classes of likelihood there are."""
        return len(self.matrix)

    @property
    def impacts(self) -> int:
        """How many classes of impact there are."""
        return len(self.matrix[0])

    def level(self, estimate: Estimate | None) -> RiskLevel | None:
        """The level of an estimate; None for none, and for one outside the scale."""
        if estimate is None:
            return None
        return self.at(estimate.likelihood, estimate.whole)

    def at(self, likelihood: int, impact: int) -> RiskLevel | None:
        """The level of a cell of the matrix, by classes from 1; None outside it."""
        if not (1 <= likelihood <= self.likelihoods and 1 <= impact <= self.impacts):
            return None
        return LEVELS[self.matrix[likelihood - 1][impact - 1] - 1]

    def per_year(self, likelihood: int) -> tuple[float, float]:
        """The frequencies, in times a year, between which a class of likelihood lies."""
        edges = (0.0, *self.bounds, inf)
        return edges[likelihood - 1], edges[likelihood]


def scale_of(settings: Settings) -> Scale:
    """The scale of a workspace."""
    return Scale(matrix=settings.matrix, bounds=settings.frequencies, dimensions=settings.scales.impact)


def rank(level: RiskLevel | None) -> int:
    """A level as a number from 1; 0 for none."""
    return 0 if level is None else LEVELS.index(level) + 1
