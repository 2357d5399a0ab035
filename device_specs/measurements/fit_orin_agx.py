"""Derive the energy coefficients of orin-agx.yaml from the measured runs beside this file, and print their errors.

    python device_specs/measurements/fit_orin_agx.py

fp32 and tf32: E = eps_flop*W + eps_byte*Q + P*T, non-negative least squares on relative errors over Pagoda's 24
good points; W and Q are the published totals. fp16: differences to idle per rail, one run each for FLOP and bytes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

HERE = Path(__file__).parent
IDLE_W = 10.48
VOLTAGE = ((306.0, 612.0, 816.0, 1300.5), (1.0, 1.028, 1.085, 1.295))
"""MHz, and the relative voltage of orin-agx.yaml."""
# arXiv 2509.20189's totals (notebook constants): FLOP = w0 + w1*batch, bytes = q0 + q1*batch
PUBLISHED = {
    "mobilenet": (0, 449137560, 21805088, 81171584),
    "resnet50": (0, 8206316544, 102011648, 234659744),
    "yolov8n": (0, 8839855200, 12584704, 526761600),
    "lstm": (8486912, 120516608, 34360320, 962016),
    "bert": (0, 79136298142, 1213726720, 1387284352),
}
Array = NDArray[np.float64]


def pagoda_points() -> list[tuple[str, int, float, float, float, float]]:
    """Return (model, batch, FLOP, bytes, s, J) for the 24 good points."""
    points = []
    with (HERE / "pagoda-orin-maxn" / "measurements.csv").open() as file:
        for row in csv.DictReader(file):
            model = next(name for name in PUBLISHED if row["workload"].startswith(name))
            batch, seconds = int(row["batch_size"]), float(row["latency_ms"]) * 1e-3
            if (model, batch) == ("resnet50", 32):  # 18.4 W between neighbours of 53 and 55 W
                continue
            w0, w1, q0, q1 = PUBLISHED[model]
            joules = seconds * float(row["power_w"])
            points.append((model, batch, w0 + w1 * batch, q0 + q1 * batch, seconds, joules))
    return points


def fit(points: list[tuple[str, int, float, float, float, float]]) -> Array:
    """Return (J/FLOP, J/B, W) that minimise the squared relative error of the energy."""
    rows = np.array([[w, q, t] for _, _, w, q, t, _ in points]) / np.array([[p[5]] for p in points])
    scale = np.array([1e-12, 1e-12, 1.0])
    solution, _ = nnls(rows * scale, np.ones(len(points)))
    return np.asarray(solution * scale)


def errors(coefficients: Array, points: list[tuple[str, int, float, float, float, float]]) -> Array:
    """Return the relative error of the energy at each point."""
    return np.array([coefficients @ np.array([w, q, t]) / e - 1 for _, _, w, q, t, e in points])


def rails() -> dict[str, dict[str, float]]:
    """Return run -> figures of the LLM runs, bandwidth worked out from time per token and bytes per token."""
    found = {}
    with (HERE / "llm-orin-iiswc26" / "rails.csv").open() as file:
        for row in csv.DictReader(file):
            run = {k: float(v) for k, v in row.items() if v and k not in ("run", "phase")}
            if "tpot_ms" in run:
                run["byte_s"] = run["model_bytes"] / (run["tpot_ms"] * 1e-3)
            found[row["run"]] = run
    return found


def total(run: dict[str, float]) -> float:
    """Return module power: the three rails that add up to it."""
    return run["gpu_soc_w"] + run["cpu_cv_w"] + run["vin_5v0_w"]


def fp16_coefficients() -> tuple[float, float, float]:
    """Return (J/FLOP, J/B outside the GPU rail, J/B on the GPU rail)."""
    runs = rails()
    idle, decode = runs["idle"], runs["trt-llm fp16 Llama-3.2-1B"]
    prefill = runs["trt-llm int4 Llama-3.1-8B (fp16 math)"]
    flop = (prefill["gpu_soc_w"] - idle["gpu_soc_w"]) / (prefill["tflop_s"] * 1e12)
    dram = (decode["vin_5v0_w"] - idle["vin_5v0_w"] + decode["cpu_cv_w"] - idle["cpu_cv_w"]) / decode["byte_s"]
    move = (decode["gpu_soc_w"] - idle["gpu_soc_w"]) / decode["byte_s"]
    return flop, dram, move


def idle_model() -> tuple[Array, Array]:
    """Return (W constant, W of the GPU clock, W of the memory clock), the last two at MAXN; and the residuals in W.

    Idle power with locked clocks: measured in MAXN, elsewhere less the difference of the wall powers.
    """
    gpu, memory = np.array([1300.5, 816.0, 612.0, 408.0]), np.array([3199.0, 3199.0, 3199.0, 2133.0])
    wall = np.array([12.95, 11.3, 10.9, 9.2])
    idle = np.round(IDLE_W - (wall[0] - wall) / 1.02, 2)
    squared = np.interp(gpu, VOLTAGE[0], VOLTAGE[1]) ** 2
    columns = np.stack([np.ones(4), gpu * squared / (gpu[0] * squared[0]), memory / memory[0]], axis=1)
    solution = np.linalg.lstsq(columns, idle, rcond=None)[0]
    return np.asarray(solution), np.asarray(columns @ solution - idle)


def main() -> None:
    """Print the coefficients and their errors."""
    points = pagoda_points()
    coefficients = fit(points)
    flop, byte, static = coefficients
    off = np.abs(errors(coefficients, points))
    flop16, dram16, move16 = fp16_coefficients()
    share = move16 / (move16 + dram16)
    print(f"fp32-pagoda, {len(points)} points: {flop * 1e12:.2f} pJ/FLOP, {byte * 1e12:.1f} pJ/B, {static:.2f} W")
    print(f"  of the pJ/B: dram {byte * (1 - share) * 1e12:.1f}, move {byte * share * 1e12:.1f}")
    print(f"  of the W: idle {IDLE_W}, active {static - IDLE_W:.2f}")
    print(f"  MAPE on the points fitted: {off.mean():.1%}, worst {off.max():.1%}")
    for left_out in PUBLISHED:
        kept = [p for p in points if p[0] != left_out]
        off = errors(fit(kept), [p for p in points if p[0] == left_out])
        print(f"  without {left_out:10} MAPE {np.abs(off).mean():.1%}, from {off.min():+.1%} to {off.max():+.1%}")
    print(f"fp16-rails: {flop16 * 1e12:.2f} pJ/FLOP, dram {dram16 * 1e12:.1f} pJ/B, move {move16 * 1e12:.1f} pJ/B")
    (constant, clock, memory), residuals = idle_model()
    print(f"idle: {constant:.2f} W + {clock:.2f} W of the GPU clock + {memory:.2f} W of the memory clock")
    print(f"  largest residual {np.abs(residuals).max():.3f} W over four modes")
    for name, run in rails().items():
        if "byte_s" in run:
            power = IDLE_W + (dram16 + move16) * run["byte_s"]
            off = power / total(run) - 1
            print(f"  {name:30} {run['byte_s'] / 1e9:6.1f} GB/s, power {off:+.1%} of {total(run):.1f} W")


if __name__ == "__main__":
    main()
