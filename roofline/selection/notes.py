"""What the user should know about a choice: its findings, and why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from roofline.device_notes import outside_runs
from roofline.devices.modes import show_knob
from roofline.findings import Finding
from roofline.selection.answer import Choice, Selection
from roofline.selection.board import Board
from roofline.selection.search import Limits
from roofline.units import significant, text

_OF_ANALYSIS = ("unsupported-op", "batch-assumed", "energy-set", "energy-traffic", "energy-flop-unknown",
                "does-not-fit", "stock-clocks", "locked-clocks", "idle-of-base-mode", "tf32-math",
                "memory-path-unknown", "bandwidth-datasheet", "roof-datasheet")  # fmt: skip
"""Findings about the model and the device that matter for a choice."""


def findings_about(answer: Selection, loosened: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings of a selection; `loosened` names limits on time that only bounds meet."""
    if answer.analysis.calibration is not None:
        yield from (f for f in answer.analysis.findings if f.code == "calibrated")
    else:
        yield _uncalibrated(answer)
    for name in loosened:
        yield Finding(
            code="limit-not-excluded",
            where=f"--{name}",
            message="no mode's roofline meets it, but some mode's bound does: not excluded, and not likely",
            hint="measure, or relax the limit",
            strict=True,
        )
    yield from _knobs(answer)
    choice = answer.choice
    if choice is not None:
        if answer.analysis.calibration is not None:
            yield from outside_runs(answer.analysis.calibration, answer.device, choice.mode)
        yield from _about(answer, choice)
    if answer.device.power_limit_w is None:
        yield Finding(
            code="power-limit-unknown",
            where=answer.device.id,
            message="what the module can take is not known, so no mode is left out for it",
            hint="--max-power sets a limit",
        )
    yield from (f for f in answer.analysis.findings if f.code in _OF_ANALYSIS)


def _uncalibrated(answer: Selection) -> Finding:
    return Finding(
        code="not-calibrated",
        where=f"{answer.device.id}, {answer.analysis.runtime or 'any runtime'}",
        message="ROOFLINE ONLY, not calibrated: a time is an interval, from its roofline to the best time as if all of "
        "it scaled with the clock; a mode is verified only if both ends meet the slack",
        hint="on an Orin Nano, clocks that the ceilings call free made MobileNetV2 up to 22 % slower: measure the "
        "chosen mode before you rely on it",
    )


def _knobs(answer: Selection) -> Iterator[Finding]:
    if answer.unseen_knobs:
        knobs = " and ".join(filter(None, (", ".join(answer.unseen_knobs[:-1]), answer.unseen_knobs[-1])))
        yield Finding(
            code="unseen-knobs",
            where=f"{answer.device.id}: {', '.join(answer.unseen_knobs)}",
            message=f"the model sees no effect of {knobs}: a mode off the named ones has the default mode's value, and "
            "what they would save is not known",
            hint="lowering them can slow down the host",
        )
    if answer.equals and answer.choice is not None:
        yield Finding(
            code="equal-modes",
            where=answer.choice.mode.name,
            message=f"the model cannot tell it from {', '.join(answer.equals)}",
            hint="of equals the default mode is taken, else the one with most CPU cores and clock",
        )


def _about(answer: Selection, choice: Choice) -> Iterator[Finding]:
    if not choice.is_verified and not answer.loosened:
        yield Finding(
            code="not-verified",
            where=choice.mode.name,
            message=f"its time lies between {text(choice.time_s, 's')} and {text(choice.time_upper_s, 's')}",
            hint="the best mode that both ends allow is "
            + (answer.careful.mode.name if answer.careful is not None else "none of them"),
        )
    if choice.is_power_limited:
        yield Finding(
            code="power-limited",
            where=f"{choice.mode.name}: {text(choice.power_w, 'W')}",
            message="more than the module can take: its clocks would fall",
        )
    named = {mode.name for mode in answer.device.modes}
    if choice.mode.name not in named:
        yield Finding(
            code="custom-mode",
            where=choice.mode.name,
            message="not one of the device's own modes: it has to be added to its configuration",
            hint="--emit nvpmodel --base /etc/nvpmodel.conf writes it" if answer.device.kind == "jetson" else "",
        )
    clock = answer.device.memory.clock
    if clock is not None and answer.device.idle_models:
        lowest = min(mode.knobs[clock] for mode in answer.device.modes)
        if choice.mode.knobs[clock] < lowest:
            yield Finding(
                code="idle-extrapolated",
                where=f"{choice.mode.name}: {clock}={show_knob(clock, choice.mode.knobs[clock])}",
                message=f"idle power is known down to {show_knob(clock, lowest)}; below, it is extrapolated",
                hint="measure the idle board in this mode before you rely on it",
            )


