"""What a calibration is: coefficients with their standing, the runs they come from, and where they apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

COUNTING_VERSION = 1
"""Changes when a rule, a fusion pattern or a byte count changes so that old factors no longer fit."""

Standing = Literal["fitted", "prior", "not determined"]
ANY_CLASS = "all"
"""The class of layers whose factors stand for every class that has none of its own."""


class Coefficient(NamedTuple):
    """One number of a calibration."""

    value: float
    standing: Standing
    """``fitted`` to the runs; ``prior``: never fitted here; ``not determined``: the runs tell little, so what the prior
    makes of them."""


class Work(NamedTuple):
    """What identifies a counted workload, whatever its file is called."""

    macs: int
    flops: int
    nodes: int
    batch: int | None


class Key(NamedTuple):
    """Where a calibration applies. Empty text matches nothing but itself."""

    device: str
    variant: str
    processor: str
    runtime: str
    runtime_version: str
    precision: str
    phase: str
    traffic: str
    clocks: str
    time_kind: str
    power_boundary: str
    counting: int


class ClassFactors(NamedTuple):
    """How layers of one class differ from their roofline."""

    compute: Coefficient
    """1 / compute efficiency."""
    memory: Coefficient
    """1 / memory efficiency."""
    kernel_s: Coefficient


class Band(NamedTuple):
    """Measured over predicted: the middle 80 % of runs that were not fitted lie between the two."""

    low: float
    high: float


class TimeFit(NamedTuple):
    """Predicted time."""

    knee: Coefficient
    host_s: Coefficient
    classes: Mapping[str, ClassFactors]
    band: Band
    error: float
    """Mean absolute relative error of points left out of the fit."""


class PowerFit(NamedTuple):
    """Predicted power; coefficients in the order of `model.predicted.POWER_TERMS`."""

    terms: tuple[Coefficient, ...]
    speed_reference: float
    """Units times clock (Hz) at which the clock's terms hold."""
    band: Band
    error: float


class Calibration(NamedTuple):
    """Factors for one device, runtime and precision; for one workload, or for any."""

    name: str
    key: Key
    workload: str
    """Name of the one workload that it is for; empty: any."""
    work: Work | None
    """What that workload is."""
    time: TimeFit
    power: PowerFit | None
    runs: tuple[str, ...]
    """The modes or workloads that it was fitted to."""
    sources: tuple[str, ...]
    note: str
    path: str = ""
