"""What /proc and /sys say about a processor; the tree is described in tests/data/sysfs/README.md."""

from __future__ import annotations

import shutil
from pathlib import Path

from conftest import DATA

from roofline.bench.machine import read_machine

TREE = DATA / "sysfs" / "machine"


def test_reads_everything() -> None:
    machine = read_machine(TREE)
    assert machine.name == "Example CPU 9000"
    assert machine.clock_hz == 2_201_600_000 and machine.clock_source == "cpufreq/scaling_max_freq"
    assert machine.governor == "performance" and machine.clock_state == "locked"
    # caches that CPUs share count once; the instruction cache is none of them
    assert machine.caches == ((1, 32 * 1024, 2), (2, 512 * 1024, 2), (3, 32 * 2**20, 1))
    assert machine.last_level_bytes == 32 * 2**20
    assert machine.memory_bytes == 16_384_000 * 1024


def test_without_cpufreq_the_clock_is_that_of_cpuinfo(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq")
    machine = read_machine(tmp_path)
    assert machine.clock_hz == 1_234_500_000 and "/proc/cpuinfo" in machine.clock_source
    assert machine.governor is None and machine.clock_state is None


def test_nothing_to_read_gives_no_number(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert machine.clock_hz is None and machine.memory_bytes is None and machine.last_level_bytes is None
    assert machine.caches == () and machine.clock_source == "unreadable"


def test_another_governor_means_stock_clocks(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("schedutil\n")
    assert read_machine(tmp_path).clock_state == "stock"
