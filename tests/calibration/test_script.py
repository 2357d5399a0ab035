"""The script that measures on a board, run by real shells on a fake one."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from board import EMC, GPU, Board
from conftest import build_model, model_path
from onnx import helper

import roofline
from roofline.calibration.file import read_calibration
from roofline.calibration.script import measuring_script, settings_of, shapes_of
from roofline.devices.load import load_device
from roofline.devices.locate import device_files
from roofline.devices.modes import find_mode
from roofline.errors import DeviceError, UsageError
from roofline.measured.table import read_table

ROOT = Path(__file__).parents[2]
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
ORIN = load_device("orin-agx")
FEW = ("MAXN", "MAXN,gpu_freq=306MHz,mem_freq=204MHz")


def made(*modes: str, model: str = "resnet18.onnx", **options: object) -> str:
    """Return the script for modes of the Orin."""
    given = {"bindings": {"batch": 1}, "runtime": "tensorrt", **options}
    analysis = roofline.analyze(model_path("resnet18"), ORIN, calibration="none", **given)  # type: ignore[arg-type]
    return measuring_script(analysis, [find_mode(ORIN, mode) for mode in modes or FEW], model, "orin-agx")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_mode_is_measured_and_everything_put_back(board: Board, shell: str) -> None:
    code, out, err = board.run(made(), shell=shell)
    assert (code, err) == (0, ""), err
    assert out.endswith("(it makes roofline-runs/runs.csv)\n")
    assert board.is_as_before()
    assert board.called("nvpmodel") == ["nvpmodel -m 0", "nvpmodel -m 0", "nvpmodel -m 3"]
    names = {path.name.removesuffix(".times.json") for path in board.runs.glob("*.times.json")}
    assert names == set(FEW)
    for name in names:  # the file's name is what the import takes as --mode, and what was set
        assert find_mode(ORIN, name).name == name
        clocks = (board.runs / f"{name}.clocks.txt").read_text()
        mode = find_mode(ORIN, name)
        read = f"gpu_hz {mode.knobs['gpu_freq']:.0f}, emc_hz {mode.knobs['mem_freq']:.0f}"
        assert f"asked: {read}\nread: {read}\n" in clocks and "NV Power Mode: MAXN" in clocks
        assert f"under load: {read}\n" in clocks
        assert re.search(r"^tegrastats: \d\d-\d\d-\d{4} [\d:]{8} to \d\d-\d\d-\d{4} [\d:]{8}$", clocks, re.MULTILINE)


def test_one_engine_timed_and_profiled_apart(board: Board) -> None:
    assert board.run(made(precision="fp16"))[0] == 0
    calls = board.called("trtexec")
    build, *runs = calls
    assert len(runs) == 4 and sum("--saveEngine=" in call for call in calls) == 1
    shape = "input:1x3x224x224"
    assert f"--fp16 --minShapes={shape} --optShapes={shape} --maxShapes={shape}" in build
    assert "--profilingVerbosity=detailed" in build and "--onnx=model.onnx" in build
    for timed, profiled in (runs[:2], runs[2:]):
        assert all("--loadEngine=roofline-runs/engine.plan" in run and f"--shapes={shape}" in run
                   and "--onnx" not in run for run in (timed, profiled))  # fmt: skip
        assert "--exportTimes=" in timed and "--exportProfile=" not in timed
        assert "--exportProfile=" in profiled and "--exportLayerInfo=" in profiled
    # tegrastats starts after the timed run has, and ends before it does; nothing else runs meanwhile
    kinds = [re.sub(r" \d+ .*(--exportTimes|--exportProfile|--saveEngine).*", r" \1", e) for e in board.events]
    kinds = [re.sub(r"^(tegrastats) \d+ .*", r"\1", kind) for kind in kinds if not kind.startswith("nvpmodel")]
    mode = ["trtexec --exportTimes", "tegrastats", "tegrastats ends", "trtexec ends", "trtexec --exportProfile",
            "trtexec ends"]  # fmt: skip
    assert kinds == ["trtexec --saveEngine", "trtexec ends", *mode, *mode]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16", "int8"])
def test_details_are_asked_for_at_every_precision(precision: str) -> None:
    assert made(precision=precision).count('--saveEngine="$engine" --profilingVerbosity=detailed') == 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_at_once_and_restores_once(
    board: Board, shell: str, number: signal.Signals, code: int
) -> None:
    (board.bin / "sleep").write_text('#!/bin/sh\ntest "$1" -lt 10 || exec /bin/sleep 60\n')  # tegrastats' 10 s are long
    process = board.start(made(), shell=shell)
    _until(lambda: bool(board.called("tegrastats")))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == code
    assert board.is_as_before()
    assert board.called("nvpmodel") == ["nvpmodel -m 0", "nvpmodel -m 3"]  # the second mode is never set
    pids = [int(call.split()[1]) for call in (board.called("trtexec")[-1], board.called("tegrastats")[0])]
    _until(lambda: not any(_runs(pid) for pid in pids))


def test_a_clock_that_is_not_set_is_not_measured(board: Board) -> None:
    (board.sysfs / GPU / "cur_freq").unlink()
    (board.sysfs / GPU / "cur_freq").write_text("306000000\n")  # whatever is asked for
    code, _, err = board.run(made())
    assert code == 1 and len(err.splitlines()) == 1
    assert "measure: MAXN: asked for gpu_hz 1300500000, emc_hz 3199000000, but read gpu_hz 306000000" in err
    assert (board.runs / f"{FEW[1]}.times.json").exists() and not (board.runs / "MAXN.times.json").exists()
    assert "--mode MAXN " not in (board.runs / "import.sh").read_text() and board.is_as_before()


@pytest.mark.parametrize(("rate", "code"), [("3170000000", 0), ("2133000000", 1)])
def test_the_memory_clock_is_compared_within_one_per_cent(board: Board, rate: str, code: int) -> None:
    (board.bin / "cat").write_text(f'#!/bin/sh\ncase $1 in */emc/rate) echo {rate} ;; *) exec /bin/cat "$@" ;; esac\n')
    (board.bin / "cat").chmod(0o755)
    got, _, err = board.run(made("MAXN"))
    assert got == code and ("emc_hz 2133000000 after" in err) == bool(code)


def test_clocks_that_do_not_hold_under_load_are_said(board: Board) -> None:
    code, _, err = board.run(made("MAXN"), FAKE_THROTTLED="1")
    assert code == 1 and "did not hold under load, expected gpu_hz 1300500000" in err and "gpu_hz 612000000" in err
    assert "nothing was measured" in err and board.is_as_before()


def test_without_a_lock_the_memory_is_left_alone_only_where_the_mode_has_that_clock(board: Board) -> None:
    shutil.rmtree(board.sysfs / EMC)
    code, _, err = board.run(made())
    assert code == 1 and len(err.splitlines()) == 1
    assert f"measure: {FEW[1]}: the memory cannot be set to 204000000 Hz: there is no " in err
    assert "--mode MAXN " in (board.runs / "import.sh").read_text() and board.is_as_before()


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"FAKE_MASKS": "lost"}, "nvpmodel mode 0 (MAXN) needs a reboot: sudo nvpmodel -m 0, reboot, and run"),
        ({"FAKE_DEAF": "0"}, "nvpmodel is in mode 3, expected 0 (MAXN): see what sudo nvpmodel -m 0 says"),
    ],
)
def test_a_mode_that_nvpmodel_does_not_set_is_skipped(board: Board, switches: dict[str, str], message: str) -> None:
    code, _, err = board.run(made("MAXN"), **switches)
    assert code == 1 and message in err and not board.called("trtexec")
    assert not any(event.startswith("rebooted") for event in board.events)
    assert (board.folder / "mode").read_text() == "3\n"


def test_a_mode_of_another_name_is_another_mode(board: Board) -> None:
    code, _, err = board.run(made("MODE_50W"), FAKE_NAME="MODE_40W")
    assert code == 1 and "nvpmodel calls mode 3 'MODE_40W', expected MODE_50W" in err and not board.called("trtexec")
    assert Board(board.folder / "b").run(made("MODE_50W"), FAKE_NAME="50W")[0] == 0


def test_a_run_too_short_for_the_log_has_no_power(board: Board) -> None:
    code, _, err = board.run(made("MAXN"), FAKE_SHORT="1")
    assert code == 0 and "MAXN: no power" in err and err.count("\n") == 1
    assert "tegrastats" not in (board.runs / "import.sh").read_text()


@pytest.mark.parametrize(
    ("broken", "message"), [("build", "model.onnx: trtexec built no engine, status 1"), ("times", "timed nothing")]
)
def test_trtexec_that_fails(board: Board, broken: str, message: str) -> None:
    code, _, err = board.run(made("MAXN"), FAKE_BROKEN=broken)
    assert code == 1 and message in err and "roofline-runs/" in err and board.is_as_before()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("user", "setting clocks needs root: sudo sh measure.sh model.onnx"),
        ("nvpmodel", "nvpmodel is not there"),
        ("tegrastats", "tegrastats is not there"),
        ("trtexec", "trtexec is neither on PATH nor /usr/src/tensorrt/bin/trtexec"),
        ("model", "model.onnx: no such file"),
        ("gpu", "no GPU in "),
        ("runs", "roofline-runs is there already"),
        ("argument", "usage: sudo sh measure.sh MODEL.onnx"),
    ],
)
def test_what_is_missing_is_said_before_anything_changes(tmp_path: Path, missing: str, message: str) -> None:
    tools = tuple(tool for tool in ("nvpmodel", "trtexec", "tegrastats") if tool != missing)
    board = Board(tmp_path / "board", tools)
    if missing == "model":
        board.model.unlink()
    if missing == "gpu":
        shutil.rmtree(board.sysfs / GPU)
    if missing == "runs":
        board.runs.mkdir()
    arguments = ("",) if missing == "argument" else ("model.onnx",)
    code, out, err = board.run(made(), *arguments, FAKE_USER="1000" if missing == "user" else "0")
    assert code == (2 if missing == "argument" else 1)
    assert (out, err.count("\n")) == ("", 1) and message in err
    assert board.is_as_before() and board.events == [] and not list(board.folder.glob("roofline-runs/*"))


def test_names_are_never_commands(board: Board, tmp_path: Path) -> None:
    evil = "a\ntouch PWNED\n#$(touch PWNED)`touch PWNED`'\"; touch PWNED #.onnx"
    name = "x;touch${IFS}PWNED;$(touch${IFS}PWNED)"
    model = build_model([helper.make_node("Relu", [name], ["y"])], {name: ["n", 4]}, ["y"])
    spec = ORIN._replace(name="Board\ntouch PWNED\n")
    analysis = roofline.analyze(model, spec, bindings={"n": 2}, runtime="tensorrt", calibration="none")
    script = measuring_script(analysis, [find_mode(ORIN, "MAXN")], evil, "my\ntouch PWNED\n.yaml")
    head = script.splitlines()[:5]
    assert head[0] == "#!/bin/sh" and all(line.startswith("#") for line in head[:4]) and "a\\ntouch" in head[1]
    (board.folder / evil).write_bytes(b"any")
    code, _, err = board.run(script, evil)
    assert (code, err) == (0, "")
    # the one input's name reaches trtexec as it is
    assert f"--shapes={name}:2x4" in board.called("trtexec")[1]
    subprocess.run(["sh", "roofline-runs/import.sh"], cwd=board.folder, env=board.environment(), check=False,
                   capture_output=True)  # fmt: skip
    code, _, err = Board(tmp_path / "other").run(script, evil)
    assert code == 1 and err.count("\n") == 1 and "no such file" in err  # control characters are not shown
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("name", ["../../etc/x", "a;b", "$(id)", "a'b", "-m"])
def test_a_mode_of_a_strange_name_is_refused(name: str) -> None:
    strange = ORIN.modes[0]._replace(name=name)
    with pytest.raises(DeviceError, match="is no name of a file"):
        settings_of(ORIN._replace(modes=(strange,), default_mode=name), [strange])


def test_label_number_and_clocks_agree_on_every_board() -> None:
    """What the label says, read as --mode, is what nvpmodel's mode and the two clocks come down to."""
    for device in map(load_device, device_files()):
        if device.kind != "jetson" or all(mode.id is None for mode in device.modes):
            continue
        gpu, mem = device.knobs[device.processors["gpu"].clock], device.knobs.get(device.memory.clock or "")
        top = next(mode for mode in device.modes if mode.id is not None)
        loose = [f"{top.name},{gpu.name}={gpu.values[0] / 1e6:.10g}MHz"]
        if mem is not None:
            loose.append(f"{loose[0]},{mem.name}={mem.values[0] / 1e6:.10g}MHz")
        for found in settings_of(device, [top, *(find_mode(device, text) for text in loose)]):
            mode = find_mode(device, found.label)
            assert mode.knobs[gpu.name] == found.gpu_hz and (mode.base or mode.name) in (found.base.name, mode.name)
            assert all(value == found.base.knobs[name] for name, value in mode.knobs.items()
                       if name not in (gpu.name, device.memory.clock))  # fmt: skip
            if device.memory.clock is not None:
                assert mode.knobs[device.memory.clock] == found.memory_hz


