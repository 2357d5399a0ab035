"""What a page holds, as plain data: the device, the power modes, and per way of counting the layers as columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline import __version__
from roofline.analysis import Analysis
from roofline.devices.spec import DeviceSpec, EnergySet, PowerMode
from roofline.devices.tables import find_idle_model
from roofline.export.as_table import coverage_line, operators
from roofline.figures.theme import OP_CLASSES
from roofline.prediction import Factors
from roofline.selection.candidates import seen_knobs
from roofline.task import Task
from roofline.workload import Workload

SCHEMA = "roofline.report/1"


class Pool:
    """Columns, each held once: ways of counting share most of theirs."""

    def __init__(self) -> None:
        self.columns: list[list[Any]] = []
        self._place: dict[str, int] = {}

    def add(self, column: Sequence[Any]) -> int:
        """Return the place of a column with these values; a new one if there is none yet."""
        key = json.dumps(column)
        if key not in self._place:
            self._place[key] = len(self.columns)
            self.columns.append(list(column))
        return self._place[key]


def report_data(analyses: Sequence[Analysis]) -> dict[str, Any]:
    """Return the data of a page; unknown numbers are None, quantities in SI units.

    Args:
        analyses: one model on one device in several ways; the page opens with the first.
    """
    first = analyses[0]
    device, evaluation = first.device, first.evaluation
    assert device is not None and evaluation is not None
    shown = first.to_dict()
    pool = Pool()
    ways = [_way(analysis, data, pool) for analysis, data in _with_dicts(analyses, shown)]
    start = evaluation.modes[0]
    named = evaluation.modes[1:]
    place = {mode.name: i for i, mode in enumerate(named)}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "verdict": shown["verdict"],
        "basis": shown["basis"],
        "model": {
            **shown["model"],
            "path": PurePath(shown["model"]["path"]).name,
            "name": PurePath(shown["model"]["path"]).stem,
            "batch": shown["batch"],
            "bindings": shown["bindings"],
        },
        "phase": first.phase,
        "runtime": first.runtime,
        "clocks": first.clocks,
        "device": _device([a.evaluation.task for a in analyses if a.evaluation is not None]),
        "modes": [_mode(mode, i) for i, mode in enumerate(named)],
        "start": _mode(start, place[start.base]),
        "ways": ways,
        "columns": pool.columns,
        "markers": {name: marker for name, (_, marker) in OP_CLASSES.items()},
    }


def _with_dicts(analyses: Sequence[Analysis], first: dict[str, Any]) -> list[tuple[Analysis, dict[str, Any]]]:
    return [(analysis, analysis.to_dict() if i else first) for i, analysis in enumerate(analyses)]


def _mode(mode: PowerMode, base: int) -> dict[str, Any]:
    return {"name": mode.name, "base": base, "knobs": dict(mode.knobs)}


def _device(tasks: Sequence[Task]) -> dict[str, Any]:
    device, processor, memory = tasks[0].device, tasks[0].processor, tasks[0].device.memory
    curve, seen = device.voltage, frozenset[str]().union(*map(seen_knobs, tasks))
    return {
        "id": device.id,
        "name": device.name,
        "variant": device.variant,
        "processor": processor.name,
        "clock": processor.clock,
        "units": {"knob": processor.units.knob, "per_step": processor.units.per_step, "label": processor.units.label},
        "path_byte_per_clock": _value(processor.memory_path),
        "memory": {
            "clock": memory.clock,
            "transfers_per_clock": memory.transfers_per_clock,
            "bus_bytes": _value(memory.bus_bytes),
            "fixed_byte_per_s": _value(memory.fixed_byte_per_s),
            "efficiency": _value(memory.efficiency),
        },
        "voltage": None
        if curve is None
        else {"knob": curve.knob, "clock_hz": list(curve.clock_hz), "relative": list(curve.relative)},
        "cache_bytes": _value(device.cache_bytes),
        "power_limit_w": _value(device.power_limit_w),
        "knobs": {
            knob.name: {"values": list(knob.values), "is_clock": knob.is_clock, "needs_reboot": knob.needs_reboot}
            for knob in device.knobs.values()
        },
        "seen": [name for name in device.knobs if name in seen],
    }


def _value(number: Any) -> float | None:
    return None if number is None else float(number.value)


def _way(analysis: Analysis, shown: dict[str, Any], pool: Pool) -> dict[str, Any]:
    evaluation = analysis.evaluation
    assert evaluation is not None
    task, layers = evaluation.task, shown["layers"]
    kept = _kept(task, layers)
    rows = [layers[i] for i in kept]

    def column(key: str) -> int:
        return pool.add([row[key] for row in rows])

    return {
        "precision": analysis.precision,
        "traffic": analysis.traffic,
        "levels": analysis.levels is not None,
        "macs": shown["totals"]["macs"],
        "peak_memory_bytes": shown["totals"]["peak_memory_bytes"],
        "lost_nodes": shown["coverage"]["nodes_unsupported"],
        "coverage": coverage_line(shown).removeprefix("coverage "),
        "least_byte": float(task.least_byte),
        "least_flop": task.workload.least_flop.tolist(),
        "name": column("name"),
        "op_type": column("op_type"),
        "op": pool.add([operators(row["op_type"], row["pattern"], len(row["nodes"])) for row in rows]),
        "class": column("class"),
        "nodes": column("nodes"),
        "status": column("status"),
        "layer_macs": column("macs"),
        "bytes_read": column("bytes_read"),
        "bytes_written": column("bytes_written"),
        "weight_bytes_read": column("weight_bytes_read"),
        "cache_bytes": column("cache_bytes") if analysis.levels is not None else None,
        **_work(task, task.workload, kept, pool),
        "energy": None if task.energy is None else _energy(task, task.energy, kept, pool),
        "prediction": None if task.factors is None else _prediction(task.factors, kept, pool),
        "findings": pool.add(shown["findings"]),
    }


def _kept(task: Task, layers: Sequence[dict[str, Any]]) -> list[int]:
    """Return the layers that run, or that some traffic model charges."""
    charged = task.workload.moved_byte + task.workload.flop.sum(axis=0)
    np.add.at(charged, _energy_layers(task), task.energy_workload.moved_byte + task.energy_workload.flop.sum(axis=0))
    return [i for i, layer in enumerate(layers) if layer["status"] != "free" or charged[i] > 0]


def _energy_layers(task: Task) -> NDArray[np.intp]:
    """Return the layer that each layer of the energy's own workload is part of."""
    return np.arange(task.workload.moved_byte.size) if task.energy_layers is None else task.energy_layers


