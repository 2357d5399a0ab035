"""Models on a host's CPU, each predicted from the layers of all the others: a section of the report of `rebuild.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import roofline
from roofline.calibration.across import calibrate_across
from roofline.measured.table import read_table
from roofline.strict_yaml import load_file
from roofline.validation import TOLERANCE

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "tests" / "data" / "models"


def section() -> Iterator[str]:
    """Yield the report."""
    for entry in load_file(HERE / "series.yaml")["layered"]:
        folder = HERE / entry["set"]
        rows = read_table(folder / "measurements.csv").rows
        whole = {row.workload: row for row in rows if not row.layer}
        analyses = {
            name: roofline.analyze(
                MODELS / f"{name}.onnx", HERE / entry["device"], bindings=bindings, runtime=entry["runtime"],
                processor="cpu", calibration="none",
            )
            for name, bindings in entry["models"].items()
        }  # fmt: skip
        made, left_out = calibrate_across(analyses, rows, entry["set"])
        first = next(iter(whole.values()))
        yield ""
        yield "## A host's CPU, models that were not seen"
        yield ""
        yield f"{first.device}, {first.cpu_cores} threads, {first.runtime} {first.runtime_version}, float32, by"
        yield "`roofline measure` and `roofline devices measure`: factors per class of layers. Each model is predicted"
        yield "from the layers of all the others. `python tests/reports/host_cpu.py` does so on the machine at hand."
        yield ""
        yield "| model | bound | roofline | measured | predicted | error |"
        yield "|---|---:|---:|---:|---:|---:|"
        off, beaten = {}, []
        for name, analysis in analyses.items():
            measured = whole[name].time_s or 0.0
            totals = analysis.totals
            off[name] = left_out[name] / measured - 1
            if measured < totals["bound_time_s"] * (1 - TOLERANCE):
                beaten.append(name)
            times = (totals["bound_time_s"], totals["roofline_time_s"], measured, left_out[name])
            yield f"| {name} | " + " | ".join(f"{t * 1e3:.2f} ms" for t in times) + f" | {off[name]:+.0%} |"
        size = np.abs(list(off.values()))
        band = made.time.band
        inside = np.mean([band.low <= 1 / (1 + error) <= band.high for error in off.values()])
        yield ""
        yield f"Mean error {size.mean():.1%}, median {np.median(size):.1%}, largest {size.max():.0%}; inside the 80 %"
        yield f"band of {band.low:.2f} to {band.high:.2f}: {inside:.0%}. Bound beaten by more than {TOLERANCE:.0%}: "
        yield f"{', '.join(beaten) or 'never'}."
