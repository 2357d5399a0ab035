"""Variants of a device, stock clocks, and memories without a clock."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

import roofline
from roofline.devices.load import build
from roofline.devices.modes import find_mode
from roofline.errors import DeviceError, SpecError

SPECS = Path(__file__).parents[2] / "device_specs"
DATA: dict[str, Any] = yaml.safe_load((SPECS / "orin-agx.yaml").read_text())


def test_variant_by_name() -> None:
    newest, old = roofline.load_device("orin-agx"), roofline.load_device("agx-orin@r35.1")
    assert (newest.variant, old.variant) == ("r36", "r35.1")
    assert newest.variants == old.variants == ("r36", "r35.1")
    assert len(newest.knobs["gpu_freq"].values) == 11 and len(old.knobs["gpu_freq"].values) == 13
    assert find_mode(old, "50W").knobs["gpu_freq"] == 828.75e6  # NVIDIA's documents of R35.1
    assert old.processors == newest.processors and old.energy == newest.energy
    assert roofline.load_device(str(SPECS / "orin-agx.yaml") + "@r35.1").variant == "r35.1"


def test_unknown_variant_names_those_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no variant 'r99'.*expected r36, r35.1"):
        roofline.load_device("orin-agx@r99")


def test_patches_follow_rfc_7396() -> None:
    """The examples of RFC 7396, appendix A, as far as they make sense for mappings."""
    from roofline.devices.variants import choose_variant

    for base, patch, want in [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]:
        merged, _, _ = choose_variant({**base, "variant": "one", "variants": {"two": patch}}, "x", "two")
        merged.pop("variant")
        assert merged == want


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": ["r1"]}, "variants: expected a mapping of mappings"),
        ({"variant": ...}, "does not name its own"),
        ({"variants": {"r36": {}}}, "'r36' is the name of the file's own variant"),
    ],
)
def test_mistakes_in_variants(change: dict[str, Any], message: str) -> None:
    data = {k: v for k, v in {**copy.deepcopy(DATA), **change}.items() if v is not ...}
    with pytest.raises(SpecError, match=message):
        build(data, "device.yaml")


def test_a_mistake_inside_a_variant_is_found() -> None:
    data = copy.deepcopy(DATA)
    data["variants"]["r35.1"]["modes"][1]["knobs"]["gpu_freq"] = "408 MHz"
    build(data, "device.yaml")  # the default variant is right
    with pytest.raises(SpecError, match=r"modes\[1\].knobs.gpu_freq"):
        build(data, "device.yaml", "r35.1")


def test_stock_clocks_replace_the_caps_where_they_are_known() -> None:
    data = copy.deepcopy(DATA)
    data["modes"][0]["stock_clocks"] = {"mem_freq": "2133 MHz"}
    device = build(data, "device.yaml")
    assert find_mode(device, "MAXN").knobs["mem_freq"] == 3199e6
    stock = find_mode(device, "MAXN", "stock")
    assert stock.knobs["mem_freq"] == 2133e6 and stock.name == "MAXN"
    assert find_mode(device, "MAXN,mem_freq=665.6MHz", "stock").knobs["mem_freq"] == 665.6e6
    data["modes"][0]["stock_clocks"] = {"mem_freq": "2134 MHz"}
    with pytest.raises(SpecError, match=r"stock_clocks.mem_freq"):
        build(data, "device.yaml")


def test_memory_of_one_fixed_bandwidth_without_a_measured_share() -> None:
    data = copy.deepcopy(DATA)
    dram = data["memory"]["dram"]
    for key in ("clock", "transfers_per_clock", "bus", "efficiency", "size"):
        del dram[key]
    dram["bandwidth"] = {"value": "100 GB/s", "kind": "datasheet", "source": ["TECHBRIEF"]}
    data["processors"]["gpu"].pop("memory_path")
    data["power"]["idle_models"] = []
    device = build(data, "device.yaml")
    from conftest import model_path

    analysis = roofline.analyze(model_path("mobilenet_v2"), device, traffic="unfused")
    memory = [layer for layer in analysis.layers if layer["limited_by"] == "memory"]
    assert memory
    for layer in memory:
        assert layer["roofline_time_s"] == pytest.approx((layer["bytes_read"] + layer["bytes_written"]) / 100e9)
    assert {"bandwidth-datasheet", "memory-path-unknown"} <= {f.code for f in analysis.findings}


def test_modes_of_a_conf_for_another_variant(tmp_path: Path) -> None:
    """A board of R35.1 has its own clock list; the file made for it has no variants any more."""
    from roofline.cli.main import main
    from roofline.devices.load import check_device

    conf = Path(__file__).parents[1] / "data" / "nvpmodel" / "orin_agx.conf"
    target = tmp_path / "old-board.yaml"
    assert main(["devices", "import-nvpmodel", str(conf), "--device", "orin-agx@r35.1", "-o", str(target)]) == 0
    spec = check_device(target)
    assert spec.variants == () and len(spec.knobs["gpu_freq"].values) == 13
    assert find_mode(spec, "50W").knobs["gpu_freq"] == 828.75e6  # the nearest step to the file's 816 MHz
