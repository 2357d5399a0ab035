"""The public `plot`: a model's picture of one kind."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from roofline.errors import UsageError
from roofline.figures import runs
from roofline.figures.figure import Figure
from roofline.plots import batches as batch_data
from roofline.plots.pictures import OF_ONE, heatmap, measured_runs, of_comparison, pareto

if TYPE_CHECKING:
    from roofline.analysis import Analysis
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
        return measured_runs(analysis, measured, lambda b: _at_batch(model, device, bindings, b, options)).with_look(
            **look
        )
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
        return measured_runs(analysis, measured, None)
    if kind == "pareto":
        return _with_band(pareto(analysis, grid, slack), analysis)
    if kind == "heatmap":
        return _with_band(heatmap(analysis, value, slack), analysis)
    figure = OF_ONE[kind](analysis)
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


_WITHOUT_PREDICTION = frozenset({"energy", "power", "memory"})
"""Kinds that no calibration changes."""
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
