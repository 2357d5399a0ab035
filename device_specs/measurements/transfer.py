"""How far measured runs carry over to what was not measured: other models, other batch sizes, other power modes.

Sections of the report that `rebuild.py` writes; every figure is of a point that its fit did not see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from evidence import Series, series
from fit_orin_agx import PUBLISHED
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import kendalltau

import roofline
from roofline.calibration.across import profile_of
from roofline.calibration.classes import Profile, fit_classes, layer_times
from roofline.calibration.record import TimeFit
from roofline.measured.record import by_run
from roofline.measured.table import read_table
from roofline.task import roofline_parts

HERE = Path(__file__).parent
LAYERS = HERE / "orin-power-modes-layers"
sys.path.insert(0, str(LAYERS))
from eager import MODELS, NORMALISED, with_normalisations  # noqa: E402

MODES = ("15W", "30W", "50W", "MAXN")
Array = NDArray[np.float64]


class Run(NamedTuple):
    """One model, batch size and power mode, timed layer by layer."""

    mode: str
    batch: int
    profile: Profile


@cache
def layer_runs(precision: str) -> tuple[Run, ...]:
    """Return the layer-by-layer runs of one precision; graphs are those that eager PyTorch ran."""
    rows = read_table(LAYERS / "measurements.csv").rows
    analyses: dict[tuple[str, int], roofline.Analysis] = {}
    found = []
    for run in by_run(row for row in rows if row.precision == precision).values():
        first = run[0]
        batch = first.batch_size or 1
        key = first.workload, batch
        if key not in analyses:
            names = {name for row in run for name in row.nodes if name.endswith(NORMALISED)}
            analyses[key] = roofline.analyze(
                with_normalisations(MODELS / f"{first.workload}.onnx", names), "orin-agx", bindings={"batch": batch},
                precision=precision, runtime="torch", traffic="unfused", calibration="none",
            )  # fmt: skip
        whole = first._replace(layer="", time_s=sum(row.time_s or 0.0 for row in run))
        found.append(Run(first.power_mode, batch, profile_of(first.workload, analyses[key], [whole, *run], "layers")))
    return tuple(found)


def held_out_layers(
    precision: str, sees: Callable[[Run, Run], bool]
) -> tuple[dict[tuple[int, str], list[Array]], Array]:
    """Return |predicted/measured - 1| of layers by batch and mode, one array per model; and errors of the sums.

    Args:
        sees: whether the fit for one run (first) may see another (second).
    """
    runs = layer_runs(precision)
    errors: dict[tuple[int, str], list[Array]] = {}
    sums = []
    for run in runs:
        fit = _fit(precision, tuple(i for i, other in enumerate(runs) if sees(run, other)))
        times = layer_times(fit, run.profile)
        predicted = np.array([times[list(layers)].sum() for layers, _ in run.profile.blocks])
        measured = np.array([time for _, time in run.profile.blocks])
        errors.setdefault((run.batch, run.mode), []).append(np.abs(predicted / measured - 1))
        sums.append(predicted.sum() / measured.sum() - 1)
    return errors, np.array(sums)


@cache
def _fit(precision: str, seen: tuple[int, ...]) -> TimeFit:
    runs = layer_runs(precision)
    return fit_classes([runs[i].profile for i in seen])


SCHEMES: tuple[tuple[str, Callable[[Run, Run], bool]], ...] = (
    (
        "same mode, from the layers of the other four models",
        lambda one, other: other.mode == one.mode and other.profile.workload != one.profile.workload,
    ),
    (
        "another mode, from the same model's layers in the other three modes",
        lambda one, other: (
            other.mode != one.mode and other.profile.workload == one.profile.workload and other.batch == one.batch
        ),
    ),
)


def layers_section() -> Iterator[str]:
    """Yield the report on layers."""
    yield "## Layers that were not in the fit"
    yield ""
    yield "AGX Orin, eager PyTorch, five networks, each fused subgraph timed by itself (`orin-power-modes-layers`): a"
    yield "factor for compute, one for memory and a constant per class of layers. Mean of |predicted/measured - 1| over"
    yield "layers; in brackets the median. Sum: the same of a model's summed layers."
    yield ""
    yield "| predicted for | precision | batch | " + " | ".join(MODES) + " | sum: mean | median |"
    yield "|---|---|---:|" + "---:|" * (len(MODES) + 2)
    for title, sees in SCHEMES:
        for precision in ("fp16", "tf32"):
            errors, sums = held_out_layers(precision, sees)
            for batch in (16, 64):
                cells = []
                for mode in MODES:
                    off = np.concatenate(errors[batch, mode])
                    cells.append(f"{off.mean():.0%} ({np.median(off):.0%})")
                mine = np.abs(sums[[run.batch == batch for run in layer_runs(precision)]])
                yield (f"| {title} | {precision} | {batch} | " + " | ".join(cells)
                       + f" | {mine.mean():.0%} | {np.median(mine):.0%} |")  # fmt: skip
    yield ""
    yield "The clocks were left to the governor, which did not reach the caps in every run: at MAXN some layers take no"
    yield "longer at batch 64 than at 16. No calibration is shipped from these runs."


def chains_section() -> Iterator[str]:
    """Yield the report on two synthetic chains that predict two networks."""
    found = {one.name.split("/")[2]: one for one in series("orin-nano-emc-gpu-grid")}
    fitted = [found["gemm_chain"], found["gemv_chain"]]
    parts = [roofline_parts(one.task, one.mode_set) for one in fitted]
    kernels = [_kernels(one) for one in fitted]

    def logs(x: Array) -> Array:
        return np.concatenate([
            np.log(_time(x, *part, count) / one.time_s) for part, count, one in zip(parts, kernels, fitted, strict=True)
        ])  # fmt: skip

    prior = np.log([2.0, 1.15, 1e-5, 1e-4])
    best = least_squares(lambda x: np.concatenate([logs(x), 0.03 * (x - prior)]), prior, loss="soft_l1", f_scale=0.05).x
    compute, memory, kernel, host = np.exp(best)
    yield "## From two synthetic chains to two networks"
    yield ""
    yield "Orin Nano, ONNX Runtime with CUDA, 24 clock pairs: two factors, a time per kernel and one per run, fitted to"
    yield "the GEMM chain and the GEMV chain together, then applied to networks without further tuning."
    yield f"Compute {compute:.2f} times its ceiling, memory {memory:.2f} times, {kernel * 1e6:.0f} us per kernel,"
    yield f"{host * 1e3:.2f} ms per run."
    yield ""
    yield "| workload | in the fit | mean error | worst | bias | Kendall tau over the clock pairs |"
    yield "|---|---|---:|---:|---:|---:|"
    for name in ("gemm_chain", "gemv_chain", "mobilenet_v2", "vit_small_patch16_224"):
        one = found[name]
        time = _time(best, *roofline_parts(one.task, one.mode_set), _kernels(one))
        off = time / one.time_s - 1
        tau = kendalltau(time, one.time_s).statistic
        yield (f"| {name} | {'yes' if one in fitted else 'no'} | {np.abs(off).mean():.0%} | {np.abs(off).max():.0%} | "
               f"{off.mean():+.0%} | {tau:.2f} |")  # fmt: skip
    yield ""
    yield "Dense fp16 chains say nothing of depthwise and float32 kernels: a network needs a run of its own, or runs of"
    yield "networks like it. Five runs of its own give the errors of the first table."


def _kernels(one: Series) -> int:
    return sum(1 for layer in one.analysis.layer_counts if layer.status == "counted")


def _time(x: Array, compute: Array, memory: Array, kernels: int) -> Array:
    a, b, kernel, host = np.exp(x)
    return np.asarray(np.hypot(compute * a, memory * b).sum(axis=1) + kernel * kernels + host)


def pagoda_section() -> Iterator[str]:
    """Yield the report on Pagoda's 25 points: batch sizes from the others of their model, models from the others."""
    rows = read_table(HERE / "pagoda-orin-maxn" / "measurements.csv").rows
    peak, bandwidth = _pagoda_ceilings()
    points: dict[str, list[tuple[int, float, float, float]]] = {}
    for row in rows:
        model = next(name for name in PUBLISHED if row.workload.startswith(name))
        w0, w1, q0, q1 = PUBLISHED[model]
        batch = row.batch_size or 1
        points.setdefault(model, []).append(
            (batch, (w0 + w1 * batch) / peak, (q0 + q1 * batch) / bandwidth, row.time_s or 0.0)
        )
    everything = {name: np.array(found).T[1:] for name, found in points.items()}
    yield "## Pagoda's 25 points"
    yield ""
    yield "AGX Orin at MAXN, PyTorch, FLOP and bytes as published (arXiv 2509.20189), one layer per model. Batch left"
    yield "out: fitted to the other four batch sizes of the model. Model left out: fitted to the other four models."
    yield "Overlap: the host works while the GPU does, T = (H^4 + G^4)^(1/4), instead of T = H + G."
    yield ""
    yield "| model | roofline alone | batch left out | with overlap | model left out | with overlap |"
    yield "|---|---:|---:|---:|---:|---:|"
    table = []
    for name, (compute, memory, time) in everything.items():
        alone = np.abs(np.maximum(compute, memory) / time - 1).mean()
        others = np.concatenate([part for other, part in everything.items() if other != name], axis=1)
        cells = [alone]
        for scheme in ("batch", "model"):
            for overlap in (1.0, 4.0):
                off = []
                for i in range(len(time)):
                    seen = np.delete(everything[name], i, axis=1) if scheme == "batch" else others
                    fitted = _fit_overlap(*seen, overlap)
                    off.append(_overlapped(fitted, compute[[i]], memory[[i]], overlap)[0] / time[i] - 1)
                cells.append(float(np.abs(off).mean()))
        table.append(cells)
        yield f"| {name} | " + " | ".join(f"{cell:.0%}" if cell > 0.1 else f"{cell:.1%}" for cell in cells) + " |"
    yield "| mean | " + " | ".join(f"{value:.0%}" for value in np.mean(table, axis=0)) + " |"
    yield ""
    yield "Totals of a whole model do not carry over to another: what differs most is the number of kernels, which the"
    yield "published totals leave out. Energies of the 25 points: `python device_specs/measurements/fit_orin_agx.py`."


