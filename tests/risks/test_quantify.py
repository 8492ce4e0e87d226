"""The simulation, held against closed forms within the sampling error, and against a loop that cannot be misread.

All of it is drawn from fixed seeds, so a test that passes once passes always. An estimate may lie WITHIN standard
errors from what is true: by chance alone, about one in two million lies further away.
"""

from dataclasses import replace
from itertools import pairwise
from math import exp, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.risks import quantify as module
from kyber.risks.quantify import (
    CHUNK,
    SEED,
    YEARS,
    Floats,
    annual,
    frequency_of,
    loss_of,
    losses_of,
    pert_of,
    quantify,
    rates_of,
    stream,
)
from kyber.risks.risk import Gain, Quant, Spread

WITHIN = 5.0
MANY = 400_000

FIXED = [
    (0.02, 1e3, 1e5, "lognormal", None),
    (0.1, 5e4, 2e6, "lognormal", None),
    (0.3, 10.0, 10_000.0, "lognormal", None),
    (1.0, 100.0, 100.0, "lognormal", None),
    (2.5, 1e3, 9e3, "lognormal", None),
    (12.0, 1e2, 3e3, "lognormal", None),
    (52.0, 20.0, 900.0, "lognormal", None),
    (0.05, 1e4, 1e6, "pert", None),
    (0.5, 1e4, 1e6, "pert", 3e4),
    (1.0, 5.0, 6.0, "pert", 6.0),
    (4.0, 1e3, 5e3, "pert", 1e3),
    (30.0, 200.0, 200.0, "pert", None),
]
"""A fixed rate; the loss's two points, its distribution and its likeliest value."""


def numbers(
    rate: float | tuple[float, float, float],
    low: float = 1e3,
    high: float = 1e5,
    shape: str = "lognormal",
    mode: float | None = None,
    *gains: Gain,
    currency: str = "EUR",
) -> Quant:
    p5, p50, p95 = rate if isinstance(rate, tuple) else (rate, rate, rate)
    return Quant.model_validate(
        {
            "frequency": {"p5": p5, "p50": p50, "p95": p95},
            "loss": {"p5": low, "p95": high, "mode": mode},
            "distribution": shape,
            "currency": currency,
            "controls": gains,
        }
    )


def moment(quant: Quant, power: int) -> float:
    """E[X^power] of the loss of one event, by the closed forms."""
    tails = quant.loss
    if quant.distribution == "lognormal":
        z95 = 1.6448536269514722
        mean, deviation = log(tails.p5 * tails.p95) / 2, log(tails.p95 / tails.p5) / (2 * z95)
        return exp(power * mean + power**2 * deviation**2 / 2)
    alpha, beta = pert_of(tails)
    of_beta = [1.0]
    for k in range(power):
        of_beta.append(of_beta[-1] * (alpha + k) / (alpha + beta + k))
    wide = tails.p95 - tails.p5
    return sum(_choose(power, k) * wide**k * of_beta[k] * tails.p5 ** (power - k) for k in range(power + 1))


def _choose(n: int, k: int) -> int:
    return 1 if k in (0, n) else _choose(n - 1, k - 1) + _choose(n - 1, k)


@pytest.mark.parametrize(("rate", "low", "high", "shape", "mode"), FIXED)
def test_mean_variance_and_chance_are_those_of_the_compound_poisson(
    rate: float, low: float, high: float, shape: str, mode: float | None
) -> None:
    quant = numbers(rate, low, high, shape, mode)
    years = annual("R-001", quant, (), MANY, SEED)
    mean, variance, fourth = (rate * moment(quant, power) for power in (1, 2, 4))  # cumulants
    assert abs(years.mean() - mean) < WITHIN * sqrt(variance / MANY)
    assert abs(years.var(ddof=1) - variance) < WITHIN * sqrt((fourth + 2 * variance**2) / MANY)
    loss = 1 - exp(-rate)
    assert abs((years > 0).mean() - loss) <= WITHIN * sqrt(loss * (1 - loss) / MANY)