def _work(task: Task, work: Workload, kept: list[int], pool: Pool) -> dict[str, Any]:
    """Return the ceilings that a workload uses, and what each layer puts on them."""
    pipes = task.processor.pipes
    fallback = pipes.get(("vector", "fp32"))
    return {
        "ceilings": [
            {
                "pipe": pipe,
                "precision": precision,
                "flop_per_clock": _value(pipes.get((pipe, precision)) or fallback),
                "is_known": (pipe, precision) in pipes,
            }
            for pipe, precision in work.ceilings
        ],
        "flop": [pool.add(_whole(row[kept])) for row in work.flop],
        "moved_byte": pool.add(_whole(work.moved_byte[kept])),
    }


def _whole(values: Any) -> list[float | int]:
    """Return counts as integers where they are: shorter as text."""
    return [int(v) if v.is_integer() else v for v in np.asarray(values).tolist()]


def _prediction(factors: Factors, kept: list[int], pool: Pool) -> dict[str, Any]:
    """Return a calibration's factors for the layers that are kept; the others take no time (see model.predicted)."""
    return {
        "name": factors.name,
        "compute": pool.add(factors.compute[kept].tolist()),
        "memory": pool.add(factors.memory[kept].tolist()),
        "kernel_s": pool.add(factors.kernel_s[kept].tolist()),
        "knee": factors.knee,
        "host_s": factors.host_s,
        "time_band": list(factors.time_band),
        "power": None if factors.power is None else factors.power.tolist(),
        "power_band": list(factors.power_band),
        "speed_reference": factors.speed_reference,
        "boundary": factors.boundary,
    }


def _energy(task: Task, energy: EnergySet, kept: list[int], pool: Pool) -> dict[str, Any]:
    work, layers = task.energy_workload, _energy_layers(task)
    place = {layer: i for i, layer in enumerate(kept)}
    charged = np.flatnonzero(work.moved_byte + work.flop.sum(axis=0) > 0).tolist()
    return {
        "name": energy.name,
        "layer": pool.add([place[int(layers[i])] for i in charged]),
        "boundary": energy.boundary,
        "traffic": work.traffic,
        "error": energy.error,
        "relative_error": energy.relative_error.value,
        "reference": dict(energy.reference),
        "flop_j": [_value(energy.flop.get(key)) for key in work.ceilings],
        "dram_j": energy.dram.value,
        "move_j": energy.move.value,
        "active_w": energy.active_w.value,
        "idle": _idle(task.device, energy),
        **_work(task, work, charged, pool),
    }


def _idle(device: DeviceSpec, energy: EnergySet) -> dict[str, Any]:
    """Return the model of idle power, or the idle power of each named mode (None where it is not known)."""
    model = find_idle_model(device, energy.clocks, energy.boundary)
    if model is None:
        known = {
            e.mode: e.power_w.value for e in device.idle if (e.clocks, e.boundary) == (energy.clocks, energy.boundary)
        }
        return {"model": None, "power_w": [known.get(mode.name) for mode in device.modes]}
    return {
        "model": {
            "clock": device.processors[model.processor].clock,
            "reference": dict(model.reference),
            "constant_w": model.constant_w.value,
            "processor_w": model.processor_w.value,
            "memory_w": model.memory_w.value,
        },
        "power_w": None,
    }
