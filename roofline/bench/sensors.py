"""Energy, from counters and power monitors that this machine really has; without one there is no number.

- RAPL (Linux powercap, https://docs.kernel.org/power/powercap/powercap.html): ``energy_uj`` counts microjoules of
  a processor package and wraps at ``max_energy_range_uj``.
- INA3221 (Linux hwmon, https://docs.kernel.org/hwmon/ina3221.html), the power monitor of Jetson boards: millivolts
  and milliamperes per rail; a fourth channel "sum of shunt voltages" is no rail.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT_VARIABLE = "ROOFLINE_POWER_SENSORS"
SYSFS = Path("/sys")
INA_PERIOD_S = 0.05
INA_LEAST_S = 10.0
"""An INA3221 averages over tens of milliseconds to a second: below this a mean says little."""
RAPL_LEAST_S = 1.0
"""RAPL's counters move about every millisecond."""
WHOLE_MODULE = "VDD_IN"
"""A rail that carries everything, where a board has it (Orin Nano, Orin NX)."""


class NoReading(NamedTuple):
    """Why there is no energy."""

    reason: str
    hint: str = ""


class RaplZone(NamedTuple):
    """One processor package."""

    name: str
    folder: Path
    range_uj: int


class InaRail(NamedTuple):
    """One measured supply rail."""

    name: str
    volt_file: Path
    current_file: Path

    def power_w(self) -> float:
        """Return volt times ampere, from millivolts and milliamperes."""
        return int(self.volt_file.read_text()) * int(self.current_file.read_text()) * 1e-6


def sensor_root(option: str | None) -> Path:
    """Return the folder to look in: the option, the environment, or /sys."""
    return Path(option or os.environ.get(ROOT_VARIABLE) or SYSFS)


def rapl_zones(root: Path) -> list[RaplZone]:
    """Return the packages; zones inside them (core, uncore) and ``psys`` are left out, so that nothing counts twice."""
    found = []
    for folder in sorted((root / "class/powercap").glob("*")):
        name = _text(folder / "name")
        top = folder.name.count(":") == 1
        range_text = _text(folder / "max_energy_range_uj")
        if top and name.startswith("package") and not folder.name.startswith("intel-rapl-mmio"):
            found.append(RaplZone(name, folder, int(range_text) if range_text.isdigit() else 0))
    return found


def ina_rails(root: Path) -> list[InaRail]:
    """Return the rails of every INA3221, in the order of the files."""
    found = []
    for folder in sorted((root / "class/hwmon").glob("*")):
        if _text(folder / "name") != "ina3221":
            continue
        for channel in (1, 2, 3):
            label = _text(folder / f"in{channel}_label")
            files = folder / f"in{channel}_input", folder / f"curr{channel}_input"
            if label and label != "sum of shunt voltages" and label != "NC" and all(f.is_file() for f in files):
                found.append(InaRail(label, *files))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


class RaplMeter:
    """Sums the packages' counters; a counter that wraps is followed by looking at it twice a second."""

    least_s = RAPL_LEAST_S
    boundary = "package"

    def __init__(self, zones: Sequence[RaplZone]) -> None:
        self._zones = zones
        self.period_s = 0.5
        self._last: list[int] = []
        self.energy_j = 0.0

    def start(self) -> None:
        """Read where the counters stand."""
        self._last = [int((zone.folder / "energy_uj").read_text()) for zone in self._zones]
        self.energy_j = 0.0

    def sample(self, passed_s: float) -> None:
        """Add what was counted since the last sample."""
        for place, zone in enumerate(self._zones):
            now = int((zone.folder / "energy_uj").read_text())
            moved = now - self._last[place]
            self.energy_j += (moved if moved >= 0 else moved + zone.range_uj) * 1e-6
            self._last[place] = now

    @property
    def sensor(self) -> str:
        """Name the counters."""
        return "rapl " + "+".join(zone.name for zone in self._zones)


class InaMeter:
    """Integrates the power of rails over time, by the trapezoidal rule."""

    least_s = INA_LEAST_S
    boundary = "module"

    def __init__(self, rails: Sequence[InaRail]) -> None:
        self._rails = rails
        self.period_s = INA_PERIOD_S
        self._last_w = 0.0
        self.energy_j = 0.0

    def start(self) -> None:
        """Read the power now."""
        self.energy_j, self._last_w = 0.0, self._power_w()

    def sample(self, passed_s: float) -> None:
        """Add the energy since the last sample."""
        now_w = self._power_w()
        self.energy_j += 0.5 * (self._last_w + now_w) * passed_s
        self._last_w = now_w

    def _power_w(self) -> float:
        return sum(rail.power_w() for rail in self._rails)

    @property
    def sensor(self) -> str:
        """Name the rails."""
        return "ina3221 " + "+".join(rail.name for rail in self._rails)


Meter = RaplMeter | InaMeter


def find_meter(root: Path, total_rails: Sequence[str] = ()) -> Meter | NoReading:
    """Return what can measure energy below `root`, or why nothing can.

    Args:
        root: a sysfs tree.
        total_rails: the rails whose sum is the module, by the device file; empty where no device is given.
    """
    rails = ina_rails(root)
    if rails:
        return _of_rails(rails, total_rails)
    zones = rapl_zones(root)
    if not zones:
        return NoReading(f"no energy counter below {root} (RAPL, INA3221)", "give a tree with --power-sensors PATH")
    if not all(os.access(zone.folder / "energy_uj", os.R_OK) for zone in zones):
        return NoReading(
            "RAPL's counters may not be read", f"as root: chmod a+r {root}/class/powercap/intel-rapl:*/energy_uj"
        )
    if not all(zone.range_uj for zone in zones):
        return NoReading("RAPL does not say where its counters wrap (max_energy_range_uj)")
    return RaplMeter(zones)


def _of_rails(rails: Sequence[InaRail], total_rails: Sequence[str]) -> Meter | NoReading:
    by_name = {rail.name: rail for rail in rails}
    wanted = tuple(total_rails) or ((WHOLE_MODULE,) if WHOLE_MODULE in by_name else ())
    have = ", ".join(by_name)
    if not wanted:
        return NoReading(f"which of the rails {have} add up to the module is not known", "give the board with --device")
    missing = [name for name in wanted if name not in by_name]
    if missing:
        return NoReading(f"the rail {missing[0]} is not there; there are {have}", "is --device the board this runs on?")
    return InaMeter([by_name[name] for name in wanted])
