"""Fits to made-up runs whose truth is known, standings, bands, and the arithmetic of a prediction by hand."""

from __future__ import annotations

import numpy as np
import pytest

from roofline.calibration import fit
from roofline.model.predicted import layer_times, power_terms, total_times


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Compute and memory times of three layers in eight GPU clocks times three memory clocks."""
    gpu = np.repeat(np.linspace(0.3, 1.0, 8), 3)
    memory = np.tile([0.2, 0.6, 1.0], 8)
    compute_s = np.array([1e-3, 4e-4, 1e-5]) / gpu[:, None]
    memory_s = np.array([1e-4, 5e-4, 8e-4]) / np.minimum(memory, gpu)[:, None]
    return compute_s, memory_s


def test_a_layer_by_hand() -> None:
    """3-4-5: compute 2 ms at factor 1.5, memory 1 ms at factor 4, 0.5 ms per kernel."""
    one = np.ones((1, 1))
    found = layer_times(2e-3 * one, 1e-3 * one, np.array([1.5]), np.array([4.0]), np.array([5e-4]), 2.0)
    assert found[0, 0] == pytest.approx(5e-3 + 5e-4)
    # a knee of 1 adds the two up, a very sharp one takes the larger
    assert layer_times(one, 3 * one, np.ones(1), np.ones(1), np.zeros(1), 1.0)[0, 0] == pytest.approx(4)
    assert layer_times(one, 3 * one, np.ones(1), np.ones(1), np.zeros(1), 200.0)[0, 0] == pytest.approx(3)
    assert layer_times(0 * one, 0 * one, np.ones(1), np.ones(1), np.zeros(1), 3.0)[0, 0] == 0


@pytest.mark.parametrize("truth", [(1.5, 1.1, 1e-4), (4.0, 1.6, 1e-3), (20.0, 1.05, 5e-5)])
@pytest.mark.parametrize("chosen", [slice(None), [0, 2, 11, 21, 23]])
def test_known_factors_are_found_again(truth: tuple[float, float, float], chosen) -> None:
    compute_s, memory_s = grid()
    a, b, host = truth
    ones = np.ones(3)
    time = total_times(compute_s, memory_s, a * ones, b * ones, 0 * ones, 2.0) + host
    found = fit.fit_whole(compute_s[chosen], memory_s[chosen], time[chosen])
    predicted = found.times(compute_s, memory_s)
    assert np.abs(predicted / time - 1).max() < 0.03
    if isinstance(chosen, slice):
        assert found.knee.value == 2.0 and found.knee.standing == "fitted"
    else:
        assert found.knee.standing == "prior"  # five runs do not determine it


def test_what_runs_do_not_tell_keeps_its_prior() -> None:
    """Everything waits for compute: the memory factor stays what it was believed to be, and says so."""
    compute_s, memory_s = grid()
    time = (3 * compute_s).sum(axis=1)
    found = fit.fit_whole(compute_s, memory_s * 1e-6, time)
    assert found.memory.standing == "not determined"
    assert found.memory.value == pytest.approx(fit.MEMORY.middle, rel=0.05)
    assert found.compute.standing == "fitted" and found.compute.value == pytest.approx(3, rel=0.02)


def test_one_clock_alone_does_not_tell_compute_from_host() -> None:
    compute_s, memory_s = (np.repeat(part[:1], 6, axis=0) for part in grid())
    found = fit.fit_whole(compute_s, memory_s, np.full(6, 5e-3))
    assert "not determined" in {found.compute.standing, found.memory.standing, found.host_s.standing}


def test_an_outlier_does_not_spoil_the_fit() -> None:
    compute_s, memory_s = grid()
    ones = np.ones(3)
    time = total_times(compute_s, memory_s, 2 * ones, 1.2 * ones, 0 * ones, 2.0) + 2e-4
    bad = time.copy()
    bad[7] *= 3
    predicted = fit.fit_whole(compute_s, memory_s, bad).times(compute_s, memory_s)
    assert np.abs(np.delete(predicted / time - 1, 7)).max() < 0.05


def test_known_powers_are_found_again() -> None:
    """P = 3 W + 5 W*s + 7 W*s*v^2, s over eight clocks, v = s; the traffic follows the clock and is not told apart."""
    speed = np.linspace(0.2, 1.0, 8)
    power = 3 + 5 * speed + 7 * speed**3
    terms = power_terms(speed, speed, 1e10 * speed)
    found = fit.fit_power(terms, power)
    assert [round(c.value, 3) for c in found[:3]] == [3.0, 5.0, 7.0]
    assert found[3].standing == "not determined" and found[3].value == 0


def test_traffic_is_fitted_where_the_memory_clock_varies() -> None:
    speed, traffic = np.repeat([0.3, 0.6, 1.0], 3), np.tile([1e9, 3e10, 6e10], 3)
    power = 4 + 9 * speed**3 + 1e-10 * traffic
    found = fit.fit_power(power_terms(speed, speed, traffic), power)
    assert found[3].value == pytest.approx(1e-10, rel=1e-6) and found[3].standing == "fitted"
    assert found[2].value == pytest.approx(9, rel=1e-6)


def test_the_band_holds_about_four_of_five_runs_it_has_not_seen() -> None:
    """200 boards with 3 % noise, each calibrated on five modes of a grid, asked about the nineteen others."""
    rng = np.random.default_rng(3)
    compute_s, memory_s = grid()
    ones, seen, inside, total = np.ones(3), [0, 2, 11, 21, 23], 0, 0
    for _ in range(25):
        truth = total_times(
            compute_s, memory_s, rng.uniform(1.2, 5) * ones, rng.uniform(1.05, 1.5) * ones, 0 * ones, 2.0
        )
        time = (truth + rng.uniform(0, 5e-4)) * np.exp(rng.normal(0, 0.03, len(truth)))
        c, m, t = compute_s[seen], memory_s[seen], time[seen]

        whole = fit.fit_whole(c, m, t)

        def left_out(kept, i, c=c, m=m, t=t, whole=whole) -> float:
            return float(fit.fit_whole(c[kept], m[kept], t[kept], near=whole).times(c[[i]], m[[i]])[0])

        band = fit.band(np.log(t / fit.leave_one_out(5, left_out)))
        ratio = np.delete(time / whole.times(compute_s, memory_s), seen)
        inside += int(((ratio >= band.low) & (ratio <= band.high)).sum())
        total += len(ratio)
    assert 0.7 < inside / total <= 0.99
