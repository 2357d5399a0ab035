"""The measured series that reports and shipped calibrations are made from: each a model on a device across modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import roofline
from roofline.devices.mode_set import ModeSet, mode_set
from roofline.devices.modes import find_mode
from roofline.devices.spec import PowerMode
from roofline.measured.against import against_device
from roofline.measured.record import Measurement
from roofline.measured.table import read_table
from roofline.strict_yaml import load_file
from roofline.task import Task

HERE = Path(__file__).parent
Array = NDArray[np.float64]


class Series(NamedTuple):
    """One workload on one device, measured in several modes. Arrays have shape (points,), NaN where not measured."""

    name: str
    analysis: roofline.Analysis
    task: Task
    modes: tuple[PowerMode, ...]
    rows: tuple[Measurement, ...]
    time_s: Array
    energy_j: Array
    power_w: Array
    boundary: str
    time_kind: str

    @property
    def mode_set(self) -> ModeSet:
        """The modes as arrays."""
        return mode_set(self.task.device, self.modes)


def series(only: str = "") -> Iterator[Series]:
    """Yield every series of series.yaml whose name contains `only`."""
    for entry in load_file(HERE / "series.yaml")["sets"]:
        device = roofline.load_device(entry["device"])
        table = read_table(HERE / entry["set"] / "measurements.csv")
        for workload, model in entry["models"].items():
            name = f"{entry['set']}/{entry['device']}/{workload}"
            if only not in name:
                continue
            rows = [row for row in table.rows if row.device == entry["rows"] and row.workload == workload]
            sources = list(dict.fromkeys((row.time_kind, row.source) for row in rows))
            for kind, source in sources:
                found = [row for row in rows if (row.time_kind, row.source) == (kind, source)]
                release = source.rpartition("_")[2] if len({s for _, s in sources}) > 1 else ""
                if len(found) > 1:
                    yield _series("/".join(filter(None, (name, kind, release))), entry, model, device, found)


def _series(name: str, entry: dict[str, Any], model: dict[str, Any], device: Any, rows: list[Measurement]) -> Series:
    base = entry.get("mode")
    named = [row if row.power_mode or not base else row._replace(power_mode=base) for row in rows]
    rows = [_settable(row, device) for row in named]
    placed, _ = against_device(rows, device, name)
    modes = tuple(p.mode or find_mode(device, None) for p in placed)
    analysis = roofline.analyze(
        HERE / model["path"], device, bindings=model.get("bind"), precision=model["precision"],
        runtime=entry["runtime"],
    )  # fmt: skip
    assert analysis.evaluation is not None  # with coefficients for locked clocks, the only ones there are
    time, power = (np.array([np.nan if v is None else v for v in values]) for values in zip(
        *((row.time_s, row.power_w) for row in rows), strict=True))  # fmt: skip
    return Series(
        name=name, analysis=analysis, task=analysis.evaluation.task, modes=modes, rows=tuple(rows), time_s=time,
        energy_j=time * power, power_w=power, boundary=next((r.power_boundary for r in rows if r.power_boundary), ""),
        time_kind=rows[0].time_kind,
    )  # fmt: skip


def _settable(row: Measurement, device: Any) -> Measurement:
    """Leave out clocks of knobs that the device's file does not list (steps of another release)."""
    changes: dict[str, Any] = {}
    for field, knob in (("cpu_freq_hz", "cpu_freq"), ("mem_freq_hz", "mem_freq"), ("cpu_cores", "cpu_cores")):
        value = getattr(row, field)
        if value is not None and (knob not in device.knobs or value not in device.knobs[knob].values):
            changes[field] = None
    return row._replace(**changes) if changes else row
