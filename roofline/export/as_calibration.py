"""A calibration, and which modes to measure for one, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from roofline.analysis import Analysis
from roofline.calibration.record import Calibration
from roofline.devices.modes import show_knob
from roofline.devices.spec import PowerMode
from roofline.export.tables import Table
from roofline.model.predicted import POWER_TERMS
from roofline.units import signed, significant, text


def blocks(
    found: Calibration, path: str, left_out: Mapping[str, tuple[float, float]] = MappingProxyType({})
) -> Iterator[str | Table]:
    """Yield what was fitted, and how far runs that were left out are off.

    Args:
        found: the calibration.
        path: where it was written.
        left_out: workload -> (measured, predicted by a fit to all the others), in s.
    """
    band = found.time.band
    yield (
        f"{found.name}: {len(found.runs)} runs; a run left out of the fit is off by {found.time.error:.1%}, and in "
        f"8 of 10 cases takes {band.low:.3f} to {band.high:.3f} times what is predicted"
    )
    rows = [["knee", significant(found.time.knee.value), "", found.time.knee.standing]]
    rows.append(["host time of a run", text(found.time.host_s.value, "s"), "", found.time.host_s.standing])
    for name, factors in found.time.classes.items():
        of = "" if name == "all" else f", {name}"
        for what, value in (("compute", factors.compute), ("memory", factors.memory)):
            times = f"{significant(value.value)} x slower than its ceiling"
            rows.append([f"{what} efficiency{of}", f"{1 / value.value:.1%}", times, value.standing])
        if factors.kernel_s.value:
            rows.append([f"time per kernel{of}", text(factors.kernel_s.value, "s"), "", factors.kernel_s.standing])
    if found.power is not None:
        for name, term in zip(POWER_TERMS, found.power.terms, strict=True):
            unit = "J/B" if name == "traffic" else "W"
            rows.append([f"power: {name}", text(term.value, unit), "", term.standing])
        yield f"power: a run left out is off by {found.power.error:.1%}"
    yield Table(title="Coefficients", columns=("what", "value", "", "standing"), rows=rows, right=frozenset({"value"}))
    if left_out:
        yield Table(
            title="Each model, predicted from all the others",
            columns=("model", "measured", "predicted", "error"),
            rows=[
                [name, text(time, "s"), text(predicted, "s"), signed(predicted / time - 1)]
                for name, (time, predicted) in left_out.items()
            ],
            right=frozenset({"measured", "predicted", "error"}),
        )
    yield f"use it: --calibration {path}"


def suggestion(analysis: Analysis, modes: Sequence[PowerMode], asked: int) -> Iterator[str | Table]:
    """Yield the modes that are most worth measuring, in the order of their worth."""
    assert analysis.device is not None
    yield (
        f"Measure {len(modes)} modes of {analysis.device.name}: they spread over the compute and memory times of "
        "this model, and no measured time decided which."
        + (f" No more than these can be told apart; {asked} were asked for." if len(modes) < asked else "")
    )
    yield Table(
        title="Modes to measure",
        columns=("", "mode", "settings"),
        rows=[
            [str(i), mode.name, ", ".join(f"{k}={show_knob(k, v)}" for k, v in mode.knobs.items())]
            for i, mode in enumerate(modes, 1)
        ],
        widest=110,
    )
    yield "a shell script that measures them: --emit script"
