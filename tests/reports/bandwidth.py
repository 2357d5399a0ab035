"""The two-ceiling bandwidth and the peak of the device files against measured runs.

    python tests/reports/bandwidth.py

First every measured bandwidth in tests/data/devices/bandwidth.csv with the prediction at its clocks; then the GEMM
chain of gemm.csv as a share of the fp16 peak, per GPU clock.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import roofline
from roofline.devices.mode_set import mode_set
from roofline.devices.modes import find_mode
from roofline.devices.tables import ModeTable, mode_table

DATA = Path(__file__).parents[1] / "data" / "devices"
GEMM_FLOP = 64 * 2 * 1024**3


class Pair(NamedTuple):
    """A measured bandwidth, and the predicted one at the same clocks."""

    device: str
    mode: str
    gpu_mhz: str
    memory_mhz: str
    kernel: str
    clocks: str
    measured_byte_per_s: float
    predicted_byte_per_s: float

    @property
    def error(self) -> float:
        return self.predicted_byte_per_s / self.measured_byte_per_s - 1

    @property
    def beaten_by(self) -> float:
        """By which share the measured value is above the predicted one; negative below it."""
        return self.measured_byte_per_s / self.predicted_byte_per_s - 1


def table_at(device: str, mode: str, gpu_mhz: str, memory_mhz: str) -> ModeTable:
    """Return the ceilings of the GPU in a mode with two of its clocks set."""
    spec = roofline.load_device(device)
    chosen = find_mode(spec, f"{mode},gpu_freq={gpu_mhz}MHz,mem_freq={memory_mhz}MHz")
    return mode_table(spec, spec.processors["gpu"], mode_set(spec, [chosen]), [("matrix", "fp16")])


def pairs() -> list[Pair]:
    """Return every measured bandwidth with its prediction."""
    found = []
    with (DATA / "bandwidth.csv").open() as file:
        for row in csv.DictReader(file):
            table = table_at(row["device"], row["mode"], row["gpu_mhz"], row["memory_mhz"])
            found.append(
                Pair(
                    row["device"], row["mode"], row["gpu_mhz"], row["memory_mhz"], row["kernel"], row["clocks"],
                    float(row["gb_per_s"]) * 1e9, float(table.bandwidth_byte_per_s[0]),
                )
            )  # fmt: skip
    return found


def gemm_rows() -> list[tuple[str, str, float, float]]:
    """Return (GPU MHz, memory MHz, measured FLOP/s, peak FLOP/s)."""
    with (DATA / "gemm.csv").open() as file:
        return [
            (
                row["gpu_mhz"],
                row["memory_mhz"],
                GEMM_FLOP / (float(row["latency_ms"]) * 1e-3),
                float(table_at(row["device"], row["mode"], row["gpu_mhz"], row["memory_mhz"]).peak_flop_per_s[0, 0]),
            )
            for row in csv.DictReader(file)
        ]


def main() -> None:
    """Print both comparisons."""
    everything = pairs()
    for device, kernel in dict.fromkeys((p.device, p.kernel) for p in everything):
        here = [p for p in everything if (p.device, p.kernel) == (device, kernel)]
        print(f"{device}, {kernel}: {len(here)} pairs")
        for p in here:
            measured, predicted = p.measured_byte_per_s / 1e9, p.predicted_byte_per_s / 1e9
            print(
                f"  {p.mode:10} GPU {p.gpu_mhz:>6} MHz, memory {p.memory_mhz:>6} MHz: "
                f"{measured:6.1f} GB/s, predicted {predicted:6.1f} ({p.error:+.1%})"
            )
        mape = sum(abs(p.error) for p in here) / len(here)
        print(f"  MAPE {mape:.1%}, most beaten by {max(0.0, *(p.beaten_by for p in here)):.1%}\n")
    print("orin-nano-8gb, 64 fp16 GEMM of 1024^3, share of the fp16 peak (memory at 2133 and 3199 MHz)")
    rows = sorted(gemm_rows(), key=lambda row: float(row[0]))
    for clock in dict.fromkeys(row[0] for row in rows):
        runs = sorted((float(memory), flop / 1e12, peak / 1e12) for gpu, memory, flop, peak in rows if gpu == clock)
        shares = (f"{flop:5.2f} of {peak:5.2f} TFLOP/s = {flop / peak:.1%}" for _, flop, peak in runs)
        print(f"  GPU {clock:>4} MHz: {', '.join(shares)}")


if __name__ == "__main__":
    main()
