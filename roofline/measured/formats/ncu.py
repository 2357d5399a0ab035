"""Nsight Compute's CSV: one kernel launch per row (``--page raw``), or one metric per row (``--page details``).

Grammar (https://docs.nvidia.com/nsight-compute/NsightComputeCli/index.html): messages ``==PROF== ...`` may stand
above; the header starts with ``ID``; on the raw page the row below it holds units (``ns``, ``usecond``, ``Kbyte``,
``inst/cycle``...) and every metric is a column; otherwise ``Metric Name``, ``Metric Unit`` and ``Metric Value`` are.
Numbers have commas between thousands.
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, base_row, distinct, noted, number, timed
from roofline.measured.formats.csv_text import csv_below
from roofline.measured.formats.kernels import Kernel, kernel
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "ncu --csv --page raw, with --set roofline or --metrics gpu__time_duration.sum"
_TIME = "gpu__time_duration.sum"
_PREFIXES = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS = {"s": 1.0, "second": 1.0, "byte": 1.0, "B": 1.0, "hz": 1.0, "Hz": 1.0, "inst": 1.0, "cycle": 1.0, "%": 1.0,
          "": 1.0}  # fmt: skip


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return a row for each kernel of a run, with its FLOP and bytes in the notes.

    With ``--iterations N`` the launches are those of N runs, one after the other, and each row is the median over the
    runs. The sum of the kernels is a row for the whole model only where rows of layers are not wanted.
    """
    launches = [launch for path in paths for launch in read_kernels(path)]
    base = base_row(options, paths, "nsight compute")
    runs = options.iterations or 1
    where = ", ".join(paths)
    if len(launches) % runs:
        raise MeasurementError(
            f"{len(launches)} launches are not {runs} runs of the same kernels",
            where=where,
            expected="--iterations that fits",
        )
    size = len(launches) // runs
    grouped = [launches[at::size] for at in range(size)]
    for group in grouped:
        if len({launch.name for launch in group}) > 1:
            raise MeasurementError(f"the runs differ: {group[0].name} is {group[1].name} in another", where=where,
                                   expected="--iterations that fits")  # fmt: skip
    message = (
        "Nsight Compute empties caches before each kernel and holds the GPU at its base clock, unless told otherwise"
    )
    findings = [Finding("replayed-kernels", where, message, "ncu --cache-control none --clock-control none")]
    rows: list[Measurement] = []
    if options.layers:
        for name, group in zip(distinct(group[0].name for group in grouped), grouped):
            row = timed(base._replace(layer=name), [launch.time_s for launch in group], "gpu_compute")
            rows.append(noted(row, _work(group[0])))
    else:
        times = [sum(launch.time_s for launch in launches[at : at + size]) for at in range(0, len(launches), size)]
        rows.append(noted(timed(base, times, "gpu_compute"), f"sum of {size} kernels"))
    if all(launch.dram_bytes is None for launch in launches):
        message = "bytes of DRAM are missing or 0: integrated GPUs have no counter for them"
        findings.append(Finding("dram-bytes-unknown", where, message, "lts__t_bytes.sum counts the second-level cache"))
    return Imported(tuple(rows), tuple(findings))


def read_kernels(path: str) -> list[Kernel]:
    """Return every launch of a report, in order.

    Raises:
        MeasurementError: it is no such CSV, or has no time of a kernel.
    """
    launches: dict[str, tuple[str, dict[str, float]]] = {}
    units: dict[str, str] = {}
    for line, row in csv_below(read_text(path), path, ("ID", "Kernel Name"), WHAT, messages=("==",)):
        place = f"{path}: row {line}"
        ident = row["ID"].strip()
        if not ident:
            units = {name: unit.strip() for name, unit in row.items()}
            continue
        _, metrics = launches.setdefault(ident, (row["Kernel Name"], {}))
        if "Metric Name" in row:
            cells = [(row["Metric Name"], row.get("Metric Unit", ""), row.get("Metric Value", ""))]
        else:
            cells = [(name, units.get(name, ""), value) for name, value in row.items() if "__" in name]
        for name, unit, value in cells:
            if not value.strip() or value.strip() in ("n/a", "(!) n/a"):
                continue
            name = _TIME if name == "Duration" else name
            scale = _scale(unit.strip(), name, f"{place}, column {name}")
            if scale is not None:
                metrics[name] = number(value.strip(), f"{place}, column {name}") * scale
    if not launches:
        raise MeasurementError("no kernel in it", where=path, expected=WHAT)
    found = []
    for ident, (name, metrics) in launches.items():
        place = f"{path}: launch {ident}, column {_TIME}"
        if _TIME not in metrics:
            raise MeasurementError("the kernel has no time", where=place, expected=WHAT)
        if metrics[_TIME] <= 0:
            raise MeasurementError(f"{metrics[_TIME]:g} s is no time", where=place, expected="a time above 0")
        found.append(kernel(name, metrics))
    return found


def _scale(unit: str, name: str, where: str) -> float | None:
    """Return what a number in `unit` is multiplied by; None for a metric that is not needed here."""
    needed = name == _TIME or name.partition("__")[0] in ("smsp", "sm", "dram", "lts", "l1tex", "derived")
    upper, _, lower = unit.partition("/")
    found = _one_unit(upper), _one_unit(lower)
    if found[0] is None or found[1] is None:
        if name == _TIME:
            raise MeasurementError(f"{unit!r} is no unit of time", where=where, expected="ns, us, ms or s")
        return None
    if name == _TIME and (not unit or lower):
        raise MeasurementError(
            "the unit of the time is missing", where=where, expected="a row of units, or Metric Unit"
        )
    return found[0] / found[1] if needed else None


def _one_unit(unit: str) -> float | None:
    for name in sorted(_UNITS, key=len, reverse=True):
        if unit.endswith(name) and unit[: len(unit) - len(name)] in _PREFIXES:
            return _PREFIXES[unit[: len(unit) - len(name)]] * _UNITS[name] if name or not unit else None
    return None


def _work(launch: Kernel) -> str:
    parts = [f"{name}_flop={value:.10g}" for name, value in launch.flop.items() if value]
    for name, value in (("dram", launch.dram_bytes), ("l2", launch.l2_bytes), ("l1", launch.l1_bytes)):
        if value is not None:
            parts.append(f"{name}_bytes={value:.10g}")
    return " ".join(parts)
