"""A validation as plain data (``schema: roofline.validation/1``) and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from roofline.export.tables import Table
from roofline.units import signed, text
from roofline.validation import Errors, Point, Validation

SCHEMA = "roofline.validation/1"
_WORST = 10


def validation_dict(found: Validation) -> dict[str, Any]:
    """Return a validation as plain data; unknown numbers are None."""
    return {
        "schema": SCHEMA,
        "verdict": verdict(found),
        "basis": found.basis,
        "calibration": found.calibration or None,
        **{name: _errors(found.errors(name)) for name in ("time", "power", "energy")},
        "in_band": {name: _known(found.in_band(name)) for name in found.bands},
        "layer_time": _errors(found.errors("time", found.layers)),
        "by_workload": _groups(found, found.runs, "workload"),
        "by_mode": _groups(found, found.runs, "mode"),
        "by_class": _groups(found, found.layers, "op_class"),
        "joined": dict(found.joined),
        "bound_violations": [_point(p) for p in found.bound_violations],
        "rows": rows(found),
        "findings": [finding.to_dict() for finding in found.findings],
    }


def _groups(found: Validation, points: Sequence[Point], field: str) -> dict[str, dict[str, Any]]:
    """Return the errors of each workload, mode or class: {name: {"time": {...}, "power": {...}, "energy": {...}}}."""
    return {
        name: {quantity: _errors(found.errors(quantity, mine)) for quantity in ("time", "power", "energy")}
        for name, mine in _grouped(points, field).items()
    }


def _grouped(points: Sequence[Point], field: str) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(getattr(point, field), []).append(point)
    return groups


def rows(found: Validation) -> list[dict[str, Any]]:
    """Return every compared run and layer as a flat row."""
    return [_point(p) for p in (*found.runs, *found.layers)]


def _errors(errors: Errors) -> dict[str, Any]:
    return {name: _known(value) for name, value in errors._asdict().items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _point(point: Point) -> dict[str, Any]:
    data = {name: _known(value) for name, value in point._asdict().items()}
    time = point.predicted_time_s / point.time_s - 1 if point.time_s > 0 else float("nan")
    return {**data, "time_error": _known(time)}


def verdict(found: Validation) -> str:
    """Return the first line."""
    time, layers = found.errors("time"), found.errors("time", found.layers)
    what = "Predictions" if found.basis == "prediction" else "ROOFLINE ONLY, not calibrated: rooflines"
    parts = []
    if time.n:
        parts.append(f"{what} are off by {time.mape:.1%} in {time.n} runs (bias {signed(time.bias)}{_tau(time)})")
    if layers.n:
        by = f"by {layers.mape:.1%} in {layers.n} layers"
        parts.append(by if parts else f"{what} are off {by}")
    power = found.errors("power")
    if power.n:
        parts.append(f"powers by {power.mape:.1%}")
    beaten = len(found.bound_violations)
    bound = f"; {beaten} BEAT THE BOUND by more than 3 %" if beaten else "; no run beats its bound"
    return ", ".join(parts) + (bound if found.runs else "") + "."


def _tau(errors: Errors) -> str:
    return "" if np.isnan(errors.kendall_tau) else f", rank correlation {errors.kendall_tau:.2f}"


def blocks(found: Validation, quiet: bool = False) -> Iterator[str | Table]:
    """Yield the verdict, the errors by workload and by class of layers, the worst points, what beat its bound."""
    yield verdict(found)
    if found.calibration:
        shares = [(name, found.in_band(name)) for name in found.bands]
        inside = ", ".join(f"{share:.0%} of the {name}s" for name, share in shares if np.isfinite(share))
        yield f"calibration {found.calibration}" + (f"; in its 80 % band: {inside}" if inside else "")
    if found.runs:
        yield _by("Runs by workload", found, found.runs, "workload")
        if len({point.workload for point in found.runs}) > 1:  # of one workload the rows themselves say it
            yield _by("Runs by mode", found, found.runs, "mode")
        yield _worst("Worst runs", found.runs)
    if found.layers:
        yield _by("Layers by class", found, found.layers, "op_class")
        yield _worst("Worst layers", found.layers)
        joined = ", ".join(f"{name} {share:.0%}" for name, share in found.joined.items())
        yield f"share of the layers' time that was joined: {joined}"
    if found.bound_violations:
        yield _worst("Faster than the bound", found.bound_violations)
    if not quiet and found.findings:
        from roofline.export.as_table import finding_table

        yield finding_table({"findings": [finding.to_dict() for finding in found.findings]})


def _by(title: str, found: Validation, points: Sequence[Point], field: str) -> Table:
    lines = []
    for name, mine in _grouped(points, field).items():
        time, power = found.errors("time", mine), found.errors("power", mine)
        tau = "-" if np.isnan(time.kendall_tau) else f"{time.kendall_tau:.2f}"
        lines.append([name or "-", str(time.n), f"{time.mape:.1%}", f"{time.median_abs_error:.1%}", signed(time.bias),
                      tau, f"{power.mape:.1%}" if power.n else "-"])  # fmt: skip
    columns = ("points", "mean error", "median", "bias", "tau", "power")
    return Table(title=title, columns=(field.replace("_", " "), *columns), rows=lines, right=frozenset(columns))


def _worst(title: str, points: Sequence[Point]) -> Table:
    known = [p for p in points if p.time_s > 0 and np.isfinite(p.predicted_time_s)]
    worst = sorted(known, key=lambda p: -abs(np.log(max(p.predicted_time_s, 1e-300) / p.time_s)))[:_WORST]
    return _points(title, worst)


def all_rows(found: Validation) -> Table:
    """Return every compared run and layer as a table."""
    return _points("Every row", [p for p in (*found.runs, *found.layers) if p.time_s > 0])


def _points(title: str, points: Sequence[Point]) -> Table:
    return Table(
        title=title,
        columns=("row", "workload", "mode", "layer", "measured", "predicted", "error", "bound"),
        rows=[
            [str(p.line), p.workload, p.mode, p.layer or "-", text(p.time_s, "s"), text(p.predicted_time_s, "s"),
             signed(p.predicted_time_s / p.time_s - 1), _or_dash(p.bound_time_s)]
            for p in points
        ],
        right=frozenset({"row", "measured", "predicted", "error", "bound"}),
    )  # fmt: skip


def _or_dash(time_s: float) -> str:
    return text(time_s, "s") if np.isfinite(time_s) else "-"
