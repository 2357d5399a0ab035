"""The ceilings of modes, those that a model has no work for too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roofline.devices.mode_set import mode_set
from roofline.devices.tables import ModeTable, mode_table
from roofline.figures.rooflines import Ceiling, Roof

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.evaluate import Evaluation


def evaluation_of(analysis: Analysis) -> Evaluation:
    """Return an analysis's evaluation, which it has wherever it has a device."""
    assert analysis.evaluation is not None
    return analysis.evaluation


def pipes_and_paths(analysis: Analysis) -> tuple[list[Ceiling], list[Ceiling]]:
    """Return every pipe of the processor and every path to memory in the analysed mode. Those in use are marked."""
    evaluation = evaluation_of(analysis)
    task = evaluation.task
    work = dict(zip(task.workload.ceilings, task.workload.flop.sum(axis=1)))
    keys = [*dict.fromkeys((*(key for key, flop in work.items() if flop), *task.processor.pipes))]
    table = mode_table(task.device, task.processor, mode_set(task.device, evaluation.modes[:1]), keys)
    pipes = []
    for i, key in enumerate(keys):
        peak = float(table.peak_flop_per_s[0, i])
        if np.isfinite(peak):
            stand_in = "" if table.is_known[i] else " (as fp32)"
            pipes.append(Ceiling(f"{key[1]} {key[0]}{stand_in}", peak, bool(work.get(key))))
    return _merged(pipes), _paths(table, task.processor.name)


def _merged(pipes: list[Ceiling]) -> list[Ceiling]:
    """Put ceilings of one height into one, those in use and those not apart."""
    found: dict[tuple[float, bool], list[str]] = {}
    in_use = {pipe.rate for pipe in pipes if pipe.is_used}
    for pipe in pipes:
        if pipe.is_used or pipe.rate not in in_use:
            found.setdefault((pipe.rate, pipe.is_used), []).append(pipe.name)
    return [Ceiling(_joined(names), rate, used) for (rate, used), names in found.items()]


def _joined(names: list[str]) -> str:
    """Return ``bf16, fp16 matrix`` for two precisions of one pipe."""
    last = {name.partition(" ")[2] for name in names}
    if len(names) > 1 and len(last) == 1:
        return f"{', '.join(name.partition(' ')[0] for name in names)} {last.pop()}"
    return ", ".join(names)


def _paths(table: ModeTable, processor: str) -> list[Ceiling]:
    dram, path = float(table.dram_byte_per_s[0]), float(table.path_byte_per_s[0])
    found = [Ceiling("DRAM", dram, dram <= path)]
    if np.isfinite(path):
        found.append(Ceiling("memory path", path, path < dram))
    return found


def main_ceiling(analysis: Analysis) -> int:
    """Return the number of the ceiling with the most work."""
    return int(np.argmax(evaluation_of(analysis).task.workload.flop.sum(axis=1)))


def ceiling_name(key: tuple[str, str]) -> str:
    """Return ``fp16 matrix``."""
    return f"{key[1]} {key[0]}"


def distinct_named(analysis: Analysis) -> list[int]:
    """Return the places of the analysed mode and the named ones, each mode once, in the device's order."""
    modes = evaluation_of(analysis).modes
    names = [mode.name for mode in modes[1:]]
    return [*([0] if modes[0].name not in names else []), *range(1, len(modes))]


def roofs(analysis: Analysis) -> tuple[str, list[Roof]]:
    """Return the main ceiling in words, and the roof of every named mode and the analysed one; equal ones as one."""
    evaluation, main = evaluation_of(analysis), main_ceiling(analysis)
    table = evaluation.table
    found = [
        Roof(
            evaluation.modes[i].name, float(table.peak_flop_per_s[i, main]), float(table.bandwidth_byte_per_s[i]),
            float(evaluation.time_s[i]),
        )
        for i in distinct_named(analysis)
    ]  # fmt: skip
    alike: dict[tuple[float, float, float], list[str]] = {}
    for roof in found:
        alike.setdefault((roof.peak_flop_per_s, roof.bandwidth_byte_per_s, roof.time_s), []).append(roof.mode)
    return ceiling_name(table.ceilings[main]), [
        Roof(first, *roof, tuple(more)) for roof, (first, *more) in alike.items()
    ]
