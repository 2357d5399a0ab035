"""Device files are read strictly: every mistake is named with its place in the file."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import roofline
from roofline.devices.load import build, check_device
from roofline.devices.locate import device_files
from roofline.errors import DeviceError, SpecError, SpecVersionError
from roofline.strict_yaml import loads

SPECS = Path(__file__).parents[2] / "device_specs"
DATA: dict[str, Any] = yaml.safe_load((SPECS / "orin-agx.yaml").read_text())


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_files_are_right(path: Path) -> None:
    assert check_device(path).id == path.stem


def test_every_shipped_device_is_found_by_id_and_alias() -> None:
    assert {path.stem for path in device_files()} >= {"orin-agx"}
    for name in ("orin-agx", "Orin_AGX", "jetson-agx-orin", "agx-orin", str(SPECS / "orin-agx.yaml")):
        assert roofline.load_device(name).id == "orin-agx"


def test_unknown_devices_get_a_suggestion() -> None:
    with pytest.raises(DeviceError, match=r"no device 'orin-agxx'.*did you mean orin-agx"):
        roofline.load_device("orin-agxx")
    with pytest.raises(DeviceError, match="no such device file"):
        roofline.load_device("./nothing.yaml")


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the device file with one entry replaced; `...` removes it."""
    data = copy.deepcopy(DATA)
    *parents, last = [int(k) if k.isdigit() else k for k in path.split("/")]
    here: Any = data
    for key in parents:
        here = here[key]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "place", "text"),
    [
        ("memory/dram/efficency", 1, "memory.dram", "did you mean 'efficiency'"),
        ("colour", "red", "", "unknown key 'colour'"),
        ("memory/dram/bus/source", ..., "memory.dram.bus", "'source' is missing"),
        ("memory/dram/bus/source", [], "memory.dram.bus.source", "without a source"),
        ("memory/dram/bus/source", ["HEARSAY"], "memory.dram.bus.source", "'HEARSAY' is not explained"),
        ("memory/dram/bus/kind", "guessed", "memory.dram.bus.kind", "none of datasheet, measured, derived, fitted"),
        ("memory/dram/bus/value", 32, "memory.dram.bus.value", "no quantity with a unit"),
        ("memory/dram/bus/value", "32", "memory.dram.bus.value", "no quantity with a unit"),
        ("memory/dram/bus/value", "32 GHz", "memory.dram.bus.value", "unit that does not fit"),
        ("memory/dram/bus/value", "-32 B", "memory.dram.bus.value", "negative"),
        ("memory/dram/bus/value", "1e999 B", "memory.dram.bus.value", "not finite"),
        ("memory/dram/efficiency/value", 1.7, "memory.dram.efficiency.value", "is no share"),
        ("memory/dram/clock", "emc", "memory.dram.clock", "none of the knobs"),
        ("memory/dram", ..., "memory", "'dram' is missing"),
        ("knobs/gpu_freq/values", [], "knobs.gpu_freq.values", "ascending and distinct"),
        ("knobs/gpu_freq/values", ["2 GHz", "1 GHz"], "knobs.gpu_freq.values", "ascending and distinct"),
        ("knobs/cpu_cores/values", [1, 2.5], "knobs.cpu_cores.values", "no count"),
        ("processors/gpu/pipes/tensor", {}, "processors.gpu.pipes", "none of matrix, vector"),
        ("processors/gpu/pipes/matrix/fp17", {}, "processors.gpu.pipes.matrix", "'fp17' is none of"),
        ("modes/0/knobs/gpu_freq", "1.3 GHz", "modes[0].knobs.gpu_freq", "none of the values"),
        ("modes/0/knobs/tpc", ..., "modes[0].knobs", "'tpc' is missing"),
        ("modes/1/name", "MAXN", "modes", "'MAXN' is there twice"),
        ("modes/1/id", 0, "modes", "'id 0' is there twice"),
        ("kindd", "jetson", "", "unknown key 'kindd'"),
        ("kind", ..., "", "'kind' is missing"),
        ("processors/gpu/pipes/vector/fp32/value", "0 FLOP/clk", "processors.gpu.pipes.vector.fp32.value", "be 0"),
        ("processors/gpu/units/per_step", 0, "processors.gpu.units.per_step", "not above 0"),
        ("memory/dram/bus/value", "0 B", "memory.dram.bus.value", "cannot be 0"),
        ("memory/dram/transfers_per_clock", -2, "memory.dram.transfers_per_clock", "not above 0"),
        ("knobs/gpu_freq/values", ["0 MHz", "1 GHz"], "knobs.gpu_freq.values", "cannot be 0"),
        ("power/voltage/points", [["306 MHz", 0.0], ["1 GHz", 1.0]], "power.voltage.points", "above 0"),
        ("energy/0/reference", {"gpu_freq": "1300.6 MHz"}, "energy[0].reference.gpu_freq", "none of the values"),
        ("energy/0/reference", {"mem_freq": "3199 MHz"}, "energy[0].reference", "'gpu_freq'.*is missing"),
        ("energy/0/precisions", ["fp16", "tf32"], "energy", "both cover tf32"),
        ("power/idle/1/mode", "MAXN", "power.idle[1]", "is there twice"),
        ("default_mode", "MODE_99W", "default_mode", "none of the modes"),
        ("power/idle/0/mode", "MODE_99W", "power.idle[0].mode", "none of the modes"),
        ("power/idle/0/boundary", "wall", "power.idle[0].boundary", "none of module"),
        ("power/voltage/points", [["306 MHz", 1.0]], "power.voltage.points", "two at least"),
        ("energy/0/precisions", ["fp13"], "energy[0]", "'fp13' is none of"),
        ("energy/0/traffic", ["magic"], "energy[0].traffic", "none of fused"),
        ("energy/0/processor", "npu", "energy[0].processor", "none of the processors"),
    ],
)
def test_mistakes_are_named_with_their_place(path: str, value: Any, place: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        build(changed(path, value), "device.yaml")
    message = str(caught.value)
    assert message.startswith("device.yaml" + (f": {place}" if place else "")), message
    assert re.search(text, message), message


def test_a_source_that_nothing_cites_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "orin-agx.yaml"
    path.write_text((SPECS / "orin-agx.yaml").read_text() + "  LEFT-OVER: some page\n")
    with pytest.raises(SpecError, match="nothing cites the source 'LEFT-OVER'"):
        check_device(path)


def test_newer_format_asks_for_a_newer_tool() -> None:
    with pytest.raises(SpecVersionError, match="upgrade the tool"):
        build(changed("schema", "roofline.device/2"), "device.yaml")


def test_id_must_be_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text((SPECS / "orin-agx.yaml").read_text())
    with pytest.raises(SpecError, match="the id is 'orin-agx'"):
        check_device(path)


def test_yaml_surprises_do_not_happen() -> None:
    found = loads("a: on\nb: NO\nc: 12:30:45\nd: 1e3\ne: 2020-01-01\nf: 0o17\ng: 'true'\nh: true\ni: 5", "f")
    assert found == {"a": "on", "b": "NO", "c": "12:30:45", "d": 1000.0, "e": "2020-01-01", "f": "0o17",
                     "g": "true", "h": True, "i": 5}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", r"f:4: the key 'c' is there twice"),
        ("a: &x 1\nb: *x", "anchors and aliases"),
        ("a: &x [1, 2]\nb: [*x, *x]", "anchors and aliases"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: [1, 2", "not valid YAML"),
        ("", "empty"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("? [a, b]\n: 1", "a key must be plain text"),
    ],
)
def test_yaml_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        loads(text, "f")


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the user's own goes before a shipped one of the same id."""
    text = (SPECS / "orin-agx.yaml").read_text().replace("name: NVIDIA Jetson", "name: MY Jetson")
    (tmp_path / "orin-agx.yaml").write_text(text)
    monkeypatch.setenv("ROOFLINE_DEVICE_PATH", str(tmp_path))
    assert roofline.load_device("orin-agx").name.startswith("MY Jetson")


def test_parsed_files_are_cached_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "orin-agx.yaml"
    path.write_text((SPECS / "orin-agx.yaml").read_text())
    assert roofline.load_device(path).name == DATA["name"]
    entries = list((tmp_path / "cache" / "roofline").iterdir())
    assert len(entries) == 1
    assert roofline.load_device(path) == roofline.load_device(path)
    path.write_text(path.read_text().replace("name: NVIDIA", "name: OTHER"))
    assert roofline.load_device(path).name.startswith("OTHER")  # other content, other key
    entries[0].write_text("not json")  # a damaged entry is not used
    path.write_text((SPECS / "orin-agx.yaml").read_text())
    assert roofline.load_device(path).name == DATA["name"]
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")  # nor is a folder that cannot be written an error
    assert roofline.load_device(path).name == DATA["name"]
