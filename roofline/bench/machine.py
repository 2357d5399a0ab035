"""What the operating system tells about this machine's processor: name, clock, governor, caches, memory."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import NamedTuple

_CPU = "sys/devices/system/cpu"
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}


class Machine(NamedTuple):
    """Facts as they are read; None where they cannot be."""

    name: str
    clock_hz: float | None
    """Largest clock that the governor can set; else the clock in /proc/cpuinfo."""
    clock_source: str
    governor: str | None
    caches: tuple[tuple[int, int, int], ...]
    """(level, bytes of one cache, how many of them), data and unified caches, small to large."""
    memory_bytes: int | None

    @property
    def last_level_bytes(self) -> int | None:
        """Return what all caches of the last level hold together."""
        if not self.caches:
            return None
        _, size, count = self.caches[-1]
        return size * count

    @property
    def clock_state(self) -> str | None:
        """``locked`` under the governor `performance`, ``stock`` under another, None if there is none to read."""
        if self.governor is None:
            return None
        return "locked" if self.governor == "performance" else "stock"


def read_machine(root: Path = Path("/")) -> Machine:
    """Return what /proc and /sys below `root` say."""
    about = _text(root / "proc/cpuinfo")
    clock, source = _clock(root, about)
    memory = re.search(r"MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"))
    name = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", about, re.MULTILINE)
    return Machine(
        name=name[1].strip() if name else platform.processor() or platform.machine(),
        clock_hz=clock,
        clock_source=source,
        governor=_text(root / _CPU / "cpu0/cpufreq/scaling_governor").strip() or None,
        caches=_caches(root),
        memory_bytes=int(memory[1]) * 1024 if memory else None,
    )


def _clock(root: Path, about: str) -> tuple[float | None, str]:
    for file in ("scaling_max_freq", "cpuinfo_max_freq"):
        text = _text(root / _CPU / "cpu0/cpufreq" / file).strip()
        if text.isdigit() and int(text) > 0:
            return int(text) * 1e3, f"cpufreq/{file}"
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", about, re.MULTILINE)
    if found:
        return float(found[1]) * 1e6, "cpu MHz of /proc/cpuinfo; boost is not visible"
    return None, "unreadable"


def _caches(root: Path) -> tuple[tuple[int, int, int], ...]:
    """Return the caches, each counted once however many CPUs share it."""
    found: dict[int, dict[str, int]] = {}
    for index in sorted((root / _CPU).glob("cpu[0-9]*/cache/index[0-9]*")):
        size = re.fullmatch(r"(\d+)([KMG]?)", _text(index / "size").strip())
        level = _text(index / "level").strip()
        if not size or not level.isdigit() or _text(index / "type").strip() == "Instruction":
            continue
        shared = _text(index / "shared_cpu_list").strip() or str(index)
        found.setdefault(int(level), {})[shared] = int(size[1]) * _SIZES.get(size[2], 1)
    return tuple((level, max(sizes.values()), len(sizes)) for level, sizes in sorted(found.items()))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
