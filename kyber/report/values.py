"""A report in numbers: what the next one compares itself with, by stable keys."""

from collections.abc import Iterator, Mapping

from kyber.clock import State
from kyber.continuity.section import values as of_continuity
from kyber.logs.section import values as of_logs
from kyber.report.given import Given
from kyber.report.notices import notices
from kyber.risks.section import values as of_risks


def values(given: Given) -> Mapping[str, str]:
    """Every value, by its key."""
    return dict(_values(given))


def _values(given: Given) -> Iterator[tuple[str, str]]:
    yield "period.name", given.period.name
    yield "report.scope", given.scope
    yield from of_risks(given.risks)
    yield from of_continuity(given.continuity)
    yield from of_logs(given.logs)
    states = [one.state(given.today) for one in given.dues]
    yield "clock.late", str(states.count(State.LATE))
    period = given.period
    done = (one.done for one in given.dues if one.done is not None)
    yield "clock.done", str(sum(period.start <= day <= period.end for day in done))
    if not given.public:
        found = notices(given)
        yield "incidents", str(found.incidents)
        yield "notices.missed", str(found.missed)
    yield "problems.error", str(sum(one.severity == "error" for one in given.problems))
    yield "problems.warning", str(sum(one.severity == "warning" for one in given.problems))
