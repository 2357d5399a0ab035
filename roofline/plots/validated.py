"""What a validation compared, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roofline.errors import UsageError
from roofline.figures.figure import Figure
from roofline.figures.measured import ENERGY, POWER, TIME, Pair, measured_against
from roofline.validation import values_of

if TYPE_CHECKING:
    from roofline.validation import Point, Validation

_QUANTITIES = {quantity.name: quantity for quantity in (TIME, POWER, ENERGY)}


def of_validation(found: Validation, quantity: str = "time") -> Figure:
    """Return measured over predicted values of the whole runs; of layers, where there are no runs.

    Raises:
        UsageError: no such quantity, or it was not compared.
    """
    if quantity not in _QUANTITIES:
        raise UsageError(f"no picture of {quantity!r}", where="--value", expected=", ".join(_QUANTITIES))
    points, what = (found.runs, "runs") if found.runs else (found.layers, "layers")
    pairs = [
        Pair(predicted, measured, _label(point), point.workload if what == "runs" else point.op_class)
        for point in points
        for measured, predicted in [values_of(point, quantity)]
        if measured > 0 and predicted > 0
    ]
    if not pairs:
        raise UsageError(
            f"no {quantity} was both measured and predicted", where="--value",
            expected="time" if quantity != "time" else "runs with times",
        )  # fmt: skip
    workloads = list(dict.fromkeys(point.workload for point in points))
    if len(workloads) == 1 and what == "runs":
        pairs = [pair._replace(group="") for pair in pairs]
    subject = ", ".join(workloads[:3]) + (f" and {len(workloads) - 3} more" if len(workloads) > 3 else "")
    return measured_against(
        pairs, found.bands.get(quantity) if what == "runs" else None, found.basis,
        quantity=_QUANTITIES[quantity], what=what, title=f"Measured against predicted {quantity}: {subject}",
        subtitle=f"calibration {found.calibration}" if found.calibration else "ROOFLINE ONLY, not calibrated",
    )  # fmt: skip


def _label(point: Point) -> str:
    base, _, knobs = point.mode.partition(",")
    return point.layer or knobs.replace("_freq=", " ").replace(",", ", ") or base
