"""Points and lines of the roofline picture: balance points, time roof and energy roof.

Notation of Choi, Bedard, Fowler, Vuduc, "A Roofline Model of Energy", IPDPS 2013. Every argument may be a
scalar or an array; they broadcast as numpy does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def intensity(flop: ArrayLike, moved_byte: ArrayLike) -> Array:
    """Return W/Q in FLOP/B; infinite where work moves nothing, NaN where there is neither."""
    w, q = np.broadcast_arrays(np.asarray(flop, float), np.asarray(moved_byte, float))
    result = np.full(w.shape, np.nan)
    result[w > 0] = np.inf
    return np.asarray(np.divide(w, q, out=result, where=q > 0))


def attainable(
    intensity_flop_per_byte: ArrayLike, peak_flop_per_s: ArrayLike, bandwidth_byte_per_s: ArrayLike
) -> Array:
    """Return the time roof min(peak, I*BW) in FLOP/s. For drawing; times come from `model.time`."""
    return np.asarray(
        np.minimum(
            np.asarray(peak_flop_per_s, float),
            np.asarray(intensity_flop_per_byte, float) * np.asarray(bandwidth_byte_per_s, float),
        )
    )


def time_balance(peak_flop_per_s: ArrayLike, bandwidth_byte_per_s: ArrayLike) -> Array:
    """Return the ridge point B_tau = peak/BW in FLOP/B: below it a layer waits for memory."""
    return np.asarray(np.asarray(peak_flop_per_s, float) / np.asarray(bandwidth_byte_per_s, float))


def energy_balance(energy_per_flop: ArrayLike, energy_per_byte: ArrayLike) -> Array:
    """Return B_eps = eps_byte/eps_flop in FLOP/B: below it moving bytes takes more energy than computing."""
    return np.asarray(np.asarray(energy_per_byte, float) / np.asarray(energy_per_flop, float))


def effective_energy_balance(
    intensity_flop_per_byte: ArrayLike,
    energy_per_flop: ArrayLike,
    energy_per_byte: ArrayLike,
    static_power_w: ArrayLike,
    peak_flop_per_s: ArrayLike,
    bandwidth_byte_per_s: ArrayLike,
) -> Array:
    """Return B_eps_hat(I) = eta*B_eps + (1 - eta)*max(0, B_tau - I) in FLOP/B.

    eta = eps_flop/eps_hat, eps_hat = eps_flop + P_static/peak.
    """
    eps = np.asarray(energy_per_flop, float)
    eta = eps / (eps + np.asarray(static_power_w, float) / np.asarray(peak_flop_per_s, float))
    waiting = np.maximum(
        0.0, time_balance(peak_flop_per_s, bandwidth_byte_per_s) - np.asarray(intensity_flop_per_byte, float)
    )
    return np.asarray(eta * energy_balance(eps, energy_per_byte) + (1 - eta) * waiting)


def energy_roof(
    intensity_flop_per_byte: ArrayLike,
    energy_per_flop: ArrayLike,
    energy_per_byte: ArrayLike,
    static_power_w: ArrayLike,
    peak_flop_per_s: ArrayLike,
    bandwidth_byte_per_s: ArrayLike,
) -> Array:
    """Return the energy roof W/E = 1/(eps_hat*(1 + B_eps_hat(I)/I)) in FLOP/J.

    A smooth arch: half of its height is reached where I equals the effective energy balance.
    """
    i = np.asarray(intensity_flop_per_byte, float)
    eps_hat = np.asarray(energy_per_flop, float) + np.asarray(static_power_w, float) / np.asarray(
        peak_flop_per_s, float
    )
    balance = effective_energy_balance(
        i, energy_per_flop, energy_per_byte, static_power_w, peak_flop_per_s, bandwidth_byte_per_s
    )
    return np.asarray(1.0 / (eps_hat * (1.0 + balance / i)))


def energy_ridge(
    energy_per_flop: float,
    energy_per_byte: float,
    static_power_w: float,
    peak_flop_per_s: float,
    bandwidth_byte_per_s: float,
) -> float:
    """Return the intensity I* = B_eps_hat(I*) at which the energy roof reaches half its height.

    Racing to halt saves energy (time efficiency implies energy efficiency) if and only if I* <= B_tau.
    B_eps_hat falls or stays as I grows, so the fixed point is unique:
    I* = (eta*B_eps + (1 - eta)*B_tau)/(2 - eta) if that is below B_tau, else eta*B_eps.
    """
    eta = energy_per_flop / (energy_per_flop + static_power_w / peak_flop_per_s)
    b_tau = peak_flop_per_s / bandwidth_byte_per_s
    b_eps = energy_per_byte / energy_per_flop
    waiting = (eta * b_eps + (1 - eta) * b_tau) / (2 - eta)
    return waiting if waiting < b_tau else eta * b_eps
