"""Predicted against measured: per run, per layer, per mode; errors, rank correlation, and bounds that were beaten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.analysis import Analysis
from roofline.errors import MeasurementError
from roofline.evaluate import evaluate
from roofline.findings import Finding
from roofline.measured.against import against_device
from roofline.measured.join import join_layers
from roofline.measured.record import Measurement, by_run
from roofline.measured.suits import refuse_others

if TYPE_CHECKING:
    from roofline.figures.figure import Figure

Array = NDArray[np.float64]
_NAN = float("nan")
TOLERANCE = 0.03
"""A bound counts as beaten only beyond this: measured times have their own noise."""


class Point(NamedTuple):
    """One measured run, or one measured layer, beside what was predicted. SI units; NaN where unknown."""

    workload: str
    mode: str
    layer: str
    """Empty for a whole run."""
    op_class: str
    time_s: float
    predicted_time_s: float
    bound_time_s: float
    power_w: float
    predicted_power_w: float
    energy_j: float
    predicted_energy_j: float
    line: int


class Errors(NamedTuple):
    """How predictions of one quantity compare with measurements."""

    n: int
    mape: float
    """Mean of |predicted/measured - 1|."""
    median_abs_error: float
    bias: float
    """Mean of predicted/measured - 1."""
    kendall_tau: float
    """Rank correlation (tau-b) over all points; NaN below three."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validation:
    """Everything that was compared."""

    runs: tuple[Point, ...]
    layers: tuple[Point, ...]
    basis: str
    """``roofline`` or ``prediction``."""
    calibration: str
    joined: Mapping[str, float]
    """Workload -> share of the layers' time that was joined to the model."""
    bands: Mapping[str, tuple[float, float]]
    """``time``, ``power`` -> measured/predicted of the middle 80 % of runs, as the calibration promises it."""
    findings: tuple[Finding, ...]

    def errors(self, quantity: str, points: Sequence[Point] | None = None) -> Errors:
        """Return the errors of ``time``, ``power`` or ``energy`` over whole runs, or over other points."""
        return errors_of(*self._known(quantity, self.runs if points is None else points))

    def in_band(self, quantity: str) -> float:
        """Return the share of whole runs inside the 80 % band of ``time`` or ``power``; NaN without a band or runs."""
        if quantity not in self.bands:
            return _NAN
        low, high = self.bands[quantity]
        measured, predicted = self._known(quantity, self.runs)
        ratio = measured / predicted
        return float(((ratio >= low) & (ratio <= high)).mean()) if len(ratio) else _NAN

    def _known(self, quantity: str, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return measured and predicted values of the points where both are known and positive."""
        values = np.array([values_of(point, quantity) for point in points]).reshape(-1, 2)
        known = np.isfinite(values).all(axis=1) & (values > 0).all(axis=1)
        return values[known, 0], values[known, 1]

    def plot(self, quantity: str = "time", *, theme: str = "light", size: str = "slide") -> Figure:
        """Return the picture of measured over predicted ``time``, ``power`` or ``energy``; of layers without runs.

        Raises:
            UsageError: nothing of this quantity was compared.
        """
        from roofline.plots.validated import of_validation

        return of_validation(self, quantity).with_look(theme, size)

    @property
    def bound_violations(self) -> tuple[Point, ...]:
        """Runs faster than the bound by more than 3 %: each is a defect of the bound or of the data."""
        return tuple(p for p in self.runs if p.time_s < p.bound_time_s * (1 - TOLERANCE))

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        from roofline.export.as_validation import verdict

        return verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.validation/1``."""
        from roofline.export.as_validation import validation_dict

        return validation_dict(self)

    def _repr_html_(self) -> str:
        from roofline.export.as_html import blocks_html
        from roofline.export.as_validation import blocks

        return blocks_html(blocks(self))


def values_of(point: Point, quantity: str) -> tuple[float, float]:
    """Return measured and predicted ``time`` (s), ``power`` (W) or ``energy`` (J) of a point."""
    unit = {"time": "s", "power": "w", "energy": "j"}[quantity]
    return getattr(point, f"{quantity}_{unit}"), getattr(point, f"predicted_{quantity}_{unit}")


def errors_of(measured: Array, predicted: Array) -> Errors:
    """Return the errors of predictions, both (points,) and known."""
    if not len(measured):
        return Errors(0, *[_NAN] * 4)
    off = predicted / measured - 1
    tau = _NAN
    if len(measured) >= 3:
        from scipy.stats import kendalltau

        tau = float(kendalltau(predicted, measured).statistic)
    return Errors(len(measured), float(np.abs(off).mean()), float(np.median(np.abs(off))), float(off.mean()), tau)


def validate(analyses: Mapping[str, Analysis], rows: Iterable[Measurement], where: str = "measurements") -> Validation:
    """Compare measured runs with what the models' analyses predict for the modes that they ran in.

    Args:
        analyses: workload name -> the model on its device; with a calibration its predictions are compared, else its
            rooflines.
        rows: measured runs; rows of workloads that have no analysis are left out, with a finding.
        where: what to call the rows in errors.

    Raises:
        MeasurementError: no row belongs to any of the models, or a row's mode or batch size does not fit.
    """
    rows = tuple(rows)
    runs: list[Point] = []
    layers: list[Point] = []
    findings: list[Finding] = []
    joined: dict[str, float] = {}
    for name, analysis in analyses.items():
        mine = [row for row in rows if row.workload == name]
        refuse_others(mine, analysis, where)
        whole = [row for row in mine if not row.layer]
        found, said = _runs(name, analysis, whole, where)
        runs += found
        findings += said
        for run in by_run(row for row in mine if row.layer).values():
            points, share, said = _layers(name, analysis, run, where)
            layers += points
            joined[name] = min(share, joined.get(name, 1.0))
            findings += said
    if not runs and not layers and any(row.workload in analyses for row in rows):
        unknown = next((f for f in findings if f.code == "row-mode-unknown"), None)
        raise MeasurementError(
            unknown.message if unknown else "no run and no layer to compare", where=where,
            expected="rows that say in which mode they ran", hint=unknown.hint if unknown else "",
        )  # fmt: skip
    if not runs and not layers:
        known = ", ".join(dict.fromkeys(row.workload for row in rows)) or "none"
        raise MeasurementError(
            f"no row is of {', '.join(analyses)}", where=where, expected=f"one of the workloads there: {known}",
            hint="say which is which: --workload NAME=MODEL",
        )  # fmt: skip
    left = sorted({row.workload for row in rows} - set(analyses))
    if left:
        findings.append(Finding("rows-of-other-models", where, f"left out: {', '.join(left)}"))
    for name, analysis in analyses.items():
        used_runs = set(analysis.calibration.runs) if analysis.calibration is not None else set()
        seen = sum(1 for p in runs if p.workload == name and (p.mode in used_runs or name in used_runs))
        if seen and analysis.calibration is not None:
            findings.append(
                Finding(
                    code="in-sample",
                    where=f"{name}: {seen} runs",
                    message="the calibration was fitted to runs in these modes: their errors flatter it; runs left out "
                    f"of the fit one by one were off by {analysis.calibration.time.error:.1%}",
                )
            )
    used = [a.calibration.name for a in analyses.values() if a.calibration is not None]
    return Validation(
        runs=tuple(runs), layers=tuple(layers), basis="prediction" if len(used) == len(analyses) else "roofline",
        calibration=", ".join(dict.fromkeys(used)), joined=joined, bands=_bands(list(analyses.values())),
        findings=tuple(dict.fromkeys(findings)),
    )  # fmt: skip


def _bands(analyses: Sequence[Analysis]) -> dict[str, tuple[float, float]]:
    """Return the bands of the one calibration that all the analyses use; of several, none holds for all runs."""
    first = analyses[0].calibration
    if first is None or any(a.calibration is None or a.calibration.name != first.name for a in analyses):
        return {}
    bands = {"time": (first.time.band.low, first.time.band.high)}
    if first.power is not None:
        bands["power"] = (first.power.band.low, first.power.band.high)
    return bands


def _runs(
    name: str, analysis: Analysis, rows: Sequence[Measurement], where: str
) -> tuple[list[Point], tuple[Finding, ...]]:
    if analysis.evaluation is None:
        raise MeasurementError("runs are compared on a device", where=where, expected="--device as well")
    task = analysis.evaluation.task
    placed, findings = against_device(rows, task.device, where)
    known = [(row, mode) for row, mode in placed if mode is not None]
    if not known:
        return [], findings
    found = evaluate(task, [mode for _, mode in known])
    time, power, energy = found.time_s, found.power_w, found.energy_j
    same = {row.power_boundary for row, _ in known} <= {"", found.boundary}
    if not same and np.isfinite(power).any():
        findings = (
            *findings,
            Finding("boundaries-differ", name, f"power is predicted at the {found.boundary}, measured elsewhere: it is "
                    "not compared"),
        )  # fmt: skip
    points = []
    for i, (row, mode) in enumerate(known):
        joules = row.energy_j
        if joules is None and row.power_w is not None and row.time_s is not None:
            joules = row.power_w * row.time_s
        points.append(
            Point(
                name,
                mode.name,
                "",
                "",
                _or_nan(row.time_s),
                float(time[i]),
                float(found.bound_time_s[i]),
                _or_nan(row.power_w),
                float(power[i]) if same else _NAN,
                _or_nan(joules),
                float(energy[i]) if same else _NAN,
                row.line,
            )
        )
    return points, findings


def _layers(
    name: str, analysis: Analysis, rows: Sequence[Measurement], where: str
) -> tuple[list[Point], float, tuple[Finding, ...]]:
    assert analysis.evaluation is not None
    placed, findings = against_device(rows[:1], analysis.evaluation.task.device, where)
    mode = placed[0].mode
    if mode is None:
        return [], 0.0, findings
    found = evaluate(analysis.evaluation.task, (mode,))
    joined = join_layers(rows, analysis, where)
    points = []
    for block in joined.blocks:
        layers = list(block.layers)
        first = analysis.layer_counts[layers[0]]
        points.append(
            Point(
                name,
                mode.name,
                first.node.label,
                first.op_class,
                block.time_s,
                float(found.shown_layer_s[0, layers].sum()),
                _NAN,
                _NAN,
                _NAN,
                _NAN,
                _NAN,
                block.rows[0].line,
            )
        )
    return points, joined.share_of_time, (*findings, *joined.findings)


def _or_nan(value: float | None) -> float:
    return _NAN if value is None else value


def workload_name(path: str) -> str:
    """Return the workload that a model file stands for: its name without suffix."""
    return PurePath(path).stem
