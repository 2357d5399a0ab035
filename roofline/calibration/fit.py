"""Fits of calibration coefficients: arrays in, coefficients out. Robust loss on logarithms, bounds, weak priors.

How many coefficients some runs determine is worked out, not assumed: one whose standard error, at 3 % noise and given
all others, is not well below its prior's width is marked so. It is what prior and runs together make most likely, which
is near the prior; putting it on the prior exactly makes predictions worse, for the others then have to make up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.record import Band, Coefficient
from roofline.model import predicted

Array = NDArray[np.float64]
KNEE = 2.0
"""Prior of the knee. Below `MODES_FOR_KNEE` points it is not fitted."""
KNEE_WIDTH = 0.7
"""Width of its prior: standard deviation of its logarithm."""
MODES_FOR_KNEE = 12
NOISE = 0.03
"""Relative noise of a measured time that standings are judged by."""
DETERMINED = 0.5
"""A coefficient is fitted if its standard error (of its logarithm) is below this, and below this share of its prior's
width."""
_ROBUST = 0.05
_T80 = {1: 3.08, 2: 1.89, 3: 1.64, 4: 1.53, 5: 1.48, 6: 1.44, 7: 1.41, 8: 1.40, 9: 1.38, 10: 1.37}
"""Student's t, 90 % quantile (two-sided 80 %), by degrees of freedom; 1.28 beyond 30."""


class Prior(NamedTuple):
    """What is believed of a positive coefficient before any run: log-normal."""

    middle: float
    width: float
    """Standard deviation of its logarithm."""


COMPUTE = Prior(2.0, 1.0)
"""Kernels reach half of their ceiling, within a factor of e."""
MEMORY = Prior(1.15, 0.3)
HOST_SHARE = Prior(0.3, 2.0)
"""Host time of a run over its roofline time in its fastest mode."""


class WholeFit(NamedTuple):
    """Factors of one workload across modes."""

    compute: Coefficient
    memory: Coefficient
    host_s: Coefficient
    knee: Coefficient

    def times(self, compute_s: Array, memory_s: Array) -> Array:
        """Return predicted times, (modes,), from compute and memory times (modes, layers)."""
        layers = compute_s.shape[1]
        factors = np.full(layers, self.compute.value), np.full(layers, self.memory.value), np.zeros(layers)
        return np.asarray(
            predicted.layer_times(compute_s, memory_s, *factors, self.knee.value).sum(axis=1) + self.host_s.value
        )


def fit_whole(compute_s: Array, memory_s: Array, time_s: Array, near: WholeFit | None = None) -> WholeFit:
    """Fit compute factor, memory factor and host time of one workload to its times in several modes.

    Args:
        compute_s: compute times by the roofline, (modes, layers).
        memory_s: memory times, (modes, layers).
        time_s: measured, (modes,).
        near: a fit to nearly the same runs: the search starts at it.
    """
    host = float(np.maximum(compute_s, memory_s).sum(axis=1).min()) * HOST_SHARE.middle
    middles = np.log([COMPUTE.middle, MEMORY.middle, host])
    widths = np.array([COMPUTE.width, MEMORY.width, HOST_SHARE.width])

    def times(x: Array, knee: float) -> Array:
        factor, moving, constant = np.exp(x)
        ones = np.ones(compute_s.shape[1])
        layers = predicted.layer_times(compute_s, memory_s, factor * ones, moving * ones, 0 * ones, knee)
        return np.asarray(layers.sum(axis=1) + constant)

    knees = (1.0, 1.5, KNEE, 3.0, 5.0, 10.0) if len(time_s) >= MODES_FOR_KNEE else (KNEE,)
    starts = [middles, *(middles + widths * shift for shift in ((1.5, 0, 1), (0, 0, -1.5), (2, 2, -0.5)))]
    if near is not None:
        starts = [np.log([near.compute.value, near.memory.value, near.host_s.value])]
    tries = [(_solve(lambda x, q=q: np.log(times(x, q) / time_s), middles, widths, starts), q) for q in knees]  # type: ignore[misc]
    (best, _), knee = min(
        tries, key=lambda found: found[0][1] + 0.5 * (NOISE * np.log(found[1] / KNEE) / KNEE_WIDTH) ** 2
    )
    standing = determined(lambda x: np.log(times(x, knee)), best, widths)
    compute, memory, constant = (
        Coefficient(float(np.exp(value)), "fitted" if is_fitted else "not determined")
        for value, is_fitted in zip(best, standing, strict=True)
    )
    return WholeFit(compute, memory, constant, Coefficient(knee, "fitted" if len(knees) > 1 else "prior"))


