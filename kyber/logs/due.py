"""What falls due for logs: reviews of sources by their own interval, and the ends of filters."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from kyber.clock import Due, again
from kyber.duration import Duration
from kyber.logs.source import LogSource, SourceStatus

if TYPE_CHECKING:
    from kyber.logs.sigma.filters import Filter

_SOON: Final = Duration.parse("14 d")


def source_dues(sources: Iterable[LogSource]) -> Iterator[Due]:
    """The next review of each source that is not retired, and the last one."""
    for one in sources:
        if one.review is None or one.review.last is None or one.status is SourceStatus.RETIRED:
            continue
        next_ = Due(
            ring="logs",
            kind="source-review",
            id=one.id,
            title=one.name,
            owner=one.review.reviewer or one.owner,
            due=one.review.interval.after(one.review.last),
            place=one.where("review"),
        )
        yield from again(next_, one.review.last)


def filter_dues(filters: "Iterable[Filter]") -> Iterator[Due]:
    """The last day of each filter: it is written anew, or left to end."""
    for one in filters:
        if one.expires is not None:
            yield Due(
                ring="logs",
                kind="filter-end",
                id=one.ref.name or one.ref.id,
                title=one.ref.title,
                owner=one.owner or None,
                due=one.expires,
                lead=_SOON,
                place=one.place,
            )