@pytest.mark.parametrize("rate", [(0.05, 0.2, 0.8), (0.5, 1.0, 2.0), (1.0, 2.0, 9.0), (10.0, 20.0, 30.0)])
def test_a_rate_that_is_uncertain_widens_the_year_as_the_mixed_poisson_does(rate: tuple[float, float, float]) -> None:
    quant = numbers(rate)
    years = annual("R-001", quant, (), MANY, SEED)
    often = frequency_of(quant.frequency)
    first, second = (exp(k * often.mean_log + k**2 * often.deviation_log**2 / 2) for k in (1, 2))
    mean = first * moment(quant, 1)
    variance = first * moment(quant, 2) + (second - first**2) * moment(quant, 1) ** 2
    assert abs(years.mean() - mean) < WITHIN * sqrt(variance / MANY)
    fourth = ((years - years.mean()) ** 4).mean()
    assert abs(years.var(ddof=1) - variance) < WITHIN * sqrt((fourth - variance**2) / MANY)


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (1e3, 1e5), (50.0, 2e5), (7.0, 7.7), (1e6, 1e9)])
@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.9, 0.95, 0.99])
def test_a_lognormal_has_its_quantiles(low: float, high: float, share: float) -> None:
    quant = numbers(1.0, low, high)
    drawn = losses_of(quant, stream(SEED, "R-001", "loss"), MANY)
    made = loss_of(quant.loss)
    assert made.quantile(0.05) == pytest.approx(low)
    assert made.quantile(0.95) == pytest.approx(high)
    assert abs(np.quantile(drawn, share) - made.quantile(share)) < WITHIN * _error_of_quantile(made, share)


def _error_of_quantile(made: module.Lognormal, share: float) -> float:
    at = made.quantile(share)
    z = (log(at) - made.mean_log) / made.deviation_log
    density = exp(-(z**2) / 2) / (at * made.deviation_log * sqrt(2 * pi))
    return sqrt(share * (1 - share) / MANY) / density


@pytest.mark.parametrize("points", [(0.1, 0.3, 0.9), (1.0, 10.0, 100.0), (2.0, 2.0, 2.0)])
def test_a_rate_goes_through_its_three_points_where_a_lognormal_can(points: tuple[float, float, float]) -> None:
    made = frequency_of(Spread(p5=points[0], p50=points[1], p95=points[2]))
    assert [made.quantile(share) for share in (0.05, 0.5, 0.95)] == pytest.approx(points)
    drawn = rates_of(numbers(points), stream(SEED, "R-001", "rate"), MANY)
    for share, point in zip((0.05, 0.5, 0.95), points, strict=True):
        off = _error_of_quantile(made, share) if made.deviation_log else 1e-12
        assert abs(np.quantile(drawn, share) - point) < WITHIN * off


@given(st.floats(0.01, 10), st.floats(1, 20), st.floats(1, 20))
def test_no_other_line_is_nearer_to_three_points_that_a_lognormal_cannot_have(
    low: float, up: float, upper: float
) -> None:
    spread = Spread(p5=low, p50=low * up, p95=low * up * upper)
    made = frequency_of(spread)

    def off(mean: float, deviation: float) -> float:
        points = zip((-module.Z95, 0.0, module.Z95), (spread.p5, spread.p50, spread.p95), strict=True)
        return sum((mean + deviation * z - log(value)) ** 2 for z, value in points)

    best = off(made.mean_log, made.deviation_log)
    for mean in (-0.01, 0, 0.01):
        for deviation in (-0.01, 0, 0.01):
            assert off(made.mean_log + mean, made.deviation_log + deviation) >= best


@pytest.mark.parametrize(
    ("low", "mode", "high"),
    [(0.5, 1.0, 9.0), (1e3, None, 1e5), (1e3, 1e3, 1e5), (1e3, 1e5, 1e5), (10.0, 11.0, 12.0), (5.0, None, 5.0)],
)
def test_a_pert_has_its_mean_its_variance_and_its_ends(low: float, mode: float | None, high: float) -> None:
    quant = numbers(1.0, low, high, "pert", mode)
    drawn = losses_of(quant, stream(SEED, "R-001", "loss"), MANY)
    middle = (low + high) / 2 if mode is None else mode
    mean = (low + 4 * middle + high) / 6
    variance = (mean - low) * (high - mean) / 7  # as α + β = 6
    assert abs(drawn.mean() - mean) <= WITHIN * sqrt(variance / MANY) + 1e-9
    fourth = ((drawn - drawn.mean()) ** 4).mean()
    assert abs(drawn.var() - variance) <= WITHIN * sqrt(max(0.0, fourth - variance**2) / MANY) + 1e-9
    assert low <= drawn.min() <= drawn.max() <= high


