"""Each kind of picture of one analysis, and that of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from roofline.errors import UsageError
from roofline.figures import energies as energy_figures
from roofline.figures import layers as layer_figures
from roofline.figures import modes as mode_figures
from roofline.figures import rooflines, runs, versus
from roofline.figures.figure import Figure
from roofline.figures.measured import measured_against
from roofline.figures.words import heading, settings, short_name
from roofline.plots import clocks, energies
from roofline.plots.ceilings import ceiling_name, evaluation_of, main_ceiling, pipes_and_paths, roofs

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.comparison import Comparison


def _time(analysis: Analysis) -> Figure:
    return rooflines.time_roofline(_with_time(analysis), *pipes_and_paths(analysis))


def _modes(analysis: Analysis) -> Figure:
    _refuse_without_flops(analysis)
    return rooflines.modes_roofline(_with_time(analysis), *roofs(analysis))


def _energy(analysis: Analysis) -> Figure:
    _refuse_without_flops(analysis)
    found, data = energies.priced(analysis), _by_roofline(analysis)
    arches = energies.arches(found, [0])
    return energy_figures.energy_roofline(data, arches, energies.layer_energies(found, data), energies.about(analysis))


def _power(analysis: Analysis) -> Figure:
    _refuse_without_flops(analysis)
    found, data = energies.priced(analysis), _by_roofline(analysis)
    arches = energies.arches(found, energies.power_modes(analysis), main_only=True)
    limit = found.task.device.power_limit_w
    return energy_figures.power_line(data, arches, energies.layer_energies(found, data),
                                     limit.value if limit else None, energies.about(analysis))  # fmt: skip


def _refuse_without_flops(analysis: Analysis) -> None:
    if not _with_time(analysis)["totals"]["flops"]:
        raise UsageError(
            "nothing that it runs computes anything: there is no place under a roof", where=analysis.graph.path,
            expected="--kind layers or classes, which draw times",
        )  # fmt: skip


def _by_roofline(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as plain data for a picture of energy coefficients: rooflines, whatever predicts the time."""
    return {**_with_time(analysis), "basis": "roofline"}


def _memory(analysis: Analysis) -> Figure:
    if analysis.phase == "training":
        raise UsageError("the schedule of a training step is not worked out", where="--kind memory",
                         expected="--phase inference")  # fmt: skip
    memory = analysis.memory
    running = [layer for layer in analysis.layer_counts if not layer.node.free and not layer.node.scope]
    if not memory.live_bytes:
        raise UsageError("nothing in the model runs", where="--kind memory")
    names = [short_name({"name": layer.node.label, "op_type": layer.node.op_type}) for layer in running]
    size = analysis.device.memory.size_bytes if analysis.device else None
    return runs.memory_schedule(analysis.to_dict(), memory.live_bytes, names,
                                memory.weight_bytes, size.value if size else None)  # fmt: skip


def pareto(analysis: Analysis, grid: str, slack: float) -> Figure:
    """Return time and energy of every mode of a grid.

    Raises:
        DeviceError: no energy is known.
    """
    from roofline.selection.select import select_among

    evaluation = evaluation_of(analysis)
    if not evaluation.task.has_energy:  # its own words: those of a selection offer options that a picture has not
        energies.priced(analysis)
    selection = select_among([analysis], grid=grid, slack=slack)
    kept, limited = clocks.spots(selection)
    over = evaluation.task.is_power_limited(evaluation.power_w)
    named = [mode_figures.Spot(m.name, float(t), float(e), bool(limited)) for m, t, e, limited in
             zip(evaluation.modes[1:], evaluation.time_s[1:], evaluation.energy_j[1:], over[1:])]  # fmt: skip
    choices = {"default": selection.default, "maximum": selection.maximum, "chosen": selection.choice}
    marked = {role: clocks.spot(choice) for role, choice in choices.items() if choice is not None}
    longest = (1 + slack) * selection.fastest.time_s if selection.fastest else None
    return mode_figures.pareto(_with_time(analysis), kept, limited, named, marked, longest, slack, grid)


def heatmap(analysis: Analysis, value: str | None, slack: float) -> Figure:
    """Return the map of ``time`` or ``energy`` over the two clocks; None is the energy where it is known.

    Raises:
        DeviceError: no energy is known, or a clock has one setting.
    """
    if value is None:
        value = "energy" if evaluation_of(analysis).task.has_energy else "time"
    if value == "energy" and not energies.is_predicted(analysis):
        energies.priced(analysis)
    return mode_figures.heatmap(_with_time(analysis), clocks.clock_map(analysis), value, slack)


def measured_runs(analysis: Analysis, path: Any, at_batch: Callable[[int], Analysis] | None) -> Figure:
    """Return measured runs against computed ones; `at_batch` analyses those of other batch sizes, None leaves them out.

    Raises:
        MeasurementError: the table is damaged, or has no run of this model.
    """
    from roofline.plots.measured import measured_pairs

    pairs, notes = measured_pairs(analysis, path, at_batch)
    data = analysis.to_dict()
    layers = {pair.group for pair in pairs} == {"layers"}
    promised = analysis.calibration.time.band if analysis.calibration is not None and not layers else None
    return measured_against(
        [pair._replace(group="") for pair in pairs] if layers else pairs,
        None if promised is None else (promised.low, promised.high), str(data["basis"]), notes,
        what="layers" if layers else "runs", title=heading("Measured against computed", data),
        subtitle=settings({**data, "batch": None}, with_mode=False),
    )  # fmt: skip


def of_comparison(comparison: Comparison) -> Figure:
    """Return the picture of a comparison.

    Raises:
        UsageError: a side has no device.
    """
    from roofline.export.as_comparison import csv_rows

    if comparison.a.evaluation is None or comparison.b.evaluation is None:
        raise UsageError(
            "this picture needs a device on both sides", where="--kind compare", expected="--device as well"
        )
    for side in (comparison.a, comparison.b):
        _with_time(side)
    classes = [{layer["name"]: layer["class"] for layer in side.layers} for side in (comparison.a, comparison.b)]
    rows = [{**row, "class": classes[0].get(row["name_a"]) or classes[1].get(row["name_b"])}
            for row in csv_rows(comparison)]  # fmt: skip
    data = comparison.to_dict()
    sides = []
    for name, analysis in (("a", comparison.a), ("b", comparison.b)):
        evaluation, main = evaluation_of(analysis), main_ceiling(analysis)
        table = evaluation.table
        peak, bandwidth = float(table.peak_flop_per_s[0, main]), float(table.bandwidth_byte_per_s[0])
        sides.append(versus.Side(data[name]["label"], ceiling_name(table.ceilings[main]), peak, bandwidth))
    return versus.comparison(data, sides[0], sides[1], rows)


def _with_time(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as plain data.

    Raises:
        UsageError: nothing in the model takes time.
    """
    data = analysis.to_dict()
    if not data["totals"]["time_s"]:
        raise UsageError("nothing that takes time is counted", where=analysis.graph.path)
    return data


OF_ONE: Mapping[str, Callable[[Analysis], Figure]] = MappingProxyType({
    "roofline": _time,
    "energy": _energy,
    "modes": _modes,
    "power": _power,
    "layers": lambda analysis: layer_figures.waterfall(_with_time(analysis)),
    "classes": lambda analysis: layer_figures.classes(_with_time(analysis)),
    "memory": _memory,
})  # fmt: skip
"""Kind -> its picture of one analysis that needs nothing else."""
