"""Models on a host's CPU, each predicted from the layers of all the others: a section of the report of `rebuild.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

import roofline
from roofline.calibration.across import calibrate_across, profile_of
from roofline.calibration.classes import across_models
from roofline.counting import LayerCount
from roofline.measured.record import Measurement
from roofline.measured.table import read_table
from roofline.strict_yaml import load_file
from roofline.validation import TOLERANCE

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "tests" / "data" / "models"


SMALL_BYTES = 1e6
"""What the two cores' own caches hold."""


def _tried(
    analyses: Mapping[str, roofline.Analysis], rows: Sequence[Measurement], where: str
) -> Iterator[tuple[str, list[float]]]:
    """Yield other classes of layers, and how far off each model then is."""
    profiles = [profile_of(name, analysis, rows, where) for name, analysis in analyses.items()]
    layers = [[one for one in a.layer_counts if one.status == "counted"] for a in analyses.values()]

    def plain(name: str, _: LayerCount) -> str:
        return name.replace("batch normalization", "normalization")

    def small(name: str, layer: LayerCount) -> str:
        moved = layer.cost.bytes_read + layer.cost.bytes_written
        return f"{name}, small" if moved < SMALL_BYTES else name

    for words, rename in (
        ("batch normalization with the other normalizations", plain),
        (f"layers that move less than {SMALL_BYTES / 1e6:g} MB in classes of their own", small),
        ("one class for everything", lambda _name, _layer: "all"),
    ):
        changed = [
            profile._replace(classes=tuple(rename(n, one) for n, one in zip(profile.classes, mine, strict=True)))
            for profile, mine in zip(profiles, layers, strict=True)
        ]
        _, left_out = across_models(changed)
        yield words, [abs(left_out[profile.workload] / profile.time_s - 1) for profile in changed]


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
        yield ""
        yield (
            "Tried: "
            + "; ".join(
                f"{words}: mean {np.mean(errors):.1%}, median {np.median(errors):.1%}"
                for words, errors in _tried(analyses, rows, entry["set"])
            )
            + "."
        )
