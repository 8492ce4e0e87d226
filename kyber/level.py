"""Sigma's levels, for rules and findings."""

from enum import IntEnum


class Level(IntEnum):
    """How serious a rule's author holds a match to be; ordered, so that a limit can be compared."""

    INFORMATIONAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def of(cls, text: str) -> "Level":
        """The level that a Sigma rule names. Raises ValueError for a word that is none."""
        try:
            return cls[text.upper()]
        except KeyError:
            raise ValueError(text) from None

    def __str__(self) -> str:
        return self.name.lower()