def slowly(id_: str, quant: Quant, gains: tuple[Gain, ...], years: int, seed: int) -> list[float]:
    """What `annual` does, event by event."""
    rates, counts, losses = (stream(seed, id_, name) for name in ("rate", "count", "loss"))
    controls = [stream(seed, id_, "control", gain.control) for gain in gains]
    found = []
    for _ in range(years):
        total = 0.0
        for _ in range(int(counts.poisson(rates_of(quant, rates, 1)[0]))):
            loss = losses_of(quant, losses, 1)[0]
            for gain, uniform in zip(gains, controls, strict=True):
                loss = loss * gain.loss if uniform.random() < gain.frequency else 0.0
            total += loss
        found.append(total)
    return found


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.01, 5),
    st.floats(1, 10),
    st.floats(1, 1000),
    st.sampled_from(["lognormal", "pert"]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=3),
    st.integers(1, 30),
)
def test_years_are_those_of_a_slow_and_obvious_loop(
    rate: float, wide: float, steep: float, shape: str, controls: list[tuple[float, float]], chunk: int
) -> None:
    gains = tuple(Gain(control=f"C-{at}", frequency=often, loss=much) for at, (often, much) in enumerate(controls))
    quant = numbers((rate, rate * wide**0.5, rate * wide), 10.0, 10.0 * steep, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)  # a year goes on in the next chunk, and chunks hold many years
        found = annual("R-001", quant, gains, 40, SEED)
    assert found.tolist() == pytest.approx(slowly("R-001", quant, gains, 40, SEED))


def test_more_events_than_memory_should_hold_are_drawn_in_parts() -> None:
    often = numbers(900.0, 10.0, 1000.0)
    assert CHUNK < 900 * 2_000
    years = annual("R-001", often, (), 2_000, SEED)
    mean, variance = 900 * moment(often, 1), 900 * moment(often, 2)
    assert abs(years.mean() - mean) < WITHIN * sqrt(variance / 2_000)
    assert years.min() > 0


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    register = {"R-001": numbers((0.1, 0.3, 1.0)), "R-002": numbers(2.0)}
    assert quantify(register, 5_000, 7) == quantify(register, 5_000, 7)
    assert quantify(register, 5_000, 7) != quantify(register, 5_000, 8)


def test_neither_the_order_of_risks_nor_other_risks_change_a_risk() -> None:
    one, two, three = numbers((0.1, 0.3, 1.0)), numbers(2.0), numbers(1.0)
    (there,) = quantify({"R-001": one, "R-002": two, "R-004": three}, 5_000)
    assert quantify({"R-004": three, "R-002": two, "R-001": one}, 5_000) == (there,)
    (alone,) = quantify({"R-001": one}, 5_000)
    (more,) = quantify({"R-000": three, "R-001": one, "R-003": three}, 5_000)
    assert alone.risks["R-001"] == there.risks["R-001"] == more.risks["R-001"]
    assert more.risks["R-000"] != more.risks["R-003"]  # the same numbers, and other years


def test_neither_the_order_of_controls_nor_other_controls_change_what_one_buys() -> None:
    first, second = Gain(control="C-001", frequency=0.5), Gain(control="C-002", loss=0.3, frequency=0.9)
    both, turned, alone = (
        quantify({"R-001": numbers(1.0, 1e3, 1e5, "lognormal", None, *gains)}, 5_000)[0].risks["R-001"]
        for gains in ((first, second), (second, first), (second,))
    )
    assert both == turned
    assert both.controls[1] == alone.controls[0]
    assert both.loss == alone.loss


def test_all_of_one_currency_is_the_sum_of_its_risks_year_by_year_and_currencies_are_never_added() -> None:
    register = {
        "R-001": numbers((0.1, 0.3, 1.0)),
        "R-002": numbers(2.0),
        "R-003": numbers(1.0, currency="SEK"),
    }
    euros, crowns = quantify(register, 20_000)
    assert (euros.currency, set(euros.risks)) == ("EUR", {"R-001", "R-002"})
    assert (crowns.currency, set(crowns.risks)) == ("SEK", {"R-003"})
    assert crowns.whole == crowns.risks["R-003"]
    years = sum((annual(id_, register[id_], (), 20_000, SEED) for id_ in ("R-001", "R-002")), np.zeros(20_000))
    assert euros.whole.loss.expected == pytest.approx(years.mean())
    assert euros.whole.loss.p95 == pytest.approx(np.quantile(years, 0.95))
    assert euros.whole.loss.chance == (years > 0).mean()
    assert euros.whole.loss.p95 < sum(one.loss.p95 for one in euros.risks.values())  # quantiles do not add up


