"""One measured run, or one layer of it, and the columns of the table that holds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from roofline.devices.reader import PRECISIONS

SCHEMA = "roofline.measurement/1"
CLOCK_STATES = ("locked", "stock")
BOUNDARIES = ("module", "dc_in", "ac", "gpu_rail", "board", "package")
TIME_KINDS = ("gpu_compute", "host", "request")
PHASES = ("inference", "training")


class Measurement(NamedTuple):
    """One row: a run of a whole model, or of one of its layers. SI units; None or an empty text is unknown."""

    workload: str
    """The model that ran."""
    source: str = ""
    """Where the figures come from."""
    device: str = ""
    power_mode: str = ""
    cpu_cores: int | None = None
    cpu_freq_hz: float | None = None
    gpu_freq_hz: float | None = None
    mem_freq_hz: float | None = None
    """Clock of the memory (column ``emc_freq_hz``)."""
    runtime: str = ""
    precision: str = ""
    phase: str = ""
    batch_size: int | None = None
    input_shape: str = ""
    """Shape of the model's input; of a layer, its first input, where the tool says it."""
    time_s: float | None = None
    """Time of one batch; the median where several runs were timed one by one."""
    power_w: float | None = None
    energy_j: float | None = None
    """Energy of one batch."""
    notes: str = ""
    layer: str = ""
    """The layer as the tool names it; empty for the whole model."""
    op_type: str = ""
    nodes: tuple[str, ...] = ()
    """The model's nodes that ran in this layer, where the tool says so."""
    sm_count: int | None = None
    l4t: str = ""
    runtime_version: str = ""
    clocks: str = ""
    """``locked`` or ``stock``."""
    power_boundary: str = ""
    """What the power is of: one of `BOUNDARIES`."""
    time_kind: str = ""
    """What the time is of: the GPU's work alone, the host's wait for it, or a request through a server."""
    n: int | None = None
    """How many runs the figures summarise."""
    time_p50_s: float | None = None
    time_p99_s: float | None = None
    line: int = 0
    """Line of the file it was read from; 0 for a row that comes from no table."""


class Column(NamedTuple):
    """One column of the table."""

    name: str
    field: str
    kind: Literal["text", "count", "number", "names"]
    unit: str = ""
    """Unit of the column's numbers, and the dimension that `roofline.units` knows it by."""
    dimension: str = ""
    exponent: int = 0
    """The number in the file times ten to this is in SI units."""
    choices: tuple[str, ...] = ()

    @property
    def always(self) -> bool:
        """Whether the column is written even where it is empty: the columns of tables from before the optional ones."""
        return COLUMNS.index(self) < COLUMNS.index(BY_NAME["layer"])


def _text(name: str, choices: tuple[str, ...] = ()) -> Column:
    return Column(name, name, "text", choices=choices)


COLUMNS: tuple[Column, ...] = (
    _text("source"),
    _text("device"),
    _text("power_mode"),
    Column("cpu_cores", "cpu_cores", "count"),
    Column("cpu_freq_khz", "cpu_freq_hz", "number", "kHz", "frequency", 3),
    Column("gpu_freq_hz", "gpu_freq_hz", "number", "Hz", "frequency"),
    Column("emc_freq_hz", "mem_freq_hz", "number", "Hz", "frequency"),
    _text("runtime"),
    _text("precision", PRECISIONS),
    _text("workload"),
    _text("phase", PHASES),
    Column("batch_size", "batch_size", "count"),
    _text("input_shape"),
    Column("latency_ms", "time_s", "number", "ms", "time", -3),
    Column("power_w", "power_w", "number", "W", "power"),
    Column("energy_j", "energy_j", "number", "J", "energy"),
    _text("notes"),
    _text("layer"),
    _text("op_type"),
    Column("nodes", "nodes", "names"),
    Column("sm_count", "sm_count", "count"),
    _text("l4t"),
    _text("runtime_version"),
    _text("clocks", CLOCK_STATES),
    _text("power_boundary", BOUNDARIES),
    _text("time_kind", TIME_KINDS),
    Column("n", "n", "count"),
    Column("latency_p50_ms", "time_p50_s", "number", "ms", "time", -3),
    Column("latency_p99_ms", "time_p99_s", "number", "ms", "time", -3),
)
"""The table's columns in the order in which they are written, after ``schema``."""

BY_NAME = {column.name: column for column in COLUMNS}
MEASURED = ("latency_ms", "power_w", "energy_j")
"""What a row must have at least one of."""

_OF_A_LAYER = frozenset({"layer", "op_type", "nodes", "input_shape", "time_s", "power_w", "energy_j", "notes", "n",
                         "time_p50_s", "time_p99_s", "line", "time_kind"})  # fmt: skip


def run_key(row: Measurement) -> tuple[object, ...]:
    """Return what tells the runs of a table apart: model, device, mode, clocks, batch and so on, not the layer."""
    return tuple(value for field, value in zip(row._fields, row) if field not in _OF_A_LAYER)


def by_run(rows: Iterable[Measurement]) -> dict[tuple[object, ...], list[Measurement]]:
    """Return the rows of each run, in the table's order: the whole model and its layers together."""
    found: dict[tuple[object, ...], list[Measurement]] = {}
    for row in rows:
        found.setdefault(run_key(row), []).append(row)
    return found