def _unknown(board: Board, rate_per_s: float | None) -> str:
    """Say why modes that meet every constraint cannot be compared."""
    if rate_per_s is None:
        return "the energy of no mode is known: its idle power is missing"
    field = board.field
    spent = np.nanmin(field.energy_time_s / field.samples)
    if spent * rate_per_s > 1:
        return (
            f"some modes keep up, but their average power is not known: the energies are those of a run that takes "
            f"{text(float(spent), 's')} per sample at best, and there are {text(1 / rate_per_s, 's')}; "
            "--objective energy or time can be answered"
        )
    return "some modes keep up, but their average power is not known: the idle power at this boundary is missing"


def _off(ratio: float) -> str:
    return f"{significant(ratio)} times" if ratio >= 3 else f"{significant(100 * (ratio - 1), 2)} % off"


def infeasible(
    board: Board,
    met: Mapping[str, NDArray[np.bool_]],
    limits: Limits,
    rate_per_s: float | None,
    is_roofline: bool,
) -> str:
    """Return in words why no candidate meets every constraint, and which one comes nearest, by how much.

    Uncalibrated times are asked of the bounds: only what even they do not meet is impossible.
    """
    field = board.field
    times = field.bound_s if is_roofline else field.time_s
    over: dict[str, NDArray[np.float64]] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        if limits.latency_s is not None:
            over["max-latency"] = times / limits.latency_s
        if limits.throughput_per_s is not None:
            over["min-throughput"] = limits.throughput_per_s * times / field.samples
        if rate_per_s is not None:
            over["rate"] = rate_per_s * times / field.samples
        if limits.power_w is not None:
            over["max-power"] = field.average_power_w / limits.power_w
        if limits.energy_j is not None:
            over["max-energy"] = field.energy_j / limits.energy_j
    if "module-power" in met and not met["module-power"].any():
        return "every mode needs more power than the module can take; --allow-power-limited takes them all the same"
    every = np.logical_and.reduce(list(met.values()), axis=0, initial=True)
    if np.any(every):
        return _unknown(board, rate_per_s)
    usable = met.get("module-power", np.ones(field.time_s.shape, dtype=np.bool_))
    worst = np.max(np.stack([np.nan_to_num(v, nan=np.inf) for v in over.values()]), axis=0)
    worst = np.where(usable, worst, np.inf)
    together = np.sum(np.stack([np.nan_to_num(v, nan=1e9) for v in over.values()]), axis=0)
    near = int(np.lexsort((together, np.round(worst, 9)))[0])
    if not np.isfinite(worst[near]):
        return f"no mode is known to meet {', '.join(f'--{name}' for name in over)}"
    shown = {
        "max-latency": (times, "s", "bound" if is_roofline else "time", limits.latency_s),
        "min-throughput": (field.samples / times, "/s", "at most", limits.throughput_per_s),
        "rate": (field.samples / times, "/s", "at most", rate_per_s),
        "max-power": (field.average_power_w, "W", "power", limits.power_w),
        "max-energy": (field.energy_j, "J", "energy", limits.energy_j),
    }
    missed = [
        f"{shown[name][2]} {text(float(shown[name][0][near]), shown[name][1])} against --{name} "
        f"{text(shown[name][3], shown[name][1])} ({_off(float(v[near]))})"
        for name, v in over.items()
        if v[near] > 1
    ]
    return f"the nearest miss is {board.mode(near).name}: {'; '.join(missed)}"
