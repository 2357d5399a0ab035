"""nvpmodel.conf: read, turned into a device file, written back.

Expected values are the published settings of the modes, and readings of boards: a Jetson Nano whose file caps the GPU
at 640 MHz and the CPU at 918 MHz reads back 614.4 and 921.6 MHz.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import roofline
from roofline.devices.load import build, check_device, read_device
from roofline.devices.nvpmodel import (
    emit_fragment,
    emit_mode,
    export_modes,
    import_modes,
    mode_knobs,
    parse_conf,
    read_conf,
)
from roofline.devices.spec import DeviceSpec, Knob
from roofline.errors import DeviceError, RooflineError, SpecError, UsageError
from roofline.strict_yaml import loads

DATA = Path(__file__).parents[1] / "data" / "nvpmodel"
AGX = (DATA / "orin_agx.conf").read_text()
NANO = (DATA / "nano.conf").read_text()
ORIN = roofline.load_device("orin-agx")
BOARD = read_device(DATA / "nano.yaml")
CODES = {"nvpmodel-copied", "nvpmodel-reboot"}


def knobs_of(text: str, name: str, device: DeviceSpec = ORIN) -> dict[str, float]:
    conf = parse_conf(text)
    return dict(mode_knobs(conf, next(m for m in conf.models if m.name == name), device).knobs)


def with_knob(device: DeviceSpec, name: str, **fields: object) -> DeviceSpec:
    knob: Knob = device.knobs[name]._replace(**fields)
    return device._replace(knobs={**device.knobs, name: knob})


# -- reading


@pytest.mark.parametrize("text", [AGX, NANO, AGX.replace("\n", "\r\n"), "", "no newline", "\n\n"])
def test_nothing_is_lost(text: str) -> None:
    assert "".join(parse_conf(text).lines) == text


def test_sections_and_line_numbers() -> None:
    conf = read_conf(DATA / "orin_agx.conf")
    assert [(m.id, m.name) for m in conf.models] == [(0, "MAXN"), (1, "MODE_15W"), (2, "MODE_30W"), (3, "MODE_50W")]
    assert conf.default == 2 and conf.lines[conf.default_line - 1].startswith("< PM_CONFIG")
    for model in conf.models:
        assert f"NAME={model.name} " in conf.lines[model.line - 1]
        for setting in model.settings:
            assert conf.lines[setting.line - 1].split() == [setting.param, setting.arg, setting.value]
    assert conf.params["EMC"].type == "CLOCK"  # its header has no space behind the bracket
    assert conf.params["CPU_A78_1"].args["MAX_FREQ"].startswith("/sys/devices/system/cpu/cpu4/")
    assert [f.where for f in conf.findings] == [f"{DATA / 'orin_agx.conf'}:{len(conf.lines)}"]  # FAN_CONFIG


@pytest.mark.parametrize(
    ("bad", "line", "text"),
    [
        ("< POWER_MODEL ID=0 NAME=MAXN", 1, "malformed header"),
        ("\n< POWER_MODEL ID= NAME=MAXN >", 2, "malformed header"),
        ("< POWER_MODEL >", 1, "no ID"),
        ("< POWER_MODEL ID=0 >", 1, "no NAME"),
        ("< POWER_MODEL NAME=MAXN >", 1, "no ID"),
        ("< POWER_MODEL ID=zero NAME=MAXN >", 1, "ID=zero is no number"),
        ("< POWER_MODEL ID=-1 NAME=MAXN >", 1, "ID=-1 is no number"),
        (f"< POWER_MODEL ID={'9' * 5000} NAME=MAXN >", 1, "is no number"),
        ("< POWER_MODEL ID=0 ID=1 NAME=A >", 1, "one thing twice"),
        ("< POWER_MODEL ID=0 NAME=A >\n< POWER_MODEL ID=0 NAME=B >", 2, "ID=0 is there twice, first in line 1"),
        ("< PARAM TYPE=FILE >", 1, "no NAME"),
        ("< PARAM NAME=GPU >", 1, "no TYPE"),
        ("< PARAM TYPE=FILE NAME=A >\n#\n< PARAM TYPE=FILE NAME=A >", 3, "PARAM A is there twice"),
        ("< PM_CONFIG DEFAULT=x >", 1, "DEFAULT=x is no number"),
        ("< PM_CONFIG >", 1, "no DEFAULT"),
        ("< PM_CONFIG DEFAULT=0 >\n< PM_CONFIG DEFAULT=0 >", 2, "PM_CONFIG is there twice"),
        ("< POWER_MODEL ID=0 NAME=A >\n< PM_CONFIG DEFAULT=7 >", 2, "DEFAULT=7 is the ID of no power model"),
        ("< POWER_MODEL ID=0 NAME=A >\nGPU MAX_FREQ fast", 2, "'fast' is no clock"),
        ("< POWER_MODEL ID=0 NAME=A >\nGPU MAX_FREQ -5", 2, "'-5' is no clock"),
        ("< POWER_MODEL ID=0 NAME=A >\nGPU MAX_FREQ 1e9", 2, "'1e9' is no clock"),
        ("< POWER_MODEL ID=0 NAME=A >\nCPU_ONLINE CORE_0 yes", 2, "neither on nor off"),
        ("< POWER_MODEL ID=0 NAME=A >\nTPC_POWER_GATING TPC_PG_MASK all", 2, "'all' is no mask"),
    ],
)
def test_mistakes_are_named_with_their_line(bad: str, line: int, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_conf(bad, "x.conf")
    message = str(caught.value)
    assert message.startswith(f"x.conf:{line}: ") and text in message and "\n" not in message


def test_what_is_not_understood_is_kept_and_said() -> None:
    text = "stray\n< POWER_MODEL ID=0 NAME=A >\nGPU MAX_FREQ 1 2\nGPU MAX_FREQ -1\nGPU MAX_FREQ 408000000\nWIFI ON no\n"
    conf = parse_conf(text)
    assert "".join(conf.lines) == text
    assert [f.where for f in conf.findings] == [f"nvpmodel.conf:{n}" for n in (1, 3, 5)]
    found = conf.models[0].find("GPU", "MAX_FREQ")
    assert found is not None and found.number == 408000000  # of two the last
    assert conf.models[0].find("WIFI", "ON") is not None


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RooflineError, match="no such file"):
        read_conf(tmp_path / "nothing.conf")
    with pytest.raises(RooflineError, match="cannot be read"):
        read_conf(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not UTF-8"):
        read_conf(tmp_path / "bytes")


# -- knobs


@pytest.mark.parametrize(
    ("mode", "gpu", "mem", "cpu", "cores", "tpc", "dla"),
    [  # MHz; no cap is the highest value; mask 248 of 8 bits leaves 3 TPCs, 240 leaves 4
        ("MAXN", 1300.5, 3199, 2201.6, 12, 8, 1600),
        ("MODE_15W", 408, 2133, 1113.6, 4, 3, 614.4),
        ("MODE_30W", 612, 3199, 1728, 8, 4, 1369.6),
        ("MODE_50W", 816, 3199, 1497.6, 12, 8, 1369.6),
    ],
)
def test_modes_of_agx_orin(mode: str, gpu: float, mem: float, cpu: float, cores: int, tpc: int, dla: float) -> None:
    expected = {"gpu_freq": gpu * 1e6, "mem_freq": mem * 1e6, "cpu_freq": cpu * 1e6, "cpu_cores": cores, "tpc": tpc,
                "dla_freq": dla * 1e6}  # fmt: skip
    assert knobs_of(AGX, mode) == pytest.approx(expected)
    shipped = next(m for m in ORIN.modes if m.name == mode)
    assert knobs_of(AGX, mode) == dict(shipped.knobs)


def test_caps_between_steps_are_taken_at_the_nearest() -> None:
    conf = parse_conf(NANO)
    found = mode_knobs(conf, conf.models[1], BOARD)
    assert dict(found.knobs) == {"gpu_freq": 614.4e6, "mem_freq": 1600e6, "cpu_freq": 921.6e6, "cpu_cores": 2}
    assert dict(found.off_table) == {"gpu_freq": 640e6, "cpu_freq": 918e6}
    assert [f.code for f in found.findings] == ["nvpmodel-step"] * 2
    assert "640.000 MHz" in found.findings[0].message and "614.400 MHz" in found.findings[0].message
    assert knobs_of(NANO, "MAXN", BOARD) == {k.name: k.values[-1] for k in BOARD.knobs.values()}  # EMC 0, others -1


def mask_of(device: DeviceSpec, mask: str) -> tuple[float, list[str]]:
    conf = parse_conf(f"< POWER_MODEL ID=0 NAME=A >\nTPC_POWER_GATING TPC_PG_MASK {mask}\n")
    found = mode_knobs(conf, conf.models[0], device)
    return found.knobs["tpc"], [f.code for f in found.findings if f.code != "nvpmodel-unset"]


@pytest.mark.parametrize(("mask", "tpc"), [("0", 8), ("248", 3), ("240", 4), ("0xF8", 3), ("254", 1), ("5", 6)])
def test_a_set_bit_switches_a_tpc_off(mask: str, tpc: int) -> None:
    assert mask_of(ORIN, mask) == (tpc, [])


def test_bits_beyond_the_tpcs() -> None:
    small = with_knob(ORIN, "tpc", values=(1.0, 2.0, 3.0, 4.0))
    assert mask_of(small, "240") == (4, ["nvpmodel-mask"])  # Orin NX: 4 TPCs, the other 4 are fused off
    told = with_knob(small, "tpc", mask_bits=8)
    assert mask_of(told, "240") == (4, []) and mask_of(told, "252") == (2, []) and mask_of(told, "0") == (4, [])
    xavier_nx = with_knob(ORIN, "tpc", values=(1.0, 2.0, 3.0), mask_bits=4)
    assert mask_of(xavier_nx, "1") == (3, [])  # its files mask the one that is fused off
    assert mask_of(ORIN, "255") == (1, ["nvpmodel-step"])


def test_a_mask_whose_bits_are_not_known() -> None:
    conf = parse_conf("< POWER_MODEL ID=0 NAME=A >\nGPU_POWER_GATING GPU_PG_MASK 512\n")
    found = mode_knobs(conf, conf.models[0], ORIN)
    assert found.knobs["tpc"] == 8
    assert any(f.code == "nvpmodel-mask" and "512" in f.message for f in found.findings)


def test_what_a_mode_does_not_set_is_said() -> None:
    conf = parse_conf("< POWER_MODEL ID=0 NAME=A >\nCPU_ONLINE CORE_1 0\n")
    found = mode_knobs(conf, conf.models[0], BOARD)
    assert found.knobs["cpu_cores"] == 3
    assert {f.message.split()[1] for f in found.findings if f.code == "nvpmodel-unset"} == {
        "gpu_freq", "mem_freq", "cpu_freq", "cores"}  # fmt: skip


TX2 = """\
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
CORE_1 /sys/devices/system/cpu/cpu1/online
CORE_2 /sys/devices/system/cpu/cpu2/online
CORE_3 /sys/devices/system/cpu/cpu3/online
< PARAM TYPE=CLOCK NAME=CPU_A57 >
MAX_FREQ /sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq
< PARAM TYPE=CLOCK NAME=CPU_DENVER >
MAX_FREQ /sys/devices/system/cpu/cpu1/cpufreq/scaling_max_freq
< POWER_MODEL ID=0 NAME=MAXQ >
CPU_ONLINE CORE_1 0
CPU_ONLINE CORE_2 1
CPU_ONLINE CORE_3 1
CPU_A57 MAX_FREQ 825600
CPU_DENVER MAX_FREQ 1479000
GPU MAX_FREQ 307200000
EMC MAX_FREQ 0
< PM_CONFIG DEFAULT=0 >
"""


def test_clusters() -> None:
    assert knobs_of(TX2, "MAXQ", BOARD)["cpu_cores"] == 3
    assert knobs_of(TX2, "MAXQ", BOARD)["cpu_freq"] == 825.6e6  # the other cluster is off
    conf = parse_conf(TX2.replace("CORE_1 0", "CORE_1 1"))
    found = mode_knobs(conf, conf.models[0], BOARD)
    assert found.knobs["cpu_freq"] == 1479e6 and [f.code for f in found.findings] == ["nvpmodel-clusters"]


# -- device files


def test_import_of_the_stock_file_gives_the_stock_modes(tmp_path: Path) -> None:
    result = import_modes(parse_conf(AGX, "agx.conf"), ORIN)
    target = tmp_path / "orin-agx-custom.yaml"
    target.write_text(result.text)
    spec = check_device(target)
    assert spec.id == "orin-agx-custom" and spec.default_mode == "MODE_30W" and spec.aliases == ()
    assert [(m.name, m.id, dict(m.knobs)) for m in spec.modes] == [(m.name, m.id, dict(m.knobs)) for m in ORIN.modes]
    assert {m.origin.kind for m in spec.modes if m.origin} == {"datasheet"}
    assert "agx.conf" in spec.sources["NVPMODEL-CONF"]
    same = ("knobs", "processors", "memory", "idle", "energy", "voltage", "name", "conflicts", "unknown")
    assert all(getattr(spec, field) == getattr(ORIN, field) for field in same)
    before, after = Path(ORIN.path).read_text().splitlines(), result.text.splitlines()
    assert set(after) - set(before) == {
        after[0], "id: orin-agx-custom", "    source: [NVPMODEL-CONF]", after[-1]}  # fmt: skip
    assert [f.code for f in result.findings] == [
        "nvpmodel-line", "nvpmodel-unmapped", "variants-dropped", "aliases-dropped"]  # fmt: skip


CUSTOM = AGX.replace("NAME=MODE_15W", "NAME=15W:cool").replace("NAME=MODE_50W", "NAME=1e3").replace(
    "GPU MAX_FREQ 612000000", "GPU MAX_FREQ 714000000")  # fmt: skip


def test_custom_modes_and_the_idle_power_that_goes_with_them() -> None:
    result = import_modes(parse_conf(CUSTOM.replace("DEFAULT=2", "DEFAULT=3")), ORIN, id="mine")
    spec = result.device
    assert (spec.id, spec.default_mode) == ("mine", "1e3")
    assert [m.name for m in spec.modes] == ["MAXN", "15W:cool", "MODE_30W", "1e3"]  # the last is no number in YAML
    assert spec.modes[2].knobs["gpu_freq"] == 714e6
    assert [(i.mode, i.clocks) for i in spec.idle] == [("MAXN", "locked"), ("MODE_30W", "locked"), ("MAXN", "stock"),
                                                       ("MODE_30W", "stock")]  # fmt: skip
    messages = {f.code: f.message for f in result.findings}
    assert messages["idle-dropped"].endswith("MODE_15W, MODE_50W")
    assert messages["idle-other-clocks"].startswith("MODE_30W")
    assert result.text.count("#") >= Path(ORIN.path).read_text().count("#")  # comments stay


def test_sources_of_the_old_modes_alone_go_and_comments_stay() -> None:
    result = import_modes(parse_conf(NANO, "nano.conf"), BOARD)
    assert set(result.device.sources) == {"TEST", "NVPMODEL-CONF"}
    assert "# the sources follow" in result.text and "# of everything" in result.text
    assert "gpu_freq 640 MHz" in result.device.modes[1].origin.note  # type: ignore[union-attr]


def test_all_idle_power_gone() -> None:
    text = "\n".join(re.sub(r"NAME=(?=MAXN|MODE_)", "NAME=MY_", line) for line in AGX.splitlines())
    result = import_modes(parse_conf(text), ORIN)
    assert result.device.idle == () and result.device.voltage == ORIN.voltage


def test_import_of_an_import(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(import_modes(parse_conf(AGX), ORIN, id="a").text)
    again = import_modes(parse_conf(NANO.replace("640000000", "306000000")), read_device(tmp_path / "a.yaml"), id="b")
    assert [m.name for m in again.device.modes] == ["MAXN", "5W"]
    assert [k for k in again.device.sources if k.startswith("NVPMODEL")] == ["NVPMODEL-CONF-2"]


def test_two_modes_of_one_name_and_no_default() -> None:
    text = "".join(f"< POWER_MODEL ID={i} NAME=A >\nGPU MAX_FREQ -1\n" for i in (4, 1))
    result = import_modes(parse_conf(text), BOARD)
    assert [(m.name, m.id) for m in result.device.modes] == [("A", 4), ("A_ID1", 1)]
    assert result.device.default_mode == "A"
    assert {"nvpmodel-name", "nvpmodel-default"} <= {f.code for f in result.findings}


def test_what_cannot_be_imported() -> None:
    with pytest.raises(SpecError, match="no POWER_MODEL"):
        import_modes(parse_conf("# empty\n"), ORIN)
    with pytest.raises(UsageError, match="no device id"):
        import_modes(parse_conf(AGX), ORIN, id="My Board")
    with pytest.raises(DeviceError, match="of kind 'server': nvpmodel sets nothing"):
        import_modes(parse_conf(AGX), ORIN._replace(kind="server"))


def test_a_device_file_in_flow_style_is_refused(tmp_path: Path) -> None:
    import json

    path = tmp_path / "flow.yaml"
    path.write_text(json.dumps(loads((DATA / "nano.yaml").read_text(), "x")))
    with pytest.raises(SpecError, match="cannot be edited as text"):
        import_modes(parse_conf(NANO), read_device(path))


def test_mask_bits_of_a_device_file_are_checked() -> None:
    text = Path(ORIN.path).read_text().replace("    reboot: true\n", "    reboot: true\n    mask_bits: 9\n")
    assert build(loads(text, "x"), "x").knobs["tpc"].mask_bits == 9
    with pytest.raises(SpecError, match=r"knobs.tpc.mask_bits: 7 bits do not fit"):
        build(loads(text.replace("mask_bits: 9", "mask_bits: 7"), "x"), "x")


# -- writing


def new_block(base: str, result: str) -> list[str]:
    """Return the lines that were added: one run of them, directly before PM_CONFIG; the rest is as it was.

    The first of them, which says who made it, is left out.
    """
    found = re.search(
        rf"^# \S+ is made by roofline {re.escape(roofline.__version__)}\r?\n(?=< POWER_MODEL)", result, re.M
    )
    assert found is not None
    result = result[: found.start()] + result[found.end() :]
    start = result.index("< POWER_MODEL", 0 if "< POWER_MODEL" not in base else base.rindex("< POWER_MODEL") + 1)
    end = result.index("< PM_CONFIG")
    assert result[:start] + result[end:] == base
    assert base[start:].startswith("< PM_CONFIG")
    return result[start:end].splitlines()


def test_the_nearest_mode_is_copied_and_only_clocks_change() -> None:
    knobs = {**ORIN.modes[2].knobs, "gpu_freq": 816e6, "mem_freq": 2133e6, "cpu_freq": 1190.4e6}
    result = emit_mode(AGX, ORIN, knobs, name="ROOFLINE")
    block = new_block(AGX, result.conf)
    old = AGX[AGX.index("< POWER_MODEL ID=2") : AGX.index("< POWER_MODEL ID=3")].splitlines()
    assert result.mode_id == 4 and block[0] == "< POWER_MODEL ID=4 NAME=ROOFLINE >"
    changed = {(a, b) for a, b in zip(old, block, strict=True) if a != b}
    assert changed == {
        (old[0], block[0]),
        ("CPU_A78_0 MAX_FREQ 1728000", "CPU_A78_0 MAX_FREQ 1190400"),
        ("CPU_A78_1 MAX_FREQ 1728000", "CPU_A78_1 MAX_FREQ 1190400"),
        ("GPU MIN_FREQ 0", "GPU MIN_FREQ 816000000"),
        ("GPU MAX_FREQ 612000000", "GPU MAX_FREQ 816000000"),
        ("EMC MAX_FREQ -1", "EMC MAX_FREQ 2133000000"),
    }
    assert not result.needs_reboot and "sudo reboot" not in result.apply
    assert [f.code for f in result.findings] == ["nvpmodel-copied", "nvpmodel-reboot"]
    assert "copy of MODE_30W with 5 lines changed" in result.findings[0].message


def test_cores_clusters_and_minimum() -> None:
    knobs = {**ORIN.modes[2].knobs, "cpu_cores": 6, "cpu_freq": 115.2e6}
    block = new_block(AGX, emit_mode(AGX, ORIN, knobs, name="SIX").conf)
    assert [f"CPU_ONLINE CORE_{i} {int(i < 6)}" for i in range(12)] == block[1:13]
    # the second cluster is on for two of its cores; the minimum may not exceed the maximum
    assert [line for line in block if line.startswith("CPU_A78")] == [
        "CPU_A78_0 MIN_FREQ 115200", "CPU_A78_0 MAX_FREQ 115200",
        "CPU_A78_1 MIN_FREQ 115200", "CPU_A78_1 MAX_FREQ 115200"]  # fmt: skip
    # a cluster without a core that is on has no files: no lines for it; one that comes back gets them
    three = new_block(AGX, emit_mode(AGX, ORIN, {**ORIN.modes[0].knobs, "cpu_cores": 3}, name="T").conf)
    assert {line.split()[0] for line in three if line.startswith("CPU_A78")} == {"CPU_A78_0"}
    only = AGX[: AGX.index("< POWER_MODEL ID=2")].replace("< POWER_MODEL ID=0", "< POWER_MODEL ID=9")
    only = (
        only[: only.index("< POWER_MODEL ID=9")]
        + only[only.index("< POWER_MODEL ID=1") :]
        + "< PM_CONFIG DEFAULT=1 >\n"
    )
    nine = new_block(only, emit_mode(only, ORIN, {"cpu_cores": 9}, name="N").conf)
    assert [line for line in nine if line.startswith("CPU_A78")] == [
        f"CPU_A78_{k} {arg}" for k in range(3) for arg in ("MIN_FREQ 729600", "MAX_FREQ 1113600")
    ]


def test_a_block_with_as_many_cores_on_keeps_its_own() -> None:
    block = new_block(TX2, emit_mode(TX2, BOARD, {"cpu_cores": 3, "gpu_freq": 384e6}, name="A").conf)
    assert "CPU_ONLINE CORE_1 0" in block and "GPU MAX_FREQ 384000000" in block
    two = new_block(TX2, emit_mode(TX2, BOARD, {"cpu_cores": 2}, name="A").conf)
    # core 0 cannot be switched, and the file does not mention it
    assert [line for line in two if "CORE" in line] == [f"CPU_ONLINE CORE_{i} {v}" for i, v in ((1, 1), (2, 0), (3, 0))]
    assert "CPU_DENVER MAX_FREQ 1479000" in two


def test_the_id_is_above_the_largest() -> None:
    base = AGX.replace("ID=1 ", "ID=7 ").replace("ID=3 ", "ID=14 ")
    assert emit_mode(base, ORIN, {}, name="A").mode_id == 15


@pytest.mark.parametrize(
    ("tpc", "mask", "reboot", "findings"),
    [(4, 240, False, set()), (3, 248, True, set()), (8, 0, True, set()), (2, 252, True, {"nvpmodel-mask"}),
     (6, 192, True, {"nvpmodel-mask"})],
)  # fmt: skip
def test_the_mask_changes_only_with_the_knob(tpc: int, mask: int, reboot: bool, findings: set[str]) -> None:
    """The default mode, MODE_30W, has mask 240; masks of the file are used where there are any."""
    result = emit_mode(AGX, ORIN, {**ORIN.modes[2].knobs, "tpc": tpc}, name="A")
    assert f"TPC_POWER_GATING TPC_PG_MASK {mask}" in new_block(AGX, result.conf)
    assert result.needs_reboot is reboot
    assert ("sudo reboot" in result.apply, "sudo reboot" in result.undo) == (reboot, reboot)
    assert {f.code for f in result.findings} - CODES == findings


def test_the_mask_of_a_part_with_a_fused_tpc_never_counts_on_it() -> None:
    nx = with_knob(ORIN, "tpc", values=(1.0, 2.0, 3.0), mask_bits=4)
    base = re.sub(r"TPC_PG_MASK \d+", "TPC_PG_MASK 1", AGX)
    result = emit_mode(base, nx, {"tpc": 2}, name="A")
    mask = next(int(line.split()[2]) for line in new_block(base, result.conf) if "TPC_PG_MASK" in line)
    assert mask & 1 and bin(mask).count("1") == 2  # of four bits one is fused off, one more is off


def test_no_cap_is_spelled_as_the_file_spells_it() -> None:
    for base, spelling in ((AGX, "-1"), (AGX.replace("EMC MAX_FREQ -1", "EMC MAX_FREQ 0"), "0")):
        block = new_block(base, emit_mode(base, ORIN, {**ORIN.modes[1].knobs, "mem_freq": 3199e6}, name="A").conf)
        assert f"EMC MAX_FREQ {spelling}" in block
    capped = re.sub("EMC MAX_FREQ -1", "EMC MAX_FREQ 2133000000", AGX)
    assert "EMC MAX_FREQ 0" in new_block(capped, emit_mode(capped, ORIN, {"mem_freq": 3199e6}, name="A").conf)


def test_the_commands() -> None:
    result = emit_mode(AGX, ORIN, ORIN.modes[2].knobs, name="A", file="my modes.conf")
    assert result.apply == (
        "test -e /etc/nvpmodel.conf.before-roofline || "
        "sudo cp -p /etc/nvpmodel.conf /etc/nvpmodel.conf.before-roofline",
        "sudo cp 'my modes.conf' /etc/nvpmodel.conf",
        "sudo nvpmodel -m 4",
    )
    assert result.undo == (
        "sudo cp -p /etc/nvpmodel.conf.before-roofline /etc/nvpmodel.conf",
        "sudo nvpmodel -m 2",
    )


def test_line_ends_are_those_of_the_file() -> None:
    base = AGX.replace("\n", "\r\n")
    result = emit_mode(base, ORIN, ORIN.modes[1].knobs, name="A").conf
    assert result.count("\n") == result.count("\r\n") > base.count("\r\n")


@pytest.mark.parametrize(
    ("base", "knobs", "error", "text"),
    [
        (AGX, {"gpu_freq": 800e6}, DeviceError, "gpu_freq cannot be set to 800MHz; expected 714MHz or 816MHz"),
        (AGX, {"tpc": 9}, DeviceError, "tpc cannot be set to 9; expected 8"),
        (AGX, {"gpu_freq": float("nan")}, DeviceError, "gpu_freq cannot be set to nan"),
        (AGX, {"speed": 1}, DeviceError, "no knob 'speed'"),
        (AGX.replace("< PM_CONFIG", "# PM_CONFIG"), {}, SpecError, "no PM_CONFIG"),
        (AGX[: AGX.index("< POWER_MODEL")] + "< PM_CONFIG DEFAULT=0 >\n", {}, SpecError, "no POWER_MODEL to copy"),
        (AGX.replace("GPU MAX_FREQ", "NPU MAX_FREQ"), {}, SpecError, "no POWER_MODEL that caps the GPU"),
        (NANO, {}, SpecError, "PARAM CPU_ONLINE has 4 cores, orin-agx has 12; expected CORE_0 to CORE_11"),
        (AGX.replace("NAME=CPU_ONLINE", "NAME=CPU_OFFLINE"), {}, SpecError, "CPU_ONLINE has 0 cores"),
        (AGX.replace("NAME=CPU_A78", "NAME=XPU_A78"), {"cpu_freq": 1728e6}, SpecError, "no PARAM sets a CPU clock"),
        (AGX.replace("TPC_P", "XPC_P"), {"tpc": 4}, DeviceError, "tpc=4 cannot be set"),
        (AGX.replace("EMC", "RAM"), {"mem_freq": 2133e6}, DeviceError, "mem_freq cannot be set"),
    ],
)
def test_what_cannot_be_written(base: str, knobs: dict[str, float], error: type[RooflineError], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)) as caught:
        emit_mode(base, ORIN, knobs, name="A", where="/etc/nvpmodel.conf")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "two words", "A>", "MODE_30W", "mode_30w", "x" * 41, "ümlaut"])
def test_names_that_nvpmodel_would_not_take(name: str) -> None:
    with pytest.raises(UsageError):
        emit_mode(AGX, ORIN, {}, name=name)


def test_fragments() -> None:
    text = emit_fragment(ORIN, ORIN.modes[1].knobs, name="COOL")
    assert "NOT INSTALLABLE" in text and "< PM_CONFIG" not in text.replace("# ", "").split("\n< ", 1)[1]
    assert "< POWER_MODEL ID=4 NAME=COOL >" in text and "GPU MIN_FREQ 408000000" in text
    conf = parse_conf(text)
    assert not conf.findings and knobs_of(text, "COOL") == dict(ORIN.modes[1].knobs)
    with pytest.raises(DeviceError, match="714MHz or 816MHz"):
        emit_fragment(ORIN, {"gpu_freq": 800e6}, name="A")
    fused = with_knob(ORIN, "tpc", values=(1.0, 2.0, 3.0), mask_bits=4)
    assert "fused off is not known" in emit_fragment(fused, {"tpc": 2}, name="A")


def test_export_is_read_back_as_the_same_modes() -> None:
    text = export_modes(ORIN)
    conf = parse_conf(text)
    assert [(m.id, m.name) for m in conf.models] == [(m.id, m.name) for m in ORIN.modes]
    for mode in ORIN.modes:
        assert knobs_of(text, mode.name) == dict(mode.knobs)
    assert "EMC MAX_FREQ 0" in text and "NOT INSTALLABLE" in text
    nameless = ORIN._replace(modes=(ORIN.modes[0], ORIN.modes[1]._replace(id=None)))
    assert [m.id for m in parse_conf(export_modes(nameless)).models] == [0, 1]
    with pytest.raises(DeviceError, match="of kind 'sbc'"):
        export_modes(ORIN._replace(kind="sbc"))


# -- properties


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    wanted = {k.name: data.draw(st.sampled_from(k.values), label=k.name) for k in ORIN.knobs.values()}
    result = emit_mode(AGX, ORIN, wanted, name="MINE")
    assert knobs_of(result.conf, "MINE") == wanted
    for mode in ORIN.modes:
        assert knobs_of(result.conf, mode.name) == dict(mode.knobs)
    block = new_block(AGX, result.conf)
    assert not any(line.startswith((" ", "\t")) for line in block)
    conf = parse_conf(result.conf)
    lowest = {s.param: s.number for s in conf.models[-1].settings if s.arg == "MIN_FREQ"}
    highest = {s.param: s.number for s in conf.models[-1].settings if s.arg == "MAX_FREQ"}
    assert all(value >= 0 and (highest[p] == -1 or value <= highest[p]) for p, value in lowest.items())
    clusters = {p for p in highest if p.startswith("CPU_")}
    assert clusters == {f"CPU_A78_{k}" for k in range(3) if 4 * k < wanted["cpu_cores"]}


WORDS = st.sampled_from(
    ["<", ">", "< POWER_MODEL", "< PARAM", "< PM_CONFIG", "ID=0", "ID=1", "NAME=A", "NAME=B", "DEFAULT=0", "TYPE=CLOCK",
     "CPU_ONLINE", "CORE_0", "CORE_1", "CORE_9999", "0", "1", "-1", "GPU", "EMC", "MAX_FREQ", "MIN_FREQ", "CPU_A57",
     "TPC_POWER_GATING", "TPC_PG_MASK", "0xF", "999999999999", "NAME=true", "NAME=&a", "NAME=%", "#", "\t", "\x00",
     "NAME=1e3", "DLA0_CORE", "/sys/devices/system/cpu/cpu1/x"]
)  # fmt: skip
LINES = st.one_of(
    st.text(max_size=30),
    st.lists(WORDS, max_size=5).map(" ".join),
    st.sampled_from(NANO.splitlines()),
    st.builds(lambda i, n: f"< POWER_MODEL ID={i} NAME={n} >", st.integers(0, 5), st.sampled_from("AB?&")),
)


@settings(deadline=None, max_examples=150)
@given(lines=st.lists(LINES, max_size=25), keep=st.booleans())
def test_junk_is_kept_or_refused_in_one_line(lines: list[str], keep: bool) -> None:
    text = "\n".join([*(NANO.splitlines() if keep else []), *lines])
    try:
        conf = parse_conf(text)
        assert "".join(conf.lines) == text
        for model in conf.models:
            found = mode_knobs(conf, model, BOARD)
            assert all(found.knobs[name] in knob.values for name, knob in BOARD.knobs.items())
        emitted = emit_mode(text, BOARD, {"gpu_freq": 384e6, "cpu_freq": 518.4e6, "cpu_cores": 1}, name="NEW")
        assert knobs_of(emitted.conf, "NEW", BOARD)["gpu_freq"] == 384e6
    except RooflineError as error:
        assert "\n" not in str(error)


@settings(deadline=None, max_examples=25)
@given(lines=st.lists(LINES, max_size=8))
def test_whatever_is_read_makes_a_right_device_file(lines: list[str]) -> None:
    try:
        conf = parse_conf("\n".join([*lines, NANO]))
    except RooflineError:
        return
    result = import_modes(conf, BOARD)
    assert build(loads(result.text, "x"), "x").modes == result.device.modes
    assert len(result.device.modes) == len(conf.models)
