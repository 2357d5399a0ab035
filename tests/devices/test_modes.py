"""Power modes by what people type."""

from __future__ import annotations

import pytest

import roofline
from roofline.devices.modes import find_mode
from roofline.errors import DeviceError, UnitError

DEVICE = roofline.load_device("orin-agx")


@pytest.mark.parametrize("text", ["MODE_30W", "mode_30w", "30W", "30w", "30", "2", "MODE 30W", "mode-30w", None])
def test_usual_spellings(text: str | None) -> None:
    assert find_mode(DEVICE, text).name == "MODE_30W"


def test_knobs_on_top() -> None:
    mode = find_mode(DEVICE, "30W,gpu_freq=816MHz,mem_freq=2133 MHz,cpu_cores=4,tpc=8")
    assert mode.name == "MODE_30W,gpu_freq=816MHz,mem_freq=2133MHz,cpu_cores=4,tpc=8"
    assert mode.base == "MODE_30W"
    assert (mode.knobs["gpu_freq"], mode.knobs["mem_freq"], mode.knobs["cpu_cores"]) == (816e6, 2133e6, 4)
    assert mode.knobs["cpu_freq"] == 1728e6
    assert find_mode(DEVICE, "gpu_freq=1.3005GHz").base == "MODE_30W"
    assert find_mode(DEVICE, "30W,gpu_freq=612MHz").name == "MODE_30W"  # nothing changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("40W", "has no mode '40W'.*MAXN, MODE_15W, MODE_30W, MODE_50W"),
        ("5W", "has no mode '5W'"),
        ("N", "has no mode 'N'"),
        ("ODE_15W", "has no mode"),
        ("MODE", "'MODE' fits MODE_15W, MODE_30W, MODE_50W"),
        ("30W,gpu_freq=816MHz,gpu_freq=306MHz", "gpu_freq is set twice"),
        ("30W,50W", "two modes in one"),
        ("30W,gpu_freq=800MHz", "gpu_freq cannot be set to 800MHz.*714MHz or 816MHz"),
        ("30W,gpu_freq=2GHz", "1300.5MHz"),
        ("30W,cpu_cores=13", "cannot be set.*12"),
        ("30W,cpu_cores=two", "no count"),
        ("30W,speed=3", "no knob 'speed'.*gpu_freq"),
    ],
)
def test_what_cannot_be_set(text: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        find_mode(DEVICE, text)


def test_clocks_need_a_unit() -> None:
    with pytest.raises(UnitError, match="no quantity"):
        find_mode(DEVICE, "30W,gpu_freq=816")
