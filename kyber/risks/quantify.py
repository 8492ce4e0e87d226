"""How often and how much, in numbers: what risks cost in a year, by simulating many years.

The numbers of risks in, frozen results out. A year of a risk is a rate, a Poisson number of events at that rate, and a
loss for each event; the loss of the year is their sum (a compound Poisson distribution whose rate is itself uncertain:
Klugman, Panjer, Willmot, Loss Models, ch. 6 and 9). Each risk draws from streams of its own, which follow from the seed
and the risk's id, and each control from one more. So a result does not depend on which other risks there are or on
their order, and with and without a control the same events happen and cost the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kyber.chance import stream
from kyber.risks.risk import Gain, Quant, Spread, Tails

YEARS: Final = 100_000
"""How many years are simulated unless more or fewer are asked for."""
FEWEST_YEARS: Final = 1_000
MOST_YEARS: Final = 1_000_000
"""How few and how many years can be asked for."""
MOST_EVENTS: Final = 500_000_000
"""How many events of one risk are simulated at most, as far as can be expected."""
SEED: Final = 20_260_101
"""What chance starts from unless something else is asked for."""
CHUNK: Final = 1 << 20
"""Events that are in memory at a time."""
CURVE: Final = 240
"""Points of a loss exceedance curve."""
SELDOM: Final = 0.001
"""How far down a curve goes: the loss that is exceeded in one year out of a thousand."""
BEYOND: Final = 10
"""How many years at least lie beyond the end of a curve."""

Z95: Final = NormalDist().inv_cdf(0.95)
"""The standard normal's 95th percentile; its 5th is the negative."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lognormal:
    """What is normal with this mean and standard deviation once its logarithm is taken."""

    mean_log: float
    deviation_log: float

    @property
    def mean(self) -> float:
        return exp(self.mean_log + self.deviation_log**2 / 2)

    def quantile(self, share: float) -> float:
        return exp(self.mean_log + self.deviation_log * NormalDist().inv_cdf(share))


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a year, in the currency."""

    expected: float
    """The mean over the simulated years."""
    error: float
    """Its standard error: how far chance alone may have moved it."""
    chance: float
    """The share of the years with any loss."""
    p90: float
    p95: float
    p99: float
    """What is exceeded in one year out of ten, twenty and a hundred."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one control buys, alone."""

    control: str
    expected: float
    """The expected loss of a year with it."""
    saved: float
    """How much less that is than without it."""
    error: float
    """The standard error of what is saved, year by year over the same events."""