def _pagoda_ceilings() -> tuple[float, float]:
    analysis = roofline.analyze(MODELS / "resnet50.onnx", "orin-agx@r35.1", mode="MAXN", bindings={"batch": 1},
                                traffic="pagoda", precision="fp32", calibration="none")  # fmt: skip
    ceilings = analysis.to_dict()["ceilings"]
    return ceilings["compute"]["fp32 vector"]["peak_flop_per_s"], ceilings["bandwidth_byte_per_s"]


def _overlapped(x: Array, compute: Array, memory: Array, overlap: float) -> Array:
    a, b, host = np.exp(x)
    return np.asarray((np.hypot(compute * a, memory * b) ** overlap + host**overlap) ** (1 / overlap))


def _fit_overlap(compute: Array, memory: Array, time: Array, overlap: float) -> Array:
    prior = np.log([2.0, 1.15, 0.3 * time.min()])
    widths = np.array([1.0, 0.3, 2.0])

    def residual(x: Array) -> Array:
        return np.concatenate([np.log(_overlapped(x, compute, memory, overlap) / time), 0.03 * (x - prior) / widths])

    starts = (prior, prior + np.array([0, 0, 1.2]), prior + np.array([1.5, 0, 0]))
    found = [least_squares(residual, start, loss="soft_l1", f_scale=0.05) for start in starts]
    return np.asarray(min(found, key=lambda one: float(one.cost)).x)


