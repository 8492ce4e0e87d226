"""What registered sources have: log sources in, of what kinds their events are, as far as that is declared, out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kyber.logs.batch import LogSource
from kyber.logs.formats.known import FORMATS
from kyber.logs.parse import JOURNALD, logsource_of
from kyber.logs.schema import table
from kyber.logs.sigma.route import alternatives
from kyber.logs.source import LogSource as Source
from kyber.logs.source import SourceStatus


@dataclass(frozen=True, slots=True)
class Supply:
    """What the events of a registered source are: what they are declared to be, each with the table of their fields.

    `open`: they may be of other kinds, too, since it is known only when they are read; then of this product, where it
    is said.
    """

    source: str
    kinds: tuple[tuple[LogSource, str], ...]
    open: bool = False
    product: str | None = None

    def may_have(self, logsource: LogSource) -> bool:
        """Whether its events may be of a rule's logsource, as far as that is known before they are read."""
        if any(alternatives(logsource, declared, table(name)) is not None for declared, name in self.kinds):
            return True
        return self.open and (logsource.product is None or self.product in (None, logsource.product))

    def is_declared(self, logsource: LogSource) -> bool:
        """Whether its events are of a rule's logsource by what they are declared to be, whatever they hold."""
        return any(alternatives(logsource, declared, table(name)) == [] for declared, name in self.kinds)


def supplies(sources: Iterable[Source], natures: Mapping[str, Collection[tuple[LogSource, str]]]) -> tuple[Supply, ...]:
    """What the active sources of a register have. `natures`: what is stored of them, by id."""
    return tuple(_supply(one, natures.get(one.id, ())) for one in sources if one.status is SourceStatus.ACTIVE)


def _supply(source: Source, stored: Collection[tuple[LogSource, str]]) -> Supply:
    said = source.logsource
    declared = LogSource(*(text and text.lower() for text in (said.product, said.category, said.service)))
    reading = source.read
    names = [] if reading is None else [reading.format] * bool(reading.paths) + [JOURNALD] * reading.journal
    registered = (
        (logsource_of(None if declared == LogSource() else declared, FORMATS[name]), FORMATS[name].table)
        for name in names
        if name in FORMATS
    )
    unread = any(name not in FORMATS for name in names) and not stored
    return Supply(source.id, tuple(dict.fromkeys((*stored, *registered))), unread, declared.product)


def sources_of(logsources: Iterable[LogSource], supply: Iterable[Supply]) -> tuple[str, ...]:
    """The sources that have events of one of the logsources, as far as that is known, or may have them."""
    asked = tuple(logsources)
    return tuple(one.source for one in supply if any(map(one.may_have, asked)))
