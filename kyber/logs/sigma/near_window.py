"""What correlations found in, the windows that came near out: that reached 80 % of a threshold without a firing."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kyber.finding import NearWindow
from kyber.logs.sigma.asking import silenced
from kyber.logs.sigma.correlate import Burst, Correlator, Run, decimal
from kyber.logs.sigma.correlation import Bound, Correlation
from kyber.logs.values import as_datetime

ENOUGH: Final = Fraction(4, 5)
"""Of a threshold, how much makes a window near."""
TIERS: Final = (Fraction(19, 20), Fraction(9, 10), Fraction(17, 20), ENOUGH)
MOST: Final = 1_000
"""Windows of the highest tier among which the highest is looked for."""
_RISING: Final = frozenset(("gt", "gte", "eq"))


def near_windows(correlator: Correlator, told: Callable[[Burst], bool] = lambda _: True) -> Iterator[NearWindow]:
    """For each correlation that alerts on its own, the window that came nearest, and how many groups came near.

    Of correlations that ask for more than something, and of windows that are no part of a burst: none of the group's
    firings is within a timespan. `told`: whether a window belongs to what the scan was asked for.
    """
    quiet = silenced(correlator.correlations)
    for run in correlator.runs.values():
        thresholds = _thresholds(run.one)
        if run.one.ref.id in quiet or not thresholds or not len(run.rows.time):
            continue
        rows = np.flatnonzero(_reach(run, thresholds, ENOUGH) & ~_about_firings(run))
        rows = np.array([row for row in rows.tolist() if told(_as_burst(run, row))], dtype=np.int64)
        if not len(rows):
            continue
        best = _best(run, thresholds, rows)
        begin, end = int(run.rows.time[run.windows.low[best]]), int(run.rows.time[best])
        (group,) = (texts for texts, number in run.groups.numbers.items() if number == run.rows.group[best])
        yield NearWindow(
            rule=run.one.ref,
            level=run.one.level,
            kind=str(run.one.kind),
            asked=run.one.asked,
            span=run.one.span,
            value=decimal(run.measured.at(best)),
            group=dict(zip(run.one.group_by, group, strict=True)),
            groups=len(np.unique(run.rows.group[rows])),
            first=as_datetime(begin),
            last=as_datetime(end),
        )


def _thresholds(one: Correlation) -> tuple[Bound, ...]:
    """The bounds that a value has to rise to; none where more is not worse."""
    if one.condition is None:
        return (Bound("gte", Fraction(len(one.rules)), str(len(one.rules))),)
    return tuple(bound for bound in one.condition.bounds if bound.operator in _RISING and bound.limit > 0)


def _reach(run: Run, thresholds: tuple[Bound, ...], share: Fraction) -> NDArray[np.bool_]:
    """The rows whose windows reach a share of every threshold, but do not rise to all of them."""
    found = run.measured.some & (run.rows.step >= 0)
    below = np.zeros(len(found), dtype=bool)
    for one in thresholds:
        found = found & (run.measured.against(one.limit * share) >= 0)
        signs = run.measured.against(one.limit)
        below |= signs <= 0 if one.operator == "gt" else signs < 0
    return found & below


def _about_firings(run: Run) -> NDArray[np.bool_]:
    """The rows of which a firing of the same group is within a timespan."""
    rows, span = run.rows, run.one.timespan
    ticks, rank = np.unique(rows.time, return_inverse=True)
    group = rows.group * len(ticks)
    fired = (group + rank)[run.fired]  # in order, as the rows are
    first = np.searchsorted(fired, group + np.searchsorted(ticks, ticks - span, side="left")[rank], side="left")
    last = np.searchsorted(ticks, ticks + span, side="right")[rank] - 1
    found: NDArray[np.bool_] = first < np.searchsorted(fired, group + last, side="right")
    return found


def _best(run: Run, thresholds: tuple[Bound, ...], rows: NDArray[np.int64]) -> int:
    """The row of the highest window; of several, the earliest in the first group."""
    for share in TIERS:
        high = rows[_reach(run, thresholds, share)[rows]]
        if len(high):
            return int(max(high[:MOST].tolist(), key=lambda row: (run.measured.at(row), -row)))
    raise AssertionError("every row reaches the last tier")


def _as_burst(run: Run, row: int) -> Burst:
    """A window as if it had fired, to be asked whether it is to be told of."""
    begin, end = int(run.rows.time[run.windows.low[row]]), int(run.rows.time[row])
    return Burst(run.one, -1, begin, end, end, begin, end, False)