Curve = tuple[tuple[float, float], ...]
"""A loss, and the share of the years in which it is reached or exceeded; from small losses to large ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a risk, or all of one currency together, costs in a year."""

    loss: Loss
    curve: Curve
    controls: tuple[Effect, ...] = ()
    """What each control buys, alone; by id."""
    together: Loss | None = None
    """The loss with all of these controls at once; None where there is none."""
    curve_together: Curve = ()


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The risks of one currency."""

    currency: str
    risks: Mapping[str, Outcome]
    """Each risk by its id."""
    whole: Outcome
    """All of them: the sum of their losses, year by year, as if none had to do with another."""


def quantify(numbers: Mapping[str, Quant], years: int = YEARS, seed: int = SEED) -> tuple[Portfolio, ...]:
    """What the risks, given by id, cost in a year: by currency, which are never added."""
    currencies = sorted({quant.currency for quant in numbers.values()})
    return tuple(
        _portfolio(currency, {id_: numbers[id_] for id_ in sorted(numbers) if numbers[id_].currency == currency},
                   years, seed)
        for currency in currencies
    )  # fmt: skip


def frequency_of(spread: Spread) -> Lognormal:
    """The lognormal of the yearly rate.

    A lognormal's quantiles lie on a line: ln q(p) = μ + σ·z(p), with z the standard normal's quantile (Johnson, Kotz,
    Balakrishnan, Continuous Univariate Distributions 1, ch. 14). Least squares through the three points, which are
    at −z, 0 and z, gives μ as the mean of their logarithms and σ = (ln p95 − ln p5) / 2z. It goes through all of them
    where p50 is the geometric mean of the others. σ is 0, and the rate fixed, where all are one.
    """
    low, middle, high = log(spread.p5), log(spread.p50), log(spread.p95)
    return Lognormal((low + middle + high) / 3, (high - low) / (2 * Z95))


def loss_of(tails: Tails) -> Lognormal:
    """The lognormal of the loss of one event: through the two points, at −z and z of ln q(p) = μ + σ·z(p)."""
    low, high = log(tails.p5), log(tails.p95)
    return Lognormal((low + high) / 2, (high - low) / (2 * Z95))


def pert_of(tails: Tails) -> tuple[float, float]:
    """The α and β of a PERT's beta distribution: 1 + 4·(m − a)/(b − a) and 1 + 4·(b − m)/(b − a), so that its mean is
    (a + 4m + b)/6 (Clark, The PERT model for the distribution of an activity time, Operations Research 10, 1962).

    a and b are the ends, m the likeliest value; both 3 where a and b are one.
    """
    low, high = tails.p5, tails.p95
    at = 0.5 if tails.mode is None or high == low else (tails.mode - low) / (high - low)
    return 1 + 4 * at, 1 + 4 * (1 - at)


def expected_events(quant: Quant, years: int) -> float:
    """How many events so many years have in the mean."""
    return frequency_of(quant.frequency).mean * years


def annual(id_: str, quant: Quant, gains: Sequence[Gain], years: int, seed: int) -> Floats:
    """The loss of each simulated year of a risk, with these controls. Memory: the years, and a chunk of events.

    A control that leaves a share of the events lets each happen with that chance, whatever the others do.
    """
    losses = stream(seed, id_, "loss")
    thinning = [(stream(seed, id_, "control", gain.control), gain) for gain in gains]
    rates = rates_of(quant, stream(seed, id_, "rate"), years)
    ends = np.cumsum(stream(seed, id_, "count").poisson(rates))
    total = np.zeros(years)
    for start in range(0, int(ends[-1]), CHUNK):
        stop = min(start + CHUNK, int(ends[-1]))
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(ends, stop, "left")
        edges = np.clip(ends[first : last + 1], start, stop)
        events = edges - np.concatenate(([start], edges[:-1]))
        each = losses_of(quant, losses, stop - start)
        for uniform, gain in thinning:
            each *= np.where(uniform.random(stop - start) < gain.frequency, gain.loss, 0.0)
        total[first : last + 1] += np.bincount(np.repeat(np.arange(len(events)), events), each, len(events))
    return total


def rates_of(quant: Quant, chance: np.random.Generator, count: int) -> Floats:
    """The rates of so many years."""
    rate = frequency_of(quant.frequency)
    return np.exp(rate.mean_log + rate.deviation_log * chance.standard_normal(count))


def losses_of(quant: Quant, chance: np.random.Generator, count: int) -> Floats:
    """The losses of so many events."""
    tails = quant.loss
    if quant.distribution == "pert":
        return tails.p5 + (tails.p95 - tails.p5) * chance.beta(*pert_of(tails), count)
    loss = loss_of(tails)
    return np.exp(loss.mean_log + loss.deviation_log * chance.standard_normal(count))


def _portfolio(currency: str, numbers: Mapping[str, Quant], years: int, seed: int) -> Portfolio:
    without, with_all = np.zeros(years), np.zeros(years)
    risks = {}
    for id_, quant in numbers.items():
        bare = annual(id_, quant, (), years, seed)
        treated = annual(id_, quant, quant.controls, years, seed) if quant.controls else bare
        risks[id_] = _outcome(bare, treated, tuple(_effects(id_, quant, bare, years, seed)))
        without += bare
        with_all += treated
    return Portfolio(currency, risks, _outcome(without, with_all, _joined(risks, float(without.mean()))))


def _effects(id_: str, quant: Quant, bare: Floats, years: int, seed: int) -> Iterator[Effect]:
    """Each control of a risk, alone. What a control says in several places it does several times."""
    for control in sorted({gain.control for gain in quant.controls}):
        gains = [gain for gain in quant.controls if gain.control == control]
        saved = bare - annual(id_, quant, gains, years, seed)
        mean = float(saved.mean())
        yield Effect(control, float(bare.mean()) - mean, mean, _error(saved))


def _joined(risks: Mapping[str, Outcome], expected: float) -> tuple[Effect, ...]:
    """What controls buy over several risks: sums, since risks have nothing to do with each other."""
    found: dict[str, list[Effect]] = {}
    for outcome in risks.values():
        for effect in outcome.controls:
            found.setdefault(effect.control, []).append(effect)
    return tuple(
        Effect(control, expected - saved, saved, sum(each.error**2 for each in effects) ** 0.5)
        for control, effects in sorted(found.items())
        for saved in [sum(each.saved for each in effects)]
    )


def _outcome(bare: Floats, treated: Floats, controls: tuple[Effect, ...]) -> Outcome:
    loss, curve = _loss(bare), _curve(bare)
    return Outcome(loss, curve, controls, _loss(treated), _curve(treated)) if controls else Outcome(loss, curve)


def _loss(years: Floats) -> Loss:
    p90, p95, p99 = np.quantile(years, (0.90, 0.95, 0.99)).tolist()
    return Loss(float(years.mean()), _error(years), float(np.count_nonzero(years) / len(years)), p90, p95, p99)


def _error(years: Floats) -> float:
    return float(years.std(ddof=1) / len(years) ** 0.5)


def _curve(years: Floats) -> Curve:
    """Losses of all sizes, at equal steps of the logarithm of the share of the years that reach them."""
    highest, lowest = np.count_nonzero(years) / len(years), max(SELDOM, BEYOND / len(years))
    if highest < lowest:
        return ()
    shares = np.geomspace(highest, lowest, CURVE)
    beyond = np.minimum(np.ceil(shares * len(years)).astype(int), np.count_nonzero(years))
    ordered = np.sort(years)
    return tuple(zip(ordered[len(years) - beyond].tolist(), shares.tolist(), strict=True))
