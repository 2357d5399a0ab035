"""The model against hand arithmetic, the published sanity values, and properties that must hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from roofline.model import energy, time
from roofline.model import roofline as roof

# two pipes x three layers; two modes
FLOP = np.array([[8e9, 0.0, 4e9], [0.0, 1e9, 4e9]])
PEAK = np.array([[4e12, 1e12], [2e12, 1e12]])
BYTES = np.array([1e6, 2e6, 0.0])
BW = np.array([1e9, 2e9])


def test_compute_time_is_the_slowest_pipe() -> None:
    seconds, which = time.compute_time(FLOP, PEAK)
    # mode 0: 8e9/4e12 = 2 ms; 1e9/1e12 = 1 ms; max(4e9/4e12, 4e9/1e12) = 4 ms. mode 1: 4 ms, 1 ms, 4 ms
    np.testing.assert_allclose(seconds, [[2e-3, 1e-3, 4e-3], [4e-3, 1e-3, 4e-3]])
    assert which.tolist() == [[0, 1, 1], [0, 1, 1]]


def test_memory_and_roofline_time() -> None:
    memory = time.memory_time(BYTES, BW)
    np.testing.assert_allclose(memory, [[1e-3, 2e-3, 0], [0.5e-3, 1e-3, 0]])
    compute, _ = time.compute_time(FLOP, PEAK)
    np.testing.assert_allclose(time.roofline_time(compute, memory), [[2e-3, 2e-3, 4e-3], [4e-3, 1e-3, 4e-3]])


def test_bound_takes_the_busiest_pipe_or_the_least_traffic() -> None:
    known = np.array([True, True])
    # pipe sums: 12e9/4e12 = 3 ms, 5e9/1e12 = 5 ms; 4e6 B / 1e9 B/s = 4 ms -> 5 ms
    bound = time.bound_time(FLOP.sum(axis=1), PEAK, known, 4e6, np.array([1e9, 2e9]))
    np.testing.assert_allclose(bound, [5e-3, 6e-3])
    # the second pipe's rate is not known: 3 ms of compute, so memory binds in mode 0
    bound = time.bound_time(FLOP.sum(axis=1), PEAK, np.array([True, False]), 4e6, np.array([1e9, 2e9]))
    np.testing.assert_allclose(bound, [4e-3, 6e-3])


def test_energy_by_hand() -> None:
    per_flop, per_byte = np.array([[1e-12, 2e-12]]), np.array([100e-12])
    dynamic = energy.dynamic_energy(FLOP, BYTES, per_flop, per_byte)
    # 8e9*1p + 1e6*100p = 8.1 mJ; 1e9*2p + 2e6*100p = 2.2 mJ; 4e9*1p + 4e9*2p = 12 mJ
    np.testing.assert_allclose(dynamic, [[8.1e-3, 2.2e-3, 12e-3]])
    static = energy.static_energy(np.array([[2e-3, 1e-3, 4e-3]]), np.array([10.0]))
    np.testing.assert_allclose(static, [[20e-3, 10e-3, 40e-3]])
    np.testing.assert_allclose(energy.average_power(np.array([0.1, 0.2]), np.array([0.01, 0.0])), [10.0, np.nan])


# Pagoda's rough fit at MAXN: 8.67 pJ/FLOP, 133.6 pJ/B, 23.08 W; 5.327 TFLOP/s and 204.7 GB/s
PAGODA = {
    "energy_per_flop": 8.67e-12,
    "energy_per_byte": 133.6e-12,
    "static_power_w": 23.08,
    "peak_flop_per_s": 5.327e12,
    "bandwidth_byte_per_s": 204.7e9,
}


def test_published_sanity_values() -> None:
    """B_tau = 26.0, B_eps = 15.4, I* = 14.2 FLOP/B: racing to halt saves energy."""
    assert float(roof.time_balance(5.327e12, 204.7e9)) == pytest.approx(26.0, abs=0.05)
    assert float(roof.energy_balance(8.67e-12, 133.6e-12)) == pytest.approx(15.4, abs=0.05)
    ridge = roof.energy_ridge(**PAGODA)
    assert ridge == pytest.approx(14.2, abs=0.05)
    assert float(roof.effective_energy_balance(ridge, **PAGODA)) == pytest.approx(ridge, rel=1e-9)


def test_energy_roof_is_half_its_height_at_its_balance() -> None:
    ridge = roof.energy_ridge(**PAGODA)
    eps_hat = 8.67e-12 + 23.08 / 5.327e12
    assert float(roof.energy_roof(ridge, **PAGODA)) == pytest.approx(0.5 / eps_hat)


@pytest.mark.parametrize("i", [0.1, 1.0, 14.2, 26.0, 100.0, 1e4])
def test_energy_roof_is_work_over_energy(i: float) -> None:
    """W/E of a workload of that intensity, worked out from E = eps*W + eps*Q + P*T and T = max(...)."""
    w = 1e9
    q, t = w / i, max(w / 5.327e12, w / i / 204.7e9)
    e = 8.67e-12 * w + 133.6e-12 * q + 23.08 * t
    assert float(roof.energy_roof(i, **PAGODA)) == pytest.approx(w / e, rel=1e-12)


def test_energy_ridge_right_of_the_time_ridge() -> None:
    """Costly bytes, no static power: I* = eta*B_eps beyond B_tau."""
    ridge = roof.energy_ridge(1e-12, 1e-9, 1.0, 1e12, 100e9)
    assert ridge > 10 and ridge == pytest.approx(0.5 * 1000)


def test_intensity_of_nothing_is_undefined() -> None:
    got = roof.intensity([4.0, 1.0, 0.0, 0.0], [2.0, 0.0, 5.0, 0.0])
    assert got[0] == 2 and np.isinf(got[1]) and got[2] == 0 and np.isnan(got[3])


def test_time_roof() -> None:
    np.testing.assert_allclose(roof.attainable([1, 100], 5e12, 200e9), [200e9, 5e12])


positive = st.floats(1e-3, 1e3)
layers = st.integers(1, 6)


@st.composite
def workloads(draw: Any) -> tuple[Any, ...]:
    n, m, c = draw(layers), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    amounts = st.floats(0, 1e3)
    return (
        draw(hnp.arrays(float, (c, n), elements=amounts)),
        draw(hnp.arrays(float, n, elements=amounts)),
        draw(hnp.arrays(float, (m, c), elements=positive)),
        draw(hnp.arrays(float, m, elements=positive)),
    )


def total_time(flop: Any, moved: Any, peak: Any, bandwidth: Any) -> Any:
    compute, _ = time.compute_time(flop, peak)
    return time.roofline_time(compute, time.memory_time(moved, bandwidth))


@settings(max_examples=150, deadline=None)
@given(workloads(), st.floats(1, 10))
def test_higher_ceilings_are_never_slower_and_scale(work: tuple[Any, ...], factor: float) -> None:
    flop, moved, peak, bandwidth = work
    base = total_time(*work)
    assert np.all(total_time(flop, moved, peak, bandwidth * factor) <= base)
    assert np.all(total_time(flop, moved, peak * factor, bandwidth) <= base)
    np.testing.assert_allclose(total_time(flop, moved, peak * factor, bandwidth * factor), base / factor)


@settings(max_examples=100, deadline=None)
@given(workloads(), st.randoms())
def test_permuting_layers_or_modes_permutes_the_answer(work: tuple[Any, ...], rng: Any) -> None:
    flop, moved, peak, bandwidth = work
    p, q = list(range(len(moved))), list(range(len(bandwidth)))
    rng.shuffle(p), rng.shuffle(q)
    base = total_time(*work)
    np.testing.assert_array_equal(total_time(flop[:, p], moved[p], peak, bandwidth), base[:, p])
    np.testing.assert_array_equal(total_time(flop, moved, peak[q], bandwidth[q]), base[q])


@settings(max_examples=100, deadline=None)
@given(workloads())
def test_time_is_at_least_each_bound_and_energy_at_least_static(work: tuple[Any, ...]) -> None:
    flop, moved, peak, bandwidth = work
    seconds = total_time(*work)
    for c in range(flop.shape[0]):
        assert np.all(seconds * (1 + 1e-12) >= flop[c] / peak[:, [c]])
    assert np.all(seconds * (1 + 1e-12) >= moved / bandwidth[:, None])
    known = np.ones(flop.shape[0], bool)
    bound = time.bound_time(flop.sum(axis=1), peak, known, float(moved.sum()) * 0.5, bandwidth)
    assert np.all(bound <= seconds.sum(axis=1) * (1 + 1e-9))
    joules = energy.dynamic_energy(flop, moved, peak, bandwidth) + energy.static_energy(seconds, bandwidth)
    assert np.all(joules >= bandwidth[:, None] * seconds)
