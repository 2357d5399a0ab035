"""The public `plot`: a model's picture of one kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
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
from roofline.plots import batches as batch_data
from roofline.plots import clocks, energies
from roofline.plots.ceilings import ceiling_name, evaluation_of, main_ceiling, pipes_and_paths, roofs

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.comparison import Comparison
    from roofline.devices.spec import DeviceSpec
    from roofline.measured.given import Given

SLACK = 0.01


def plot(
    model: Any,
    device: str | Path | DeviceSpec | None = None,
    *,
    kind: str = "roofline",
    other: Any = None,
    vs: Mapping[str, Any] | None = None,
    batches: Sequence[int] = (),
    measured: Given | None = None,
    grid: str = "full",
    value: str | None = None,
    slack: float = SLACK,
    theme: str = "light",
    size: str = "slide",
    **options: Any,
) -> Figure:
    """Return a picture of a model on a device.

    Args:
        model, device, **options: as for `roofline.analyze`.
        kind: one of `KINDS`.
        other, vs: the second model, or what is different on side B, for ``compare`` (as for `roofline.compare`).
        batches: batch sizes for ``batch``; default 1, 2, 4, ..., 32.
        measured: runs for ``measured``: a table (``roofline.measurement/1``), or what `roofline.measure` returned. One
            run with its layers is drawn layer by layer.
        grid: the modes of ``pareto``: as for `roofline.select`.
        value: ``time`` or ``energy``, for ``heatmap``; None is the energy where it is known, else the time.
        slack: how much slower than the fastest mode is still as fast, for ``pareto`` and ``heatmap``.
        theme: ``light`` or ``dark``.
        size: ``column`` (83 mm) or ``slide`` (254 mm x 143 mm).

    Raises:
        UsageError: there is no such kind, theme or size, or it needs a device or another option.
        DeviceError: the device has no energy coefficients for this precision, or no clocks to map.
        The errors of `roofline.analyze`.
    """
    check_kind(kind, device, other=other, vs=vs, measured=measured, batches=batches, value=value)
    look = {"theme": theme, "size": size}
    if kind == "compare":
        from roofline.comparison import compare

        return of_comparison(compare(model, other, device, vs=vs, **options)).with_look(**look)
    if model == "-" and kind in ("batch", "measured"):
        model = sys.stdin.buffer.read()
    if kind == "batch":
        from roofline.selection.select import analyses_at

        sizes = tuple(sorted(batches)) or batch_data.DEFAULT_BATCHES
        bindings = options.pop("bindings", None)
        analyses = analyses_at(model, device, bindings, sizes, options)
        calibrated = [analysis for analysis in analyses if analysis.calibration is not None]
        if calibrated and len(calibrated) < len(analyses):  # two kinds of time do not go into one line
            analyses = analyses_at(model, device, bindings, sizes, {**options, "calibration": "none"})
        figure = runs.batch_sweep(analyses[0].to_dict(), batch_data.batch_points(analyses))
        return _with_band(figure, analyses[0]).with_look(**look)
    from roofline.analysis import analyze

    analysis = analyze(model, device, **options)
    if kind == "measured":
        bindings = options.pop("bindings", None)
        return _measured(analysis, measured, lambda b: _at_batch(model, device, bindings, b, options)).with_look(**look)
    return plot_analysis(analysis, kind, grid=grid, value=value, slack=slack).with_look(**look)


def _at_batch(model: Any, device: Any, bindings: Any, batch: int, options: dict[str, Any]) -> Analysis:
    from roofline.selection.select import analyses_at

    return analyses_at(model, device, bindings, (batch,), options)[0]


def plot_analysis(
    analysis: Analysis,
    kind: str = "roofline",
    *,
    other: Analysis | None = None,
    measured: Given | None = None,
    grid: str = "full",
    value: str | None = None,
    slack: float = SLACK,
) -> Figure:
    """Return a picture of a finished analysis; ``compare`` puts it beside an `other` one.

    Raises:
        UsageError, DeviceError, MeasurementError: as `plot`.
    """
    check_kind(kind, analysis.device, other=other, measured=measured, value=value)
    if kind == "batch":
        raise UsageError(
            "one analysis has one batch size", where="plot batch",
            expected='roofline.plot(model, device, kind="batch", batches=(1, 2, 4))',
        )  # fmt: skip
    if kind == "compare":
        from roofline.comparison import compare_analyses

        assert other is not None
        return of_comparison(compare_analyses(analysis, other))
    if kind == "measured":
        return _measured(analysis, measured, None)
    if kind == "pareto":
        return _with_band(_pareto(analysis, grid, slack), analysis)
    if kind == "heatmap":
        return _with_band(_heatmap(analysis, value, slack), analysis)
    figure = _OF_ONE[kind](analysis)
    return figure if kind in _WITHOUT_PREDICTION else _with_band(figure, analysis)


def _with_band(figure: Figure, analysis: Analysis) -> Figure:
    """Say under a picture of predicted times which calibration they are of, and how far off they can be."""
    used = analysis.calibration
    if used is None:
        return figure
    low, high = (f"{100 * (edge - 1):+.2g}" for edge in used.time.band)
    note = f"Calibration {used.name}: 8 of 10 measured times are {low} to {high} % off."
    return replace(figure, notes=(*figure.notes, note))


def check_kind(
    kind: str,
    device: Any,
    *,
    other: Any = None,
    vs: Mapping[str, Any] | None = None,
    measured: Any = None,
    batches: Sequence[int] = (),
    value: str | None = None,
) -> None:
    """Raise `UsageError` for a kind that there is not, or that lacks what it is drawn from."""
    if kind not in KINDS:
        raise UsageError(f"no picture {kind!r}", where="--kind", expected=", ".join(KINDS))
    if value not in (None, "time", "energy"):
        raise UsageError(f"no map of {value!r}", where="--value", expected="time, energy")
    both_have_one = kind == "compare" and (vs or {}).get("device") is not None
    if device is None and kind != "memory" and not both_have_one and not (kind == "compare" and _is_analysis(other)):
        raise UsageError("this picture needs a device", where=f"--kind {kind}", expected="--device as well")
    if kind == "compare" and other is None and not vs:
        raise UsageError("both sides are the same", where="--kind compare",
                         expected="a second model, or what is different on side B: --vs precision=fp16")  # fmt: skip
    if (kind == "compare") != (other is not None or bool(vs)):
        raise UsageError("a second side is for one kind only", where=f"--kind {kind}", expected="--kind compare")
    if (kind == "measured") != (measured is not None):
        raise UsageError("measured runs and the picture of them go together", where=f"--kind {kind}",
                         expected="--kind measured --measured FILE.csv")  # fmt: skip
    if batches and kind != "batch":
        raise UsageError("batch sizes are for one kind only", where=f"--kind {kind}", expected="--kind batch")


def _is_analysis(value: Any) -> bool:
    return hasattr(value, "evaluation")


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


def _pareto(analysis: Analysis, grid: str, slack: float) -> Figure:
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


def _heatmap(analysis: Analysis, value: str | None, slack: float) -> Figure:
    if value is None:
        value = "energy" if evaluation_of(analysis).task.has_energy else "time"
    if value == "energy" and not energies.is_predicted(analysis):
        energies.priced(analysis)
    return mode_figures.heatmap(_with_time(analysis), clocks.clock_map(analysis), value, slack)


def _measured(analysis: Analysis, path: Any, at_batch: Callable[[int], Analysis] | None) -> Figure:
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


_WITHOUT_PREDICTION = frozenset({"energy", "power", "memory"})
"""Kinds that no calibration changes."""
_OF_ONE: Mapping[str, Callable[[Analysis], Figure]] = MappingProxyType({
    "roofline": _time,
    "energy": _energy,
    "modes": _modes,
    "power": _power,
    "layers": lambda analysis: layer_figures.waterfall(_with_time(analysis)),
    "classes": lambda analysis: layer_figures.classes(_with_time(analysis)),
    "memory": _memory,
})  # fmt: skip
KINDS: Mapping[str, str] = MappingProxyType({
    "roofline": "layers under every ceiling of one mode",
    "energy": "layers under the energy roof",
    "modes": "the roofs of all named modes",
    "power": "power over intensity",
    "pareto": "time and energy of every mode of the grid",
    "layers": "time and energy of the longest layers",
    "classes": "time and energy by op class",
    "heatmap": "time or energy over processor and memory clock",
    "batch": "latency, throughput and energy over the batch size",
    "compare": "two models, precisions or modes",
    "memory": "what is held while each layer runs",
    "measured": "measured runs against computed times",
})  # fmt: skip
"""Kind -> what it shows."""
