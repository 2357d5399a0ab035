"""`Analysis` as plain data: ``schema: roofline.analysis/1``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.counting import LayerCount
from roofline.devices.modes import show_knob
from roofline.verdict import verdict
from roofline.workload import contraction_ceiling, read_with_cache

if TYPE_CHECKING:
    from roofline.analysis import Analysis

SCHEMA = "roofline.analysis/1"


def analysis_dict(analysis: Analysis, *, tensors: bool = False) -> dict[str, Any]:
    """Return the whole analysis; unknown numbers are None. Times and energies are per run of one batch."""
    graph, evaluation, device = analysis.graph, analysis.evaluation, analysis.device
    layers = _layers(analysis)
    modes = [_mode(analysis, index) for index in range(1, len(evaluation.modes))] if evaluation else []
    chosen = evaluation.modes[0] if evaluation else None
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": "",
        "basis": "roofline" if analysis.calibration is None else "prediction",
        "model": {
            "path": graph.path,
            "opset": graph.opset,
            "nodes": len(graph.nodes),
            "parameters": graph.parameters,
            "weight_bytes": graph.weight_bytes,
        },
        "device": device.id if device else None,
        "device_name": device.name if device else None,
        "variant": device.variant or None if device else None,
        "processor": analysis.processor.name if analysis.processor else None,
        "mode": chosen.name if chosen else None,
        "mode_was_chosen": analysis.mode_was_chosen,
        "knobs": {k: int(v) for k, v in chosen.knobs.items()} if chosen else {},
        "clocks": analysis.clocks if device else None,
        "precision": analysis.precision,
        "phase": analysis.phase,
        "traffic": analysis.traffic,
        "runtime": analysis.runtime,
        "calibration": None if analysis.calibration is None else analysis.calibration.name,
        "bindings": dict(graph.bindings),
        "batch": graph.batch,
        "totals": _totals(analysis, layers),
        "modes": modes,
        "ceilings": _ceilings(analysis),
        "coverage": _coverage(analysis, layers),
        "layers": layers,
        "findings": [finding.to_dict() for finding in analysis.findings],
    }
    if tensors:
        data["tensors"] = {
            info.name: {"shape": None if info.shape is None else list(info.shape), "dtype": info.dtype}
            for info in graph.tensors.values()
        }
    data["verdict"] = verdict(data, device.name if device else None, modes)
    return data


def _layers(analysis: Analysis) -> list[dict[str, Any]]:
    pipes = tuple(analysis.processor.pipes) if analysis.processor else ()
    cache = analysis.device.cache_bytes.value if analysis.device and analysis.device.cache_bytes else None
    layers = [
        _free_layer(count) if count.node.free else _layer(count, analysis.traffic, pipes, cache)
        for count in analysis.layer_counts
    ]
    if analysis.levels is not None:
        for layer, passes, moves in zip(layers, analysis.levels.cache_bytes, analysis.levels.dram_bytes, strict=True):
            layer["cache_bytes"], layer["dram_bytes"] = passes, moves
    evaluation = analysis.evaluation
    if evaluation is None:
        return layers
    times, predicted = evaluation.layer_time_s[0].tolist(), evaluation.shown_layer_s[0].tolist()
    energies = None if evaluation.shown_layer_j is None else evaluation.shown_layer_j[0].tolist()
    total = float(evaluation.time_s[0])
    for index, layer in enumerate(layers):
        if energies is not None and energies[index] > 0:  # Pagoda's convention charges some views
            layer["energy_j"] = _known(energies[index])
        if layer["status"] != "counted":
            continue
        layer["roofline_time_s"] = times[index]
        if evaluation.prediction is not None:
            layer["predicted_time_s"] = predicted[index]
        layer["share"] = _ratio(predicted[index], total)
        if times[index] > 0:
            layer["limited_by"] = "memory" if evaluation.is_memory_bound[0, index] else "compute"
            layer["ceiling"] = _binding(analysis, index)
    return layers


_FREE_LAYER: Mapping[str, Any] = MappingProxyType({
    "name": "", "op_type": "", "domain": "", "nodes": [], "class": None, "pipe": None, "precision": None,
    "macs": 0, "flops": 0, "bytes_read": 0, "bytes_written": 0, "weight_bytes_read": 0,
    "pattern": "", "saved_bytes": 0,
    "intensity_flop_per_byte": None, "roofline_time_s": None, "predicted_time_s": None, "share": None,
    "ceiling": None, "energy_j": None, "limited_by": None, "status": "free", "reason": "",
})  # fmt: skip
"""Every key of a layer, as it is for a node that does not run."""


def _free_layer(count: LayerCount) -> dict[str, Any]:
    node = count.node
    return {
        **_FREE_LAYER,
        "name": node.label,
        "op_type": node.op_type,
        "domain": node.domain,
        "nodes": [node.label],
        "reason": count.reason,
    }


def _layer(
    count: LayerCount, traffic: str, pipes: tuple[tuple[str, str], ...], cache_bytes: float | None
) -> dict[str, Any]:
    node, cost = count.node, count.under(traffic)
    status, reason = count.status_under(traffic)
    ceiling = contraction_ceiling(count, pipes)
    is_counted = status == "counted"
    pipe = (ceiling[0] or "vector") if is_counted and cost.flops else None
    read = read_with_cache(cost, cache_bytes)
    return {
        **_FREE_LAYER,
        "name": node.label,
        "op_type": node.op_type,
        "domain": node.domain,
        "nodes": list(count.members) or [node.label],
        "pattern": count.pattern,
        "saved_bytes": count.saved_bytes,
        "class": count.op_class or None,
        "pipe": pipe,
        "precision": (ceiling[1] or count.vector_precision) if is_counted else None,
        "macs": cost.macs,
        "flops": cost.flops,
        "bytes_read": read,
        "bytes_written": cost.bytes_written,
        "weight_bytes_read": cost.weight_bytes,
        "intensity_flop_per_byte": _ratio(cost.flops, read + cost.bytes_written),
        "status": status,
        "reason": reason,
    }


def _binding(analysis: Analysis, index: int) -> str:
    evaluation = analysis.evaluation
    assert evaluation is not None
    if evaluation.is_memory_bound[0, index]:
        table = evaluation.table
        return "memory path" if table.path_byte_per_s[0] < table.dram_byte_per_s[0] else "DRAM"
    pipe, precision = evaluation.table.ceilings[int(evaluation.ceiling[0, index])]
    return f"{precision} {pipe}"


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def _totals(analysis: Analysis, layers: list[dict[str, Any]]) -> dict[str, Any]:
    def total(key: str) -> int:
        return int(sum(layer[key] for layer in layers))

    read, written, flops = total("bytes_read"), total("bytes_written"), total("flops")
    totals: dict[str, Any] = {
        "macs": sum(count.cost.macs for count in (analysis.step.layers if analysis.step else analysis.counts)),
        "flops": flops,
        "bytes_read": read,
        "bytes_written": written,
        "bytes": read + written,
        "intensity_flop_per_byte": _ratio(flops, read + written),
        "weight_bytes_read": total("weight_bytes_read"),
        "peak_memory_bytes": analysis.memory.peak_bytes,
        "peak_activation_bytes": analysis.memory.activation_bytes,
        "kv_cache_bytes": analysis.memory.cache_bytes,
        "cache_bytes": sum(analysis.levels.cache_bytes) if analysis.levels else None,
        "gradient_bytes": analysis.memory.gradient_bytes,
        "optimizer_bytes": analysis.memory.optimizer_bytes,
        "kept_activation_bytes": analysis.step.kept_bytes if analysis.step else 0,
        "overhead_energy_j": None,
        "bound_time_s": None,
        "roofline_time_s": None,
        "predicted_time_s": None,
        "predicted_low_s": None,
        "predicted_high_s": None,
        "time_s": None,
        "energy_j": None,
        "power_w": None,
        "power_boundary": None,
        "energy_time_s": None,
        "rate_per_s": analysis.rate_per_s,
        "average_power_w": None,
        "time_per_sample_s": None,
        "energy_per_sample_j": None,
        "throughput_per_s": None,
        "limited_by": None,
    }
    evaluation, batch = analysis.evaluation, analysis.graph.batch
    if evaluation is not None:
        time, energy = float(evaluation.time_s[0]), _known(float(evaluation.energy_j[0]))
        totals |= {
            "bound_time_s": float(evaluation.bound_time_s[0]),
            "roofline_time_s": float(evaluation.roofline_time_s[0]),
            "time_s": time,
            "energy_j": energy,
            "power_w": _known(float(evaluation.power_w[0])),
            "energy_time_s": float(evaluation.energy_time_s[0]) if energy is not None else None,
            "power_boundary": evaluation.boundary or None,
            "time_per_sample_s": _ratio(time, batch) if batch else None,
            "energy_per_sample_j": _ratio(energy, batch) if batch and energy is not None else None,
            "throughput_per_s": _ratio(batch, time) if batch else None,
            "limited_by": evaluation.limited_by(0) if time > 0 else None,
        }
        if evaluation.prediction is not None:
            low, high = evaluation.prediction.factors.time_band
            host = evaluation.prediction.factors.host_s
            totals |= {"predicted_time_s": time, "predicted_low_s": time * low, "predicted_high_s": time * high}
            if energy is not None:
                totals["overhead_energy_j"] = energy * host / time
        if analysis.rate_per_s is not None:
            totals["average_power_w"] = _known(float(evaluation.power_at_rate(analysis.rate_per_s, batch or 1)[0]))
    return totals


def _mode(analysis: Analysis, index: int) -> dict[str, Any]:
    evaluation = analysis.evaluation
    assert evaluation is not None
    mode = evaluation.modes[index]
    time, energy = float(evaluation.time_s[index]), _known(float(evaluation.energy_j[index]))
    power = _known(float(evaluation.power_w[index]))
    rate = analysis.rate_per_s
    average = evaluation.power_at_rate(rate, analysis.graph.batch or 1)[index] if rate is not None else np.nan
    return {
        "mode": mode.name,
        "settings": ", ".join(f"{name}={show_knob(name, value)}" for name, value in mode.knobs.items()),
        "bound_time_s": float(evaluation.bound_time_s[index]),
        "time_s": time,
        "roofline_time_s": float(evaluation.roofline_time_s[index]),
        "energy_j": energy,
        "power_w": power,
        "average_power_w": _known(float(average)),
        "power_limited": bool(evaluation.task.is_power_limited(evaluation.power_w)[index]),
        "limited_by": evaluation.limited_by(index),
    }


def _ceilings(analysis: Analysis) -> dict[str, Any]:
    """The ceilings of the chosen mode, the ridge point of each, and the energy per FLOP and byte."""
    evaluation = analysis.evaluation
    if evaluation is None:
        return {}
    table = evaluation.table
    bandwidth = float(table.bandwidth_byte_per_s[0])
    peaks = {
        f"{precision} {pipe}": {
            "peak_flop_per_s": _known(float(table.peak_flop_per_s[0, i])),
            "ridge_flop_per_byte": _known(float(table.peak_flop_per_s[0, i]) / bandwidth),
            "is_known": bool(table.is_known[i]),
        }
        for i, (pipe, precision) in enumerate(table.ceilings)
    }
    return {
        "compute": peaks,
        "bandwidth_byte_per_s": bandwidth,
        "dram_byte_per_s": float(table.dram_byte_per_s[0]),
        "path_byte_per_s": _known(float(table.path_byte_per_s[0])),
        "nominal_byte_per_s": float(table.nominal_byte_per_s[0]),
    }


def _coverage(analysis: Analysis, layers: list[dict[str, Any]]) -> dict[str, Any]:
    by_status = dict.fromkeys(("counted", "free", "unsupported"), 0)
    for count in analysis.counts:
        by_status[count.status_under(analysis.traffic)[0]] += 1
    lost = by_status["unsupported"]
    lost_bytes = sum(count.operand_bytes or 0 for count in analysis.counts)
    counted_bytes = sum(layer["bytes_read"] + layer["bytes_written"] for layer in layers)
    return {
        "nodes_counted": by_status["counted"],
        "nodes_free": by_status["free"],
        "nodes_unsupported": lost,
        "share_nodes": 1 - lost / len(analysis.counts) if analysis.counts else 1.0,
        "share_flops_exact": 1.0 if lost == 0 else None,
        "share_bytes": _ratio(counted_bytes, counted_bytes + lost_bytes) if lost else 1.0,
    }