def test_modes_that_a_script_cannot_set() -> None:
    with pytest.raises(DeviceError, match="cpu_cores cannot be set by a script"):
        settings_of(ORIN, [find_mode(ORIN, "MAXN,cpu_cores=4")])
    with pytest.raises(DeviceError, match="no nvpmodel mode has the tpc of"):
        settings_of(ORIN, [find_mode(ORIN, "MAXN,tpc=5")])
    # 30W has other TPCs than asked for, so another mode stands under it, and the label says so
    (found,) = settings_of(ORIN, [find_mode(ORIN, "30W,gpu_freq=408MHz,mem_freq=204MHz,tpc=8")])
    assert (found.label, found.base.id) == ("MAXN,gpu_freq=408MHz,mem_freq=204MHz", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "ort-cuda"}, "--runtime tensorrt"),
        ({"phase": "training"}, "--phase inference"),
        ({"clocks": "stock"}, "--clocks locked"),
        ({"processor": "cpu"}, "--processor gpu"),
    ],
)
def test_what_trtexec_cannot_measure_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(**options)


def test_shapes_are_given_for_dynamic_inputs_only() -> None:
    def shapes(dims: dict[str, list[object]], **bindings: int) -> str:
        nodes = [helper.make_node("Relu", [name], [f"{name}_y"]) for name in dims]
        model = build_model(nodes, dims, [f"{name}_y" for name in dims])
        return shapes_of(roofline.analyze(model, bindings=bindings).graph)

    assert shapes({"x": [1, 3]}) == ""
    assert shapes({"x": ["batch", 3]}) == "x:1x3"  # a batch size that was assumed is passed on as well
    assert shapes({"x": ["n", 3], "in:0": ["n", "s"]}, n=2, s=5) == "x:2x3,'in:0':2x5"
    with pytest.raises(UsageError, match="without commas"):
        shapes({"a,b": ["n"]}, n=2)


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_a_plain_script(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "measure.sh"
    script.write_text(made())
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
    checker = Path(sys.executable).parent / "shellcheck"
    if checker.exists():
        done = subprocess.run([checker, "--shell=sh", str(script)], capture_output=True, text=True, check=False)
        assert done.stdout == ""


def test_from_the_script_to_a_choice(board: Board) -> None:
    """The README's commands as they stand: five modes measured, imported with power, fitted, chosen from, validated."""
    section = (ROOT / "README.md").read_text().partition("## Five measured modes")[2]
    commands = section.partition("```sh\n")[2].partition("```")[0]
    shutil.copy(model_path("resnet18"), board.model)
    done = subprocess.run(["sh", "-ec", commands], cwd=board.folder, env=board.environment(), capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    out = done.stdout
    assert "the whole log counts" not in out  # it is of the time in which the model ran
    rows = read_table(board.runs / "runs.csv").rows
    whole = [row for row in rows if not row.layer]
    assert len(whole) == 5 == len({row.power_mode for row in whole}) and len(rows) == 10
    for row in whole:
        mode = find_mode(ORIN, row.power_mode)
        gpu, mem = mode.knobs["gpu_freq"], mode.knobs["mem_freq"]
        assert (row.workload, row.device, row.precision, row.batch_size) == ("model", "orin-agx", "tf32", 1)
        assert (row.gpu_freq_hz, row.mem_freq_hz, row.clocks) == (gpu, mem, "locked")
        # what the fake trtexec and tegrastats stand for
        assert row.time_s == pytest.approx(math.hypot(2e-3 * 1300.5e6 / gpu, 1e-3 * 3199e6 / mem), rel=1e-5)
        assert row.power_w == pytest.approx(10 + 20 * gpu / 1300.5e6, abs=1e-3)
    fitted = read_calibration(board.folder / "mine.yaml")
    assert fitted.power is not None and fitted.time.error < 0.05 and len(fitted.runs) == 5
    assert "orin-agx.tensorrt.tf32.model.gpu_compute" in out.partition("use it: --calibration mine.yaml")[2]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and that nobody waited for is still there
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
