"""The AGX Orin file against published figures: NVIDIA's peaks, the clock lists, the measured bandwidths."""

from __future__ import annotations

import pytest

import roofline
from roofline.devices.mode_set import mode_set
from roofline.devices.spec import Number
from roofline.devices.tables import energy_table, mode_table, relative_voltage
from roofline.export.as_device import number_rows

DEVICE = roofline.load_device("orin-agx")
GPU = DEVICE.processors["gpu"]
ALL_MODES = mode_set(DEVICE, DEVICE.modes)
MODES = {mode.name: i for i, mode in enumerate(DEVICE.modes)}


def peak(mode: str, pipe: str, precision: str) -> float:
    table = mode_table(DEVICE, GPU, ALL_MODES, [(pipe, precision)])
    return float(table.peak_flop_per_s[MODES[mode], 0])


def test_knobs_have_their_complete_lists() -> None:
    sizes = {name: len(knob.values) for name, knob in DEVICE.knobs.items() if name != "dla_freq"}
    assert sizes == {"gpu_freq": 11, "mem_freq": 4, "cpu_freq": 29, "cpu_cores": 12, "tpc": 8}
    assert DEVICE.grid_size == 12 * 29 * 11 * 4 == 15312


@pytest.mark.parametrize(
    ("mode", "fp32", "fp16", "int8"),
    [  # GFLOP/s, derived independently: 2 SM x TPC x 256 (2048, 4096) FLOP x clock
        ("MAXN", 5326.8, 42614.8, 85229.6),
        ("MODE_15W", 626.7, 5013.5, 10027.0),
        ("MODE_30W", 1253.4, 10027.0, 20054.0),
        ("MODE_50W", 3342.3, 26738.7, 53477.4),
    ],
)
def test_peaks_per_mode(mode: str, fp32: float, fp16: float, int8: float) -> None:
    assert peak(mode, "vector", "fp32") == pytest.approx(fp32 * 1e9, rel=1e-4)
    assert peak(mode, "matrix", "fp16") == pytest.approx(fp16 * 1e9, rel=1e-4)
    assert peak(mode, "matrix", "int8") == pytest.approx(int8 * 1e9, rel=1e-4)
    assert peak(mode, "matrix", "tf32") == pytest.approx(fp16 * 1e9 / 2, rel=1e-4)
    assert peak(mode, "matrix", "bf16") == peak(mode, "matrix", "fp16")


def test_dense_int8_is_half_of_the_published_sparse_figure() -> None:
    assert 2 * peak("MAXN", "matrix", "int8") == pytest.approx(170e12, rel=5e-3)


@pytest.mark.parametrize(
    ("mode", "measured"), [("MAXN", 189.5e9), ("MODE_50W", 170e9), ("MODE_30W", 128e9), ("MODE_15W", 81e9)]
)
def test_measured_stream_bandwidth_is_near_and_never_above(mode: str, measured: float) -> None:
    """STREAM per mode (branes-ai/graphs): within 6 %, and not beaten by more than half a percent."""
    table = mode_table(DEVICE, GPU, ALL_MODES, [])
    ceiling = float(table.bandwidth_byte_per_s[MODES[mode]])
    assert measured <= 1.005 * ceiling
    assert measured == pytest.approx(ceiling, rel=0.06)
    assert float(table.nominal_byte_per_s[MODES["MAXN"]]) == pytest.approx(204.7e9, rel=1e-3)


def test_two_ceilings_of_bandwidth() -> None:
    table = mode_table(DEVICE, GPU, ALL_MODES, [])
    path_binds = (table.path_byte_per_s < table.dram_byte_per_s).tolist()
    assert path_binds == [False, True, True, True]  # MAXN waits for DRAM, the others for the GPU clock


def test_relative_voltage_passes_through_its_points() -> None:
    volts = relative_voltage(DEVICE, ALL_MODES, {"gpu_freq": 1300.5e6})
    assert float(volts[MODES["MAXN"]]) == 1.0
    assert float(volts[MODES["MODE_50W"]]) == pytest.approx(1.085 / 1.295)
    assert float(volts[MODES["MODE_30W"]]) == pytest.approx(1.028 / 1.295)


def test_energy_table_scales_as_stated() -> None:
    fp32 = next(s for s in DEVICE.energy if s.name == "fp32-pagoda")
    keys = [("matrix", "tf32"), ("vector", "fp16")]
    table = energy_table(DEVICE, GPU, fp32, ALL_MODES, keys)
    v2 = (1.085 / 1.295) ** 2
    i = MODES["MODE_50W"]
    assert float(table.energy_per_flop[i, 0]) == pytest.approx(8.67e-12 * v2)
    assert float(table.energy_per_byte[i]) == pytest.approx(41.0e-12 + 92.7e-12 * v2)
    assert float(table.static_power_w[i]) == pytest.approx(3.54 + 4.07 + (2.87 + 12.6) * (816 / 1300.5) * v2)
    assert str(float(table.energy_per_flop[i, 1])) == "nan"  # not known, so not a number


def test_every_number_names_its_source() -> None:
    rows = number_rows(DEVICE)
    assert len(rows) > 25
    for row in rows:
        assert row["kind"] in ("datasheet", "measured", "derived", "fitted")
        assert row["source"] and all(len(DEVICE.sources[key]) > 20 for key in row["source"].split())
    assert all(knob.origin.source for knob in DEVICE.knobs.values())
    assert all(mode.origin and mode.origin.source for mode in DEVICE.modes)
    assert isinstance(DEVICE.memory.efficiency, Number)
