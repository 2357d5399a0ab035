"""Derive the energy coefficients and the idle model of orin-nano-8gb.yaml from the runs beside this file.

    python device_specs/measurements/fit_orin_nano.py

Runs are periodic, so power is that of a mostly idle board: E = (P - P_idle) / rate. Bytes: slope of power over bytes
per second through idle, VDD_CPU_GPU_CV apart (it scales with voltage squared) from the rest of VDD_IN. FLOP: one run
of 64 GEMM of 1024^3. Idle: least squares over four powers, constant + GPU clock x voltage squared + memory clock.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
GEMV_BYTE = 12 * 4096 * 4096 * 2
"""fp16 weights read per run of the GEMV chain."""
GEMM_FLOP = 64 * 2 * 1024**3
VOLTAGE = ((306.0, 612.0, 816.0, 1300.5), (1.0, 1.028, 1.085, 1.295))
"""MHz, and the relative voltage of orin-nano-8gb.yaml."""
IDLE_25W = 6.42
"""W on VDD_IN: middle of the 6.31 to 6.54 W in the traces of 25W; the one in power.csv is the highest."""
Array = NDArray[np.float64]


class Run(NamedTuple):
    """One row of power.csv."""

    name: str
    gpu_mhz: float
    memory_mhz: float
    workload: str
    rate_hz: float
    vdd_in_w: float
    cpu_gpu_w: float


class Check(NamedTuple):
    """Energy of one run, above idle."""

    run: Run
    measured_j: float
    predicted_j: float

    @property
    def error(self) -> float:
        return self.predicted_j / self.measured_j - 1


def runs() -> list[Run]:
    """Return every row; idle has rate 0."""
    with (HERE / "orin-nano-dank" / "power.csv").open() as file:
        return [
            Run(
                f"{row['power_mode']} {row['label']}",
                float(row["gpu_freq_hz"]) / 1e6,
                float(row["emc_freq_hz"]) / 1e6,
                row["workload"].split("_")[0],
                float(row["rate_hz"] or 0),
                float(row["vdd_in_w"]),
                float(row["vdd_cpu_gpu_cv_w"]),
            )
            for row in csv.DictReader(file)
        ]


def squared_voltage(gpu_mhz: float) -> float:
    """Return voltage squared relative to 1020 MHz."""
    return float(np.interp(gpu_mhz, *VOLTAGE) / np.interp(1020.0, *VOLTAGE)) ** 2


def coefficients() -> tuple[float, float, float]:
    """Return (J/FLOP, J/B outside VDD_CPU_GPU_CV, J/B on it) at 1020 MHz and 2133 MHz memory."""
    here = [run for run in runs() if (run.gpu_mhz, run.memory_mhz) == (1020.0, 2133.0)]
    idle = next(run for run in here if run.workload == "idle")
    gemm = next(run for run in here if run.workload == "gemm")
    gemv = [run for run in here if run.workload in ("idle", "gemv")]
    rate = np.array([run.rate_hz for run in gemv]) * GEMV_BYTE
    move = float(np.polyfit(rate, [run.cpu_gpu_w for run in gemv], 1)[0])
    dram = float(np.polyfit(rate, [run.vdd_in_w - run.cpu_gpu_w for run in gemv], 1)[0])
    return (gemm.vdd_in_w - idle.vdd_in_w) / gemm.rate_hz / GEMM_FLOP, dram, move


def idle_powers() -> dict[tuple[float, float], float]:
    """Return (GPU MHz, memory MHz) -> idle power in W on VDD_IN, clocks locked."""
    measured = {(run.gpu_mhz, run.memory_mhz): run.vdd_in_w for run in runs() if run.workload == "idle"}
    at = {run.memory_mhz: run.vdd_in_w for run in runs() if run.workload == "gemv" and run.rate_hz == 5}
    low = measured[1020.0, 2133.0]
    return {
        (1020.0, 2133.0): round(low, 2),
        (1020.0, 3199.0): round(low + at[3199.0] - at[2133.0], 2),
        (918.0, 3199.0): IDLE_25W,
        (612.0, 2133.0): round(measured[612.0, 2133.0], 2),
    }


def idle_model() -> tuple[Array, Array]:
    """Return (W constant, W of the GPU clock, W of the memory clock), at 1020 and 3199 MHz; and the residuals in W."""
    points = idle_powers()
    columns = np.array([[1.0, g / 1020.0 * squared_voltage(g), m / 3199.0] for g, m in points])
    power = np.array(list(points.values()))
    solution = np.linalg.lstsq(columns, power, rcond=None)[0]
    return np.asarray(solution), np.asarray(columns @ solution - power)


def checks() -> list[Check]:
    """Return measured and predicted energy of every run at clocks whose idle power is known."""
    flop, dram, move = coefficients()
    idle = idle_powers()
    found = []
    for run in runs():
        clocks = (run.gpu_mhz, run.memory_mhz)
        if run.workload == "idle" or clocks not in idle:
            continue
        squared = squared_voltage(run.gpu_mhz)
        work = GEMV_BYTE * (dram + move * squared) if run.workload == "gemv" else GEMM_FLOP * flop * squared
        found.append(Check(run, (run.vdd_in_w - idle[clocks]) / run.rate_hz, work))
    return found


def main() -> None:
    """Print the coefficients, the idle model and what they leave."""
    flop, dram, move = coefficients()
    print(f"fp16-rails: {flop * 1e12:.2f} pJ/FLOP, dram {dram * 1e12:.1f} pJ/B, move {move * 1e12:.1f} pJ/B")
    for check in checks():
        clocks = f"{check.run.gpu_mhz:6.0f} MHz, memory {check.run.memory_mhz:.0f}, {check.run.rate_hz:g} Hz"
        joules = f"{check.measured_j * 1e3:6.1f} mJ, predicted {check.error:+.1%}"
        print(f"  {check.run.name:32} {check.run.workload} {clocks}: {joules}")
    (constant, clock, memory), residuals = idle_model()
    print(f"idle: {constant:.2f} W + {clock:.2f} W of the GPU clock + {memory:.2f} W of the memory clock")
    for (gpu, mem), power, off in zip(idle_powers(), idle_powers().values(), residuals, strict=True):
        print(f"  {gpu:.0f} MHz, memory {mem:.0f}: {power:.2f} W, model {off:+.3f} W")


if __name__ == "__main__":
    main()