def _solve(
    residual: Callable[[Array], Array], middles: Array, widths: Array, starts: list[Array]
) -> tuple[Array, float]:
    """Return the best log-coefficients from several starts, and the cost."""
    from scipy.optimize import least_squares

    def with_prior(x: Array) -> Array:
        return np.concatenate([residual(x), NOISE * (x - middles) / widths])

    found = [
        least_squares(with_prior, start, loss="soft_l1", f_scale=_ROBUST, bounds=(middles - 9, middles + 9))
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.cost))
    return np.asarray(best.x), float(best.cost)


def determined(log_times: Callable[[Array], Array], x: Array, widths: Array) -> list[bool]:
    """Return which log-coefficients the points determine: standard error well below the prior's width."""
    step = 1e-4
    base = log_times(x)
    columns = [(log_times(x + step * np.eye(len(x))[i]) - base) / step for i in range(len(x))]
    jacobian = np.stack(columns, axis=1) / NOISE
    covariance = np.linalg.inv(jacobian.T @ jacobian + np.diag(1 / widths**2))
    return [bool(np.sqrt(covariance[i, i]) < DETERMINED * min(widths[i], 1.0)) for i in range(len(x))]


def fit_power(terms: Array, power_w: Array) -> tuple[Coefficient, ...]:
    """Fit the coefficients of `predicted.power_terms` to measured powers: non-negative, on relative errors.

    A term that does not vary over the points is left at 0, not determined; at most three terms are fitted to five
    points: the traffic's goes first where the memory clock does not vary, else the plain clock's.
    """
    from scipy.optimize import nnls

    scale = terms.max(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    varies = [True, *(bool(np.ptp(terms[:, i]) > 0.02 * scale[i]) for i in range(1, terms.shape[1]))]
    traffic = terms[:, 3] / scale[3]
    if _follows(traffic, terms[:, 1] / scale[1]):
        varies[3] = False
    elif sum(varies) > 3 and len(power_w) < MODES_FOR_KNEE:
        varies[1] = False
    used = np.flatnonzero(varies)
    solution, _ = nnls(terms[:, used] / scale[used] / power_w[:, None], np.ones(len(power_w)))
    values = np.zeros(terms.shape[1])
    values[used] = solution / scale[used]
    return tuple(
        Coefficient(float(value), "fitted" if is_used else "not determined")
        for value, is_used in zip(values, varies, strict=True)
    )


def _follows(a: Array, b: Array) -> bool:
    """Return whether a is nearly a linear function of b: then the two cannot be told apart."""
    columns = np.stack([np.ones_like(b), b, b**2], axis=1)
    rest = a - columns @ np.linalg.lstsq(columns, a, rcond=None)[0]
    return bool(np.abs(rest).max() < 0.1 * max(float(np.ptp(a)), 1e-300))


def band(left_out: Array) -> Band:
    """Return the 80 % band of measured/predicted from log-ratios of points that were left out, one by one.

    Student's t times their root mean square: a few points say little about the tails.
    """
    spread = float(np.sqrt(np.mean(left_out**2))) if len(left_out) else float("nan")
    t = _T80.get(max(1, len(left_out) - 1), 1.31)
    return Band(float(np.exp(-t * spread)), float(np.exp(t * spread)))


def leave_one_out(points: int, fit_and_predict: Callable[[NDArray[np.intp], int], float]) -> Array:
    """Return, for each point, what a fit to all the others predicts for it."""
    everything = np.arange(points)
    return np.array([fit_and_predict(np.delete(everything, i), i) for i in range(points)])
