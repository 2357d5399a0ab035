"""Calibrate across models: factors per class of layers, from runs that were timed layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from roofline.analysis import Analysis
from roofline.calibration.calibrate import key_of, refuse_mixed, task_of
from roofline.calibration.classes import Profile, across_models, layer_class
from roofline.calibration.record import Calibration
from roofline.devices.mode_set import mode_set
from roofline.errors import MeasurementError
from roofline.measured.against import against_device
from roofline.measured.join import join_layers
from roofline.measured.record import Measurement
from roofline.measured.suits import refuse_others
from roofline.task import roofline_parts

LEAST_MODELS = 5
"""Fewer workloads do not determine efficiencies of classes."""


def calibrate_across(
    analyses: Mapping[str, Analysis], rows: Iterable[Measurement], where: str = "measurements"
) -> tuple[Calibration, Mapping[str, float]]:
    """Fit factors per class of layers to several models' layers; the result holds for any model.

    Args:
        analyses: workload name -> the model on its device, with the runtime and precision that the runs had.
        rows: whole runs and their layers, one run per model.
        where: what to call the rows in errors.

    Returns:
        The calibration; and workload -> time in s that a fit to all the other models predicts for it.

    Raises:
        MeasurementError: fewer than five models, or one without a whole run or without layers.
    """
    rows = list(rows)
    refuse_mixed([row._replace(batch_size=None) for row in rows if row.workload in analyses and not row.layer], where)
    profiles = [profile_of(name, analysis, rows, where) for name, analysis in analyses.items()]
    if len(profiles) < LEAST_MODELS:
        raise MeasurementError(
            f"{len(profiles)} models", where=where, expected=f"{LEAST_MODELS} at least for factors that hold for others"
        )
    fit, left_out = across_models(profiles)
    mine = [row for row in rows if row.workload in analyses]
    one = next(iter(analyses.values()))
    key = key_of(one, mine)
    runtime = one.runtime or "any"
    made = Calibration(
        name=f"{key.device}.{runtime}.{one.precision}", key=key._replace(power_boundary=""), workload="", work=None,
        time=fit, power=None,
        runs=tuple(analyses), sources=tuple(dict.fromkeys(row.source for row in rows if row.source)), note="",
    )  # fmt: skip
    return made, left_out


def profile_of(name: str, analysis: Analysis, rows: Iterable[Measurement], where: str) -> Profile:
    """Return one model's measured layers beside its roofline.

    Raises:
        MeasurementError: there is no whole run, or none of its layers.
    """
    mine = [row for row in rows if row.workload == name]
    refuse_others(mine, analysis, where)
    whole = [row for row in mine if not row.layer and row.time_s is not None]
    layers = [row for row in mine if row.layer]
    if not whole or not layers:
        what = "no whole run" if not whole else "no layers"
        raise MeasurementError(f"{what} of {name}", where=where, expected="both: roofline measure writes them")
    task = task_of(analysis)
    placed, _ = against_device(whole[:1], task.device, where)
    modes = [placed[0].mode or task.device.modes[0]]
    compute, memory = roofline_parts(task, mode_set(task.device, modes))
    counted = [i for i, layer in enumerate(analysis.layer_counts) if layer.status == "counted"]
    place = {layer: i for i, layer in enumerate(counted)}
    joined = join_layers(layers, analysis, where)
    blocks = [
        (tuple(place[i] for i in block.layers if i in place), block.time_s)
        for block in joined.blocks
        if block.time_s > 0
    ]
    return Profile(
        workload=name,
        classes=tuple(layer_class(analysis.layer_counts[i]) for i in counted),
        compute_s=compute[0, counted],
        memory_s=memory[0, counted],
        blocks=tuple(block for block in blocks if block[0]),
        time_s=float(np.median([row.time_s for row in whole if row.time_s is not None])),
    )
