"""Measure this machine, then real models on it, and put the prediction beside the measurement.

    python tests/reports/host_cpu.py [--device FILE.yaml] [--threads N] [--models a,b] [--rows FILE.csv]

Prints, per model, the roofline on the measured device file (fused traffic, ort-cpu, cpu), the measured time and their
ratio; and every run that beats its bound by more than 3 %: then a ceiling is measured too low, or the bound is wrong.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import model_path, true_bindings

import roofline
from roofline.bench.ceilings import measure_ceilings
from roofline.bench.device_file import device_text
from roofline.bench.measure import measure
from roofline.bench.result import MeasuredRun
from roofline.calibration.across import LEAST_MODELS, calibrate_across
from roofline.measured.record import Measurement
from roofline.measured.table import table_text

MODELS = (
    "resnet50", "mobilenet_v2", "bert_base", "gpt2", "vit_b_16", "shufflenet_v2_x1_0", "efficientnet_b0",
    "densenet121", "segformer_b0", "unet", "lstm_lm", "resnet18_qdq_int8", "resnet18", "vgg16", "inception_v3",
    "mobilenet_v3_large", "whisper_tiny_enc", "bert_base_ort_extended",
)  # fmt: skip
NOT_FLOAT = ("resnet18_qdq_int8", "bert_base_ort_extended")
"""Quantised, and a second form of bert_base: left out where models predict each other."""
TOLERANCE, QUIET = 0.03, 0.97
COLUMNS = (
    ("bound ms", 10),
    ("roofline", 10),
    ("measured", 10),
    ("shortest", 10),
    ("meas/roof", 10),
    ("bound/shortest", 16),
    ("CPU", 6),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", type=Path, help="a measured device file; default: measure this machine now")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--min-time", type=float, default=2.0)
    parser.add_argument("--tries", type=int, default=4, help="measure again while other programs are in the way")
    parser.add_argument("--rows", type=Path, help="write every row, nodes included, as roofline.measurement/1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        device = options.device
        if device is None:
            device = Path(folder) / "host.yaml"
            found = measure_ceilings(threads=options.threads)
            device.write_text(device_text(found, "host"))
            print(
                f"{found.machine.name}, {found.threads} threads, {found.runtime}: "
                + ", ".join(
                    f"{p} {r.flop_per_s / 1e9:.1f} GFLOP/s" for p in ("fp32", "int8") if (r := found.fastest(p))
                )
                + f", {found.bandwidth.byte_per_s / 1e9:.1f} GB/s\n"
            )
        compare(device, options)


def quietest(name: str, bindings: dict[str, int], options: argparse.Namespace) -> MeasuredRun:
    """Measure until nothing else was in the way, a few times at most; keep the run that had the CPUs to itself."""
    found: list[MeasuredRun] = []
    while len(found) < options.tries and not any(run.cpu_share >= QUIET for run in found):
        found.append(
            measure(
                model_path(name), bindings=bindings, threads=options.threads, min_time_s=options.min_time,
                per_node=options.rows is not None,
            )
        )  # fmt: skip
    return max(found, key=lambda run: run.cpu_share)


def compare(device: Path, options: argparse.Namespace) -> None:
    print(f"{'model':24}" + "".join(f"{name:>{width}}" for name, width in COLUMNS))
    rows, errors, beaten = [], [], []
    for name in options.models.split(","):
        bindings = true_bindings(name)
        totals = roofline.analyze(
            model_path(name), device, bindings=bindings, traffic="fused", runtime="ort-cpu", processor="cpu"
        ).totals
        run = quietest(name, bindings, options)
        rows += run.rows()
        bound, predicted, taken = totals["bound_time_s"], totals["roofline_time_s"], run.timing.median_s
        errors.append(abs(predicted / taken - 1))
        if run.timing.shortest_s < bound * (1 - TOLERANCE):
            beaten.append(name)
        print(
            f"{name:24}{bound * 1e3:10.2f}{predicted * 1e3:10.2f}{taken * 1e3:10.2f}{run.timing.shortest_s * 1e3:10.2f}"
            f"{taken / predicted:10.2f}{bound / run.timing.shortest_s:16.2f}{run.cpu_share:6.0%}"
        )
    print(f"\nmedian |roofline / measured - 1|: {statistics.median(errors):.1%}, largest {max(errors):.1%}")
    print(f"bound beaten by more than {TOLERANCE:.0%}: {', '.join(beaten) or 'never'}")
    leave_one_out(device, rows)
    if options.rows:
        options.rows.write_text(table_text(rows))


def leave_one_out(device: Path, rows: list[Measurement]) -> None:
    """Predict each float32 model from factors per class of layers that all the others' layers determine."""
    names = [row.workload for row in rows if not row.layer and row.workload not in NOT_FLOAT]
    if len(names) < LEAST_MODELS:
        return
    analyses = {
        name: roofline.analyze(
            model_path(name),
            device,
            bindings=true_bindings(name),
            runtime="ort-cpu",
            processor="cpu",
            calibration="none",
        )
        for name in names
    }
    _, predicted = calibrate_across(analyses, rows, "this run")
    whole = {row.workload: row.time_s or 0.0 for row in rows if not row.layer}
    off = {name: predicted[name] / whole[name] - 1 for name in names}
    print("\neach model, predicted from the layers of all the others")
    for name, error in off.items():
        print(f"{name:24}{whole[name] * 1e3:10.2f} ms measured{predicted[name] * 1e3:10.2f} ms predicted{error:+9.1%}")
    size = [abs(error) for error in off.values()]
    print(f"mean error {statistics.mean(size):.1%}, median {statistics.median(size):.1%}, largest {max(size):.1%}")


if __name__ == "__main__":
    main()
