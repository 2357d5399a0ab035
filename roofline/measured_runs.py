"""The public `validate` and `calibrate`: models and measured runs in, as the commands of these names take them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from roofline.analysis import analyze
from roofline.errors import UsageError
from roofline.measured.given import Given, rows_of
from roofline.measured.record import Measurement

if TYPE_CHECKING:
    from roofline.calibration.record import Calibration
    from roofline.devices.spec import DeviceSpec
    from roofline.validation import Validation


def validate(
    models: Any,
    device: str | Path | DeviceSpec | None = None,
    *,
    measured: Given,
    **options: Any,
) -> Validation:
    """Hold what is predicted for models against measured runs: errors, rank correlation, bounds that were beaten.

    >>> import roofline
    >>> run = roofline.measure("resnet50.onnx", device="host.yaml")  # doctest: +SKIP
    >>> roofline.validate("resnet50.onnx", "host.yaml", measured=run, runtime="ort-cpu")  # doctest: +SKIP

    Args:
        models: a model as `roofline.analyze` takes it, several paths, or workload name -> model. A single model takes
            the runs of a table's only workload, whatever that is called.
        device: the device that the runs were on.
        measured: a table of runs (``roofline.measurement/1``), its rows, or what `roofline.measure` returned.
        **options: as for `roofline.analyze`; with a `calibration` its predictions are compared, else rooflines.

    Raises:
        MeasurementError: no run is of any of the models, or one does not fit them.
        The errors of `roofline.analyze`.
    """
    from roofline.validation import validate as compare

    rows, where = rows_of(measured)
    return compare({n: analyze(m, device, **options) for n, m in _by_workload(models, rows).items()}, rows, where)


def calibrate(
    models: Any,
    device: str | Path | DeviceSpec | None = None,
    *,
    measured: Given,
    **options: Any,
) -> Calibration:
    """Fit predictions to measured runs. `roofline.analyze` takes the result as its `calibration`.

    One model: its time and power across power modes, from runs in four of them at least, best five. Five models or
    more, timed layer by layer: factors per class of layers, which hold for other models too.

    Args:
        models, device, measured, **options: as for `validate`, but for a `calibration`.

    Raises:
        MeasurementError: too few runs, or runs that do not go together.
        The errors of `roofline.analyze`.
    """
    from roofline.calibration.across import calibrate_across
    from roofline.calibration.calibrate import calibrate as fit

    if "calibration" in options:
        raise UsageError("a calibration is what is made", where="calibration", expected="no such option")
    rows, where = rows_of(measured)
    of = _by_workload(models, rows)
    analyses = {name: analyze(model, device, calibration="none", **options) for name, model in of.items()}
    if len(analyses) > 1:
        return calibrate_across(analyses, rows, where)[0]
    return fit(next(iter(analyses.values())), [row for row in rows if row.workload in analyses], where)


def _by_workload(models: Any, rows: Iterable[Measurement]) -> dict[str, Any]:
    """Return workload name -> model."""
    if isinstance(models, Mapping):
        return dict(models)
    several = list(models) if isinstance(models, (list, tuple)) else [models]
    there = list(dict.fromkeys(row.workload for row in rows))
    if len(several) == len(there) == 1:
        return {there[0]: several[0]}
    for model in several:
        if not isinstance(model, (str, os.PathLike)):
            raise UsageError("which runs are of this model?", where="models", expected="workload name -> model")
    return {PurePath(os.fspath(model)).stem: model for model in several}
