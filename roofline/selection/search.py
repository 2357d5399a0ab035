"""The choice among candidates: pure functions on arrays over candidates, no names and no units text.

minimise objective(i) subject to T_i <= (1 + slack) * min T, and limits on latency, power, energy, throughput.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
OBJECTIVES = ("energy", "energy-delay", "time", "power")
SLACKS = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20)
"""The slacks that every answer reports."""


class Limits(NamedTuple):
    """What the user asks for, in SI units; None where nothing is."""

    latency_s: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    throughput_per_s: float | None = None


class Field(NamedTuple):
    """The candidates in numbers; every array has shape (candidates,), NaN where unknown."""

    time_s: Array
    """Per run of one batch."""
    bound_s: Array
    energy_j: Array
    """Per run."""
    power_w: Array
    samples: Array
    """Batch size of each candidate."""
    is_power_limited: Mask
    average_power_w: Array
    """At the frame rate that is asked for; the power of a run where none is."""
    energy_time_s: Array
    """Time over which the energy is spent."""
    preference: Array
    """Of candidates that the model cannot tell apart, the one with the least value is taken."""

    @property
    def sample_time_s(self) -> Array:
        """Time per sample: what slack is measured on."""
        return np.asarray(self.time_s / self.samples)

    @property
    def sample_energy_j(self) -> Array:
        """Energy per sample."""
        return np.asarray(self.energy_j / self.samples)


def objective_values(field: Field, objective: str) -> Array:
    """Return what is minimised: J, J*s, s per sample, or W."""
    if objective == "energy":
        return field.sample_energy_j
    if objective == "energy-delay":
        return np.asarray(field.sample_energy_j * field.sample_time_s)
    return field.sample_time_s if objective == "time" else field.average_power_w


def constraints(field: Field, limits: Limits, *, allow_power_limited: bool) -> dict[str, Mask]:
    """Return which candidates meet each constraint, without the slack. An unknown figure meets no limit on it."""
    found: dict[str, Mask] = {}
    if not allow_power_limited:
        found["module-power"] = ~field.is_power_limited
    if limits.latency_s is not None:
        found["max-latency"] = field.time_s <= limits.latency_s
    if limits.power_w is not None:
        found["max-power"] = field.average_power_w <= limits.power_w
    if limits.energy_j is not None:
        found["max-energy"] = field.energy_j <= limits.energy_j
    if limits.throughput_per_s is not None:
        found["min-throughput"] = field.samples / field.time_s >= limits.throughput_per_s
    return found


def best(values: Array, field: Field, allowed: Mask) -> int | None:
    """Return the allowed candidate with the least value; of equals the fastest, then the preferred one."""
    usable = allowed & np.isfinite(values)
    if not usable.any():
        return None
    index = np.flatnonzero(usable)
    keys = (index, field.preference[index], field.sample_time_s[index], values[index])
    return int(index[np.lexsort(keys)[0]])


def within_slack(time_s: Array, admissible: Mask, slack: float) -> Mask:
    """Return which candidates are at most (1 + slack) times as slow as the fastest admissible one."""
    if not admissible.any():
        return np.zeros_like(admissible)
    return np.asarray(admissible & (time_s <= (1 + slack) * time_s[admissible].min() * (1 + 1e-12)))


def runner_up(values: Array, field: Field, allowed: Mask, chosen: int) -> int | None:
    """Return the best allowed candidate whose value or time differs from the chosen one's."""
    time_s = field.sample_time_s
    same = (values == values[chosen]) & (time_s == time_s[chosen])
    return best(values, field, allowed & ~same)


def binding(values: Array, field: Field, met: dict[str, Mask], slack: float | None, chosen: int) -> tuple[str, ...]:
    """Return the constraint without which the objective could fall furthest, or those that only together hold it up.

    Empty if the chosen candidate is the best of all.
    """
    time_s = field.sample_time_s

    def without(dropped: set[str]) -> int | None:
        rest = np.ones(time_s.shape, dtype=np.bool_)
        for name, mask in met.items():
            if name not in dropped:
                rest &= mask
        if slack is not None and "slack" not in dropped:
            rest = within_slack(time_s, rest, slack)
        return best(values, field, rest)

    everything = [*met, *(["slack"] if slack is not None else [])]
    gains = {}
    for name in everything:
        other = without({name})
        gains[name] = float(values[chosen] - values[other]) if other is not None else 0.0
    largest = max(gains, key=lambda name: gains[name], default="")
    if largest and gains[largest] > 1e-9 * abs(values[chosen]):
        return (largest,)
    free = without(set(everything))
    if free is None or values[chosen] - values[free] <= 1e-9 * abs(values[chosen]):
        return ()
    fails = [name for name, mask in met.items() if not mask[free]]
    return (*fails, "slack") if slack is not None else tuple(fails)


def pareto(time_s: Array, energy_j: Array, power_w: Array, allowed: Mask) -> NDArray[np.intp]:
    """Return the candidates that no other one beats in time, energy and power at once, fastest first.

    Of candidates that are equal in all three, the first is kept. Unknown energies leave the fastest one.
    """
    index = np.flatnonzero(allowed)
    if not index.size:
        return index.astype(np.intp)
    points = np.stack([time_s, energy_j, power_w], axis=1)[index]
    points = np.where(np.isfinite(points), points, np.inf)
    order = np.lexsort((index, points[:, 2], points[:, 1], points[:, 0]))
    front: list[int] = []
    kept = np.empty((0, 2))
    for place in order:
        energy, power = points[place, 1:]
        if kept.size and bool(np.any((kept[:, 0] <= energy) & (kept[:, 1] <= power))):
            continue
        kept = np.vstack([kept, points[place, 1:]])
        front.append(int(index[place]))
    return np.array(front, dtype=np.intp)


def time_upper(time_s: Array, speed: Array, admissible: Mask) -> Array:
    """Return the upper end of an uncalibrated time: the best time, as if all of it scaled with the processor.

    [roofline time, T_best * speed_best/speed], with speed = units times clock.
    """
    if not admissible.any():
        return np.full_like(time_s, np.nan)
    fastest = time_s[admissible].min()
    at_best = speed[admissible & (time_s <= fastest * (1 + 1e-12))].max()
    return np.asarray(np.maximum(time_s, fastest * np.maximum(1.0, at_best / speed)))