def mlperf_section() -> Iterator[str]:
    """Yield the report on MLPerf's MaxP and MaxQ pairs."""
    yield "## MLPerf: MaxQ predicted from MaxP"
    yield ""
    yield "AGX Orin, TensorRT, int8, SingleStream, NVIDIA's closed submissions: one factor on the roofline from the run"
    yield "at MAXN gives the time at the clocks of MaxQ, which the fit does not see. Power is that of the wall socket,"
    yield "measured at MaxQ alone: it is not predicted."
    yield ""
    yield "| release | model | MaxQ: GPU, memory | measured MaxP | MaxQ | predicted MaxQ | error |"
    yield "|---|---|---|---:|---:|---:|---:|"
    off = []
    for found in series("mlperf"):
        *_, model, _, release = found.name.split("/")
        compute, memory = roofline_parts(found.task, found.mode_set)
        base = np.hypot(compute, memory).sum(axis=1)
        maxp = int(np.argmin(found.time_s))
        for i, row in enumerate(found.rows):
            if i == maxp:
                continue
            gpu, mem = (found.modes[i].knobs[knob] / 1e6 for knob in ("gpu_freq", "mem_freq"))
            known = row.mem_freq_hz is not None
            predicted = base[i] / base[maxp] * found.time_s[maxp]
            error = predicted / found.time_s[i] - 1
            if known:
                off.append(abs(error))
            yield (f"| {release} | {model} | {gpu:.0f} MHz, {f'{mem:.0f} MHz' if known else 'not stated'} | "
                   f"{found.time_s[maxp] * 1e3:.2f} ms | {found.time_s[i] * 1e3:.2f} ms | "
                   + (f"{predicted * 1e3:.2f} ms | {error:+.0%} |" if known else "| |"))  # fmt: skip
    yield ""
    yield f"Mean error {np.mean(off):.0%} over {len(off)} pairs whose clocks are stated."


def sections() -> Iterator[str]:
    """Yield all of them."""
    for section in (layers_section, chains_section, pagoda_section, mlperf_section):
        yield ""
        yield from section()


if __name__ == "__main__":
    print("\n".join(sections()))
