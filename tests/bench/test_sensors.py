"""Energy comes from counters or not at all. The trees are described in tests/data/sysfs/README.md."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import DATA

from roofline.bench import sensors
from roofline.bench.energy import Reading, measure_energy, zeus_energy, zeus_monitor
from roofline.bench.sensors import InaMeter, NoReading, RaplMeter, find_meter, ina_rails, rapl_zones, sensor_root
from roofline.devices.load import load_device

TREES = DATA / "sysfs"
AGX = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")


def test_rapl_takes_packages_only() -> None:
    zones = rapl_zones(TREES / "rapl")
    assert [zone.name for zone in zones] == ["package-0", "package-1"]


def test_rapl_follows_a_counter_that_wraps(tmp_path: Path) -> None:
    shutil.copytree(TREES / "rapl", tmp_path, dirs_exist_ok=True)
    meter = find_meter(tmp_path)
    assert isinstance(meter, RaplMeter) and meter.boundary == "package"
    meter.start()
    counters = tmp_path / "class/powercap"
    (counters / "intel-rapl:0/energy_uj").write_text("1671150\n")  # from 262143000000, over 262143328850
    (counters / "intel-rapl:1/energy_uj").write_text("4000000\n")  # from 1000000
    meter.sample(1.0)
    assert meter.energy_j == pytest.approx(0.328850 + 1.671150 + 3.0)
    (counters / "intel-rapl:0/energy_uj").write_text("2671150\n")
    meter.sample(1.0)
    assert meter.energy_j == pytest.approx(6.0)


def test_ina_skips_shunt_sums_and_unused_channels() -> None:
    assert [rail.name for rail in ina_rails(TREES / "orin-agx")] == [*AGX, "VDDQ_VDD2_1V8AO"]


def test_ina_sums_the_rails_of_the_device_file() -> None:
    rails = load_device("orin-agx").total_rails
    assert rails == AGX
    meter = find_meter(TREES / "orin-agx", rails)
    assert isinstance(meter, InaMeter) and meter.boundary == "module"
    meter.start()
    meter.sample(2.0)
    # 20 V x 0.4 A + 20 V x 0.1 A + 5 V x 0.9 A = 14.5 W, for two seconds
    assert meter.energy_j == pytest.approx(29.0)
    assert meter.sensor == "ina3221 VDD_GPU_SOC+VDD_CPU_CV+VIN_SYS_5V0"


def test_ina_integrates_by_trapezoids(tmp_path: Path) -> None:
    shutil.copytree(TREES / "orin-nano", tmp_path, dirs_exist_ok=True)
    meter = find_meter(tmp_path)
    assert isinstance(meter, InaMeter) and meter.sensor == "ina3221 VDD_IN"  # it carries everything
    meter.start()  # 5 V x 1.2 A = 6 W
    (tmp_path / "class/hwmon/hwmon1/curr1_input").write_text("2000\n")  # 10 W
    meter.sample(0.5)
    assert meter.energy_j == pytest.approx(0.5 * (6 + 10) / 2)


def test_rails_without_a_rule_give_no_number() -> None:
    found = find_meter(TREES / "orin-agx")
    assert isinstance(found, NoReading) and "VIN_SYS_5V0" in found.reason and "--device" in found.hint


def test_a_rail_that_is_not_there_gives_no_number() -> None:
    found = find_meter(TREES / "orin-nano", AGX)
    assert isinstance(found, NoReading) and "VDD_GPU_SOC" in found.reason


def test_no_counter_gives_no_number(tmp_path: Path) -> None:
    found = find_meter(tmp_path)
    assert isinstance(found, NoReading) and "RAPL" in found.reason


def test_unknown_range_gives_no_number(tmp_path: Path) -> None:
    shutil.copytree(TREES / "rapl", tmp_path, dirs_exist_ok=True)
    (tmp_path / "class/powercap/intel-rapl:1/max_energy_range_uj").unlink()
    assert isinstance(find_meter(tmp_path), NoReading)


def test_counters_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors.os, "access", lambda *_: False)
    found = find_meter(TREES / "rapl")
    assert isinstance(found, NoReading) and "may not be read" in found.reason and "chmod" in found.hint


def test_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOFLINE_POWER_SENSORS", raising=False)
    assert sensor_root(None) == Path("/sys")
    monkeypatch.setenv("ROOFLINE_POWER_SENSORS", "/there")
    assert sensor_root(None) == Path("/there") and sensor_root("/here") == Path("/here")


class Steps:
    """A clock that moves one second each time a run asks for it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def run(self) -> None:
        self.now_s += 1.0

    def __call__(self) -> float:
        return self.now_s


def test_runs_until_the_meter_has_seen_enough() -> None:
    meter = find_meter(TREES / "orin-nano")
    assert isinstance(meter, InaMeter) and meter.least_s == 10.0
    clock = Steps()
    found = measure_energy(meter, clock.run, clock_s=clock)
    assert not isinstance(found, NoReading)
    reading, runs = found
    assert runs == 10 and reading.duration_s == 10.0
    assert reading.energy_j == pytest.approx(60.0)  # 6 W
    assert reading.boundary == "module"


def test_a_counter_that_stands_still_gives_no_number() -> None:
    meter = find_meter(TREES / "rapl")
    assert isinstance(meter, RaplMeter)
    clock = Steps()
    found = measure_energy(meter, clock.run, clock_s=clock)
    assert isinstance(found, NoReading) and "stood still" in found.reason


def test_a_sensor_that_goes_away_gives_no_number(tmp_path: Path) -> None:
    shutil.copytree(TREES / "rapl", tmp_path, dirs_exist_ok=True)
    meter = find_meter(tmp_path)
    assert isinstance(meter, RaplMeter)
    clock = Steps()

    def run() -> None:
        clock.run()
        (tmp_path / "class/powercap/intel-rapl:0/energy_uj").unlink(missing_ok=True)

    found = measure_energy(meter, run, clock_s=clock)
    assert isinstance(found, NoReading) and "cannot be read" in found.reason


def test_a_run_that_fails_stops_the_thread() -> None:
    meter = find_meter(TREES / "orin-nano")
    assert isinstance(meter, InaMeter)

    def run() -> None:
        raise KeyboardInterrupt

    import threading

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        measure_energy(meter, run)
    assert threading.active_count() == before


class FakeZeus:
    """Zeus's own interface: a window has `time` and `gpu_energy`, joules by GPU."""

    def __init__(self, **_: Any) -> None:
        self.open = ""

    def begin_window(self, name: str) -> None:
        self.open = name

    def end_window(self, name: str) -> Any:
        assert name == self.open
        return types.SimpleNamespace(time=10.0, gpu_energy={0: 300.0, 1: 100.0})


def test_zeus_sums_the_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = types.ModuleType("zeus"), types.ModuleType("zeus.monitor")
    module.ZeusMonitor = FakeZeus  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zeus", package)
    monkeypatch.setitem(sys.modules, "zeus.monitor", module)
    monitor = zeus_monitor()
    assert isinstance(monitor, FakeZeus)
    clock = Steps()
    assert zeus_energy(monitor, clock.run, clock_s=clock) == (Reading(400.0, 10.0, "board", "zeus, every GPU"), 10)


def test_without_zeus_there_is_no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeus.monitor", None)
    assert zeus_monitor() is None
