"""A selection in words: the first line, and why this mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from roofline.devices.modes import show_knob
from roofline.model.roofline import intensity, time_balance
from roofline.selection.answer import Choice, Selection
from roofline.units import significant, text


def verdict(answer: Selection) -> str:
    """Return the first line of the answer."""
    name = PurePath(answer.analysis.graph.path).stem
    basis = "ROOFLINE ONLY, not calibrated." if answer.analysis.calibration is None else "PREDICTED from measured runs."
    head = f"{basis} {name} ({answer.analysis.precision}) on {answer.device.name}"
    choice = answer.choice
    if choice is None:
        return f"{head}: NO FEASIBLE MODE; {answer.reason}."
    figures = [text(choice.time_s, "s"), text(choice.energy_j, "J"), text(choice.power_w, "W")]
    if answer.rate_per_s is not None:
        figures.append(f"{text(choice.average_power_w, 'W')} on average at {significant(answer.rate_per_s)}/s")
    batch = f" at batch {choice.batch}" if choice.batch is not None else ""
    line = f"{head}: {choice.mode.name}{batch}, {', '.join(f for f in figures if not f.startswith('-'))}"
    evaluation = answer.analysis.evaluation
    if evaluation is not None and evaluation.task.energy_layers is not None and answer.analysis.calibration is None:
        line += f" ({evaluation.task.energy_workload.traffic} traffic for energy and power)"
    if answer.loosened:
        names = " and ".join(f"--{name}" for name in answer.loosened)
        line += f", which MISSES {names} by its roofline and is not excluded by its bound"
    saved = [
        _change(answer, choice, other, f"{other.mode.name} ({label}{', over the limit' * other.is_power_limited})")
        for label, other in (("the default mode", answer.default), ("the maximum", answer.maximum))
        if other is not None and other.mode.name != choice.mode.name
    ]
    return ": ".join([line, "; ".join(saved)]) + "." if saved else f"{line}."


def _change(answer: Selection, choice: Choice, other: Choice, label: str) -> str:
    """Return how a choice compares: ``as fast as MAXN for 24 % less energy``."""
    saved = answer.saving(choice, other)
    theirs = other.time_s / other.samples
    ratio = (choice.time_s / choice.samples) / theirs if theirs else 1.0  # a model that does nothing
    speed = f"as fast as {label}"
    if ratio >= 2:
        speed = f"{significant(ratio)} times as slow as {label}"
    elif ratio > 1.0005:
        speed = f"{significant(100 * (ratio - 1), 2)} % slower than {label}"
    elif ratio < 0.9995:
        speed = f"{significant(1 / ratio)} times as fast as {label}"
    if saved is None:
        return speed
    what = "energy" if answer.rate_per_s is None else "average power"
    if abs(saved) < 0.0005:
        return f"{speed} for the same {what}"
    return f"{speed} for {significant(100 * abs(saved), 2)} % {'less' if saved > 0 else 'more'} {what}"


def reasons(answer: Selection) -> Iterator[str]:
    """Yield sentences that say why this mode: what limits the model, which clocks can fall, and how far."""
    choice, evaluation = answer.choice, answer.evaluation
    if choice is None or evaluation is None:
        return
    before, after = evaluation.modes
    task = evaluation.task
    memory = [
        float(evaluation.layer_time_s[i][evaluation.is_memory_bound[i]].sum() / max(evaluation.time_s[i], 1e-300))
        for i in (0, 1)
    ]
    yield (
        f"In {before.name} the model waits for memory in {memory[0]:.0%} of its roofline time and computes in the "
        f"rest; in the chosen mode, {memory[1]:.0%}."
    )
    clock, dram = task.processor.clock, task.device.memory.clock
    changed = {k for k in after.knobs if after.knobs[k] != before.knobs[k]} - set(answer.unseen_knobs)
    table = evaluation.table
    if clock in changed and task.workload.flop.size:
        moved = float(task.workload.moved_byte.sum())
        model = float(intensity(task.workload.flop.sum(), moved))
        peak = table.peak_flop_per_s.max(axis=1)
        ridge = time_balance(peak, table.bandwidth_byte_per_s)
        keeps = evaluation.time_s[1] <= evaluation.time_s[0] * 1.01
        verb = "can fall" if keeps and after.knobs[clock] < before.knobs[clock] else "goes"
        yield (
            f"The {task.processor.name} clock {verb} from {show_knob(clock, before.knobs[clock])} to "
            f"{show_knob(clock, after.knobs[clock])}: the ridge point moves from {significant(float(ridge[0]))} to "
            f"{significant(float(ridge[1]))} FLOP/B, the model has {significant(model)} FLOP/B."
        )
    if dram in changed and dram is not None:
        yield (
            f"The memory clock goes from {show_knob(dram, before.knobs[dram])} to "
            f"{show_knob(dram, after.knobs[dram])}: DRAM gives {text(float(table.dram_byte_per_s[1]), 'B/s')} instead "
            f"of {text(float(table.dram_byte_per_s[0]), 'B/s')}."
        )
    if table.path_byte_per_s[1] < table.dram_byte_per_s[1]:
        yield (
            f"There the {task.processor.name}'s path to memory carries {text(float(table.path_byte_per_s[1]), 'B/s')} "
            f"of the {text(float(table.dram_byte_per_s[1]), 'B/s')} that DRAM gives: a lower clock slows down "
            "every memory-bound layer."
        )
    units = task.processor.units.knob
    if units is not None and units in changed:
        yield (
            f"{units} goes from {before.knobs[units]:g} to {after.knobs[units]:g}: the peak goes with it; what units "
            "that are off save is not known."
        )
    flips = answer.flips
    if flips:
        to_compute = sum(1 for _, _, now in flips if now == "compute")
        kinds = [f"{n} to {what}" for n, what in ((to_compute, "compute"), (len(flips) - to_compute, "memory")) if n]
        layers = "1 layer changes its limit" if len(flips) == 1 else f"{len(flips)} layers change their limit"
        yield f"{layers}, {' and '.join(kinds)}; first {flips[0][0]}."
    yield _constraint(answer)


def _constraint(answer: Selection) -> str:
    better = "be faster" if answer.objective == "time" else "cost less"
    if answer.loosened:
        missed = " and ".join(f"--{name}" for name in answer.loosened)
        return f"No mode's roofline meets {missed}: of those that their bounds do not exclude, this is a fastest one."
    if not answer.binding:
        return "No constraint holds it up: it is the best of all candidates."
    if answer.binding == ("slack",) and answer.slack is not None:
        return f"The slack binds: a mode more than {_share(answer.slack)} slower than the fastest would {better}."
    if answer.binding == ("module-power",):
        return f"The module's power limit binds: a mode beyond it would {better}."
    names = ["the slack" if n == "slack" else "the module's power limit" if n == "module-power" else f"--{n}"
             for n in answer.binding]  # fmt: skip
    if len(names) == 1:
        return f"{names[0]} binds: without it another mode would {better}."
    return f"{' and '.join(names)} bind together: without them another mode would {better}."


def _share(value: float) -> str:
    return f"{significant(100 * value, 2)} %" if value else "0 %"
