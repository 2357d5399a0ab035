"""Files of other tools, read into measured rows: one module for each tool, all with ``read(paths, options)``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from roofline.measured.formats.common import Imported, Options
from roofline.measured.record import Measurement

FORMATS = {
    "trtexec": "TensorRT's trtexec: --exportTimes, --exportProfile, --exportLayerInfo",
    "ort": "ONNX Runtime: the profile of a session",
    "ncu": "Nsight Compute: ncu --page raw --csv",
    "nsys": "Nsight Systems: nsys stats --report cuda_gpu_kern_sum --format csv",
    "tegrastats": "tegrastats: its log",
    "jtop": "jetson-stats: the CSV of its logger",
    "zeus": "Zeus: the log file of a ZeusMonitor, or measurements as JSON",
    "mlperf": "MLPerf inference: mlperf_log_summary.txt",
    "csv": "any CSV, columns named with --map",
}
"""Name -> what is read."""


def import_files(form: str, paths: Sequence[str | Path], options: Options) -> Imported:
    """Read files of one tool.

    Args:
        form: a key of `FORMATS`.
        paths: the files of one run; which of them holds what is seen from their content.
        options: what the files do not say.

    Raises:
        MeasurementError: a file is not of that form, or does not hold what is needed.
    """
    module = import_module(f"roofline.measured.formats.{'plain_csv' if form == 'csv' else form}")
    found: Imported = module.read([str(path) for path in paths], options)
    return found._replace(rows=tuple(_rounded(row) for row in found.rows))


def _rounded(row: Measurement) -> Measurement:
    """Return a row with 12 significant digits: more than any clock or meter has, and none of the arithmetic's dust."""
    values = (float(f"{value:.12g}") if isinstance(value, float) else value for value in row)
    return Measurement(*values)  # type: ignore[arg-type]  # each field as it was
