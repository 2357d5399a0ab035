"""Time and energy rooflines of ONNX models on edge devices.

>>> import roofline
>>> analysis = roofline.analyze("resnet50.onnx", "orin-agx")  # doctest: +SKIP

Importing the package is cheap: each public name loads what it needs on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roofline.errors import (
    BindingError,
    DeviceError,
    GateError,
    ModelFileError,
    RooflineError,
    ShapeError,
    SpecError,
    UnitError,
    UsageError,
)
from roofline.findings import Finding

if TYPE_CHECKING:
    from roofline.analysis import Analysis, analyze
    from roofline.bench.device import measure_device
    from roofline.bench.measure import measure
    from roofline.bench.result import MeasuredRun
    from roofline.calibration.record import Calibration
    from roofline.comparison import Comparison, compare
    from roofline.devices.load import load_device
    from roofline.devices.spec import DeviceSpec
    from roofline.expressions import Symbolic, symbolic
    from roofline.figures.figure import Figure
    from roofline.graph.nodes import Node
    from roofline.measured_runs import calibrate, validate
    from roofline.ops.table import Cost, cost_of
    from roofline.own_ops import operator
    from roofline.plots.plot import plot
    from roofline.selection.answer import Selection
    from roofline.selection.select import select
    from roofline.sweeping.sweep import sweep
    from roofline.validation import Validation

__version__ = "0.1.0"

_LAZY = {
    "Analysis": "roofline.analysis",
    "Calibration": "roofline.calibration.record",
    "MeasuredRun": "roofline.bench.result",
    "Validation": "roofline.validation",
    "calibrate": "roofline.measured_runs",
    "measure": "roofline.bench.measure",
    "measure_device": "roofline.bench.device",
    "validate": "roofline.measured_runs",
    "Comparison": "roofline.comparison",
    "Symbolic": "roofline.expressions",
    "analyze": "roofline.analysis",
    "compare": "roofline.comparison",
    "Cost": "roofline.ops.table",
    "Node": "roofline.graph.nodes",
    "cost_of": "roofline.ops.table",
    "Figure": "roofline.figures.figure",
    "load_device": "roofline.devices.load",
    "operator": "roofline.own_ops",
    "DeviceSpec": "roofline.devices.spec",
    "plot": "roofline.plots.plot",
    "symbolic": "roofline.expressions",
    "Selection": "roofline.selection.answer",
    "select": "roofline.selection.select",
    "sweep": "roofline.sweeping.sweep",
}

__all__ = [
    "Analysis",
    "BindingError",
    "Calibration",
    "Comparison",
    "Cost",
    "DeviceError",
    "DeviceSpec",
    "Figure",
    "Finding",
    "GateError",
    "MeasuredRun",
    "ModelFileError",
    "Node",
    "RooflineError",
    "Selection",
    "ShapeError",
    "SpecError",
    "Symbolic",
    "UnitError",
    "UsageError",
    "Validation",
    "analyze",
    "calibrate",
    "compare",
    "cost_of",
    "load_device",
    "measure",
    "measure_device",
    "operator",
    "plot",
    "select",
    "sweep",
    "symbolic",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