def test_what_a_control_buys_is_what_it_leaves_out_of_the_same_events() -> None:
    gain = Gain(control="C-001", frequency=0.25, loss=0.5)
    quant = numbers(2.0, 1e3, 1e5, "lognormal", None, gain)
    found = quantify({"R-001": quant}, MANY)[0].risks["R-001"]
    (effect,) = found.controls
    bare, mean, square = annual("R-001", quant, (), MANY, SEED), 2 * moment(quant, 1), 2 * moment(quant, 2)
    assert effect.expected + effect.saved == pytest.approx(found.loss.expected)
    assert found.together is not None
    assert found.together.expected == pytest.approx(effect.expected)
    # An event loses X without the control; with it X/2 in one case of four, and else nothing.
    assert abs(effect.saved - mean * (1 - 0.25 * 0.5)) < WITHIN * sqrt(square * (0.75 + 0.25 * 0.25) / MANY)
    assert abs(found.loss.expected - mean) < WITHIN * sqrt(square / MANY)
    assert (annual("R-001", quant, (gain,), MANY, SEED) <= bare).all()
    other = annual("R-001", quant, (gain,), MANY, SEED + 1)
    assert effect.error < float((bare - other).std() / sqrt(MANY))  # less noise than with years of their own


def test_a_control_that_leaves_everything_buys_nothing_and_one_that_leaves_nothing_buys_all() -> None:
    idle, perfect = Gain(control="C-001"), Gain(control="C-002", frequency=0.0)
    found = quantify({"R-001": numbers(1.0, 1e3, 1e5, "lognormal", None, idle, perfect)}, 5_000)[0].risks["R-001"]
    assert found.controls[0].saved == 0
    assert found.controls[0].expected == found.loss.expected
    assert found.controls[1].saved == pytest.approx(found.loss.expected)
    assert found.together == replace(found.loss, expected=0.0, error=0.0, chance=0.0, p90=0.0, p95=0.0, p99=0.0)
    assert found.curve_together == ()


def test_controls_together_leave_the_product_of_their_shares() -> None:
    gains = (
        Gain(control="C-001", frequency=0.5),
        Gain(control="C-002", frequency=0.4),
        Gain(control="C-003", loss=0.3),
    )
    quant = numbers(2.0, 1e3, 1e4, "lognormal", None, *gains)
    together = quantify({"R-001": quant}, MANY)[0].risks["R-001"].together
    assert together is not None
    left = 0.5 * 0.4 * 2.0  # what is left of a Poisson number of events is one again
    assert abs(together.expected - left * 0.3 * moment(quant, 1)) < WITHIN * sqrt(
        left * 0.3**2 * moment(quant, 2) / MANY
    )
    assert abs(together.chance - (1 - exp(-left))) < WITHIN * 0.5 / sqrt(MANY)


def test_a_control_of_several_risks_buys_in_each_of_them() -> None:
    gain = Gain(control="C-001", frequency=0.5)
    register = {id_: numbers(1.0, 1e3, 1e5, "lognormal", None, gain) for id_ in ("R-001", "R-002")}
    (found,) = quantify(register, 20_000)
    each = [found.risks[id_].controls[0] for id_ in register]
    (whole,) = found.whole.controls
    assert whole.saved == pytest.approx(sum(one.saved for one in each))
    assert whole.expected == pytest.approx(found.whole.loss.expected - whole.saved)
    assert found.whole.together is not None
    assert found.whole.together.expected == pytest.approx(whole.expected)


def curve_is_sound(years: Floats, curve: module.Curve) -> None:
    assert all(before[0] <= after[0] and before[1] >= after[1] for before, after in pairwise(curve))
    for loss, share in curve:
        assert abs(float((years >= loss).mean()) - share) <= 1 / len(years)


@pytest.mark.parametrize("rate", [0.01, 0.5, 20.0])
def test_each_point_of_the_curve_is_reached_in_its_share_of_the_years(rate: float) -> None:
    quant = numbers(rate)
    (found,) = quantify({"R-001": quant}, 20_000)
    assert len(found.whole.curve) == module.CURVE
    assert found.whole.curve[-1][1] == pytest.approx(module.SELDOM)
    curve_is_sound(annual("R-001", quant, (), 20_000, SEED), found.whole.curve)


def test_a_curve_ends_where_too_few_years_lie_beyond() -> None:
    (found,) = quantify({"R-001": numbers(0.5)}, 1_000)
    assert found.whole.curve[-1][1] == pytest.approx(module.BEYOND / 1_000)


def test_what_never_or_hardly_ever_happened_has_no_curve() -> None:
    (found,) = quantify({"R-001": numbers(1e-6)}, 5_000)
    assert found.whole.curve == ()
    assert found.whole.loss.expected == 0
    assert found.whole.loss.chance == 0


def test_nothing_with_numbers_is_nothing() -> None:
    assert quantify({}) == ()
    assert YEARS >= module.FEWEST_YEARS
