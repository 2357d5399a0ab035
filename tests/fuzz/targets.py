"""What is fuzzed: for each kind of file, good ones to start from, how they are damaged, and commands that read them.

``{file}`` is the hostile file, ``{out}`` the folder for results, ``{good}`` the folder of good files.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzz import models
from fuzz.mutate import json_file, text_file, yaml_file

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
Damage = Callable[[bytes, random.Random], bytes]


class Target(NamedTuple):
    """One kind of file."""

    name: str
    suffix: str
    share: float
    """Of all cases."""
    seeds: Callable[[], Sequence[bytes]]
    damages: Sequence[Damage]
    commands: Sequence[str]


def _files(*patterns: str) -> Callable[[], Sequence[bytes]]:
    @lru_cache(maxsize=1)
    def found() -> Sequence[bytes]:
        return [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]

    return found


@lru_cache(maxsize=1)
def _tables() -> Sequence[bytes]:
    """Return the head of every shipped table of measured runs, and one about the small model."""
    found = [b"".join(path.read_bytes().splitlines(True)[:12])
             for path in sorted(ROOT.glob("device_specs/measurements/*/measurements.csv"))]  # fmt: skip
    return [*found, good_files()["runs.csv"]]


def _plain_tables() -> Sequence[bytes]:
    return [b"elapsed,watt\n12.5,9\n13,9.5\n", b"latency_ms,power_w,elapsed,watt\n12.5,9,1,2\n13,9.5,3,4\n"]


@lru_cache(maxsize=1)
def _calibrations() -> Sequence[bytes]:
    """Return shipped calibrations, made to apply to any workload: they then get as far as being used."""
    found = []
    key = {"device": "orin-nano-8gb", "variant": "super", "runtime": "ort-cuda", "precision": "fp16"}
    for path in sorted(ROOT.glob("device_specs/calibrations/*.yaml")):
        text = re.sub("(?m)^work:.*\n", "", path.read_text())
        text = text.replace("key:\n", "key:\n  variant: super\n") if "  variant:" not in text else text
        for name, value in key.items():
            text = re.sub(f"(?m)^  {name}:.*$", f"  {name}: {value}", text)
        found.append(text.encode())
    return found


@lru_cache(maxsize=1)
def good_files() -> dict[str, bytes]:
    """Return the good files that commands take besides the hostile one."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="mm"),
        helper.make_node("Relu", ["h"], ["y"], name="relu"),
    ]
    own = [helper.make_node("SparseMatMul", ["x", "w"], ["y"], domain="acme.nn", sparsity=4)]
    weight = numpy_helper.from_array(np.zeros((64, 32), np.float32), "w")
    value = helper.make_tensor_value_info
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("acme.nn", 1)]

    def model(some: list[onnx.NodeProto]) -> bytes:
        graph = helper.make_graph(some, "g", [value("x", TensorProto.FLOAT, ["batch", 64])],
                                  [value("y", TensorProto.FLOAT, None)], [weight])  # fmt: skip
        return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())

    head = "device,power_mode,gpu_freq_hz,emc_freq_hz,runtime,precision,workload,phase,batch_size,latency_ms,power_w,"
    head += "layer,time_kind"
    runs = (
        (1300500000, 0.1, 30),
        (816000000, 0.2, 20),
        (612000000, 0.3, 18),
        (408000000, 0.4, 15),
        (306000000, 0.5, 12),
    )
    rows = [f"orin-agx,MAXN,{clock},3199000000,tensorrt,fp32,tiny,inference,1,{ms},{watt},,gpu_compute"
            for clock, ms, watt in runs]  # fmt: skip
    return {
        "tiny.onnx": model(nodes), "own.onnx": model(own), "runs.csv": "\n".join([head, *rows, ""]).encode(),
        "agx.yaml": (ROOT / "device_specs" / "orin-agx.yaml").read_bytes(),
    }  # fmt: skip


_MODEL_COMMANDS = (
    "analyze {file} --device orin-agx",
    "analyze {file} --device orin-agx --format json --tensors -o {out}/a.json",
    "analyze {file} --device orin-agx --traffic pagoda --format markdown",
    "analyze {file} --device orin-nano-8gb --precision int8 --traffic unfused -o {out}/a.csv",
    "analyze {file} --device orin-agx --phase training --optimizer sgd",
    "analyze {file} --device t4 --levels --sort graph --top 0 --strict",
    "select {file} --device orin-agx --format json -o {out}/s.json",
    "sweep {file} --device orin-agx,t4 --batch 1,2 --jobs 1 -o {out}/o.csv",
    "compare {file} {good}/tiny.onnx --device orin-agx",
    "report {file} --device orin-agx -o {out}/r.html",
    "plot {file} --device orin-agx --kind layers -o {out}/p.svg",
)
_IMPORT = "import {form} {{file}} --workload net -o {{out}}/o.csv"
_ON_DEVICE = " --device orin-agx --mode MAXN --batch 1 --precision fp16 --runtime tensorrt"


def _importer(form: str, suffix: str, damage: Damage, *patterns: str, more: Sequence[str] = ()) -> Target:
    command = _IMPORT.format(form=form)
    commands = [command, command + _ON_DEVICE, *(command + " " + extra for extra in more)]
    return Target(
        f"import-{form}", suffix, 0.035, _files(*(f"tests/data/imports/{p}" for p in patterns)), [damage], commands
    )


@lru_cache(maxsize=1)
def targets(backend: Path | None = None) -> tuple[Target, ...]:
    """Return every target; `backend` is a folder of more models to start from."""

    @lru_cache(maxsize=1)
    def model_seeds() -> Sequence[bytes]:
        more = [path.read_bytes() for path in sorted(backend.glob("*.onnx"))] if backend else []
        return models.seeds() + more

    window = ["--iterations 10 --window 0..5", "--iterations 10 --interval 100ms --power-boundary module"]
    return (
        Target("model-bytes", ".onnx", 0.15, model_seeds, [models.damaged_bytes], _MODEL_COMMANDS),
        Target("model-fields", ".onnx", 0.2, model_seeds, [models.damaged_fields], _MODEL_COMMANDS),
        Target("model-any", ".onnx", 0.15, lambda: [b""], [models.any_graph],
               (*_MODEL_COMMANDS, "formula {file} --device orin-agx")),
        Target("device", ".yaml", 0.14, _files("device_specs/*.yaml"), [yaml_file], (
            "devices check {file}",
            "devices show {file} --format json -o {out}/d.json",
            "devices show {file}",
            "analyze {good}/tiny.onnx --device {file} --format json -o {out}/a.json",
            "select {good}/tiny.onnx --device {file} --grid full",
            "devices export-nvpmodel {file} -o {out}/n.conf",
            "plot {good}/tiny.onnx --device {file} --kind modes -o {out}/p.svg",
        )),
        Target("measured", ".csv", 0.05, _tables, [text_file], (
            "validate {good}/tiny.onnx --measured {file} --device orin-agx --format json -o {out}/v.json",
            "calibrate {good}/tiny.onnx --measured {file} --device orin-agx --runtime tensorrt -o {out}/c.yaml",
            "import csv {file} --workload net -o {out}/o.csv",
            "plot {good}/tiny.onnx --device orin-agx --kind measured --measured {file} -o {out}/p.svg",
        )),
        _importer("trtexec", ".json", json_file, "trt_*.json"),
        _importer("ort", ".json", json_file, "ort_profile.json", more=["--model {good}/tiny.onnx"]),
        _importer("ncu", ".csv", text_file, "ncu_*.csv"),
        _importer("nsys", ".csv", text_file, "nsys_*.csv", more=["--iterations 10"]),
        _importer("tegrastats", ".log", text_file, "tegrastats_*.log", more=window),
        _importer("jtop", ".csv", text_file, "jtop.csv", more=window),
        _importer("zeus", ".json", json_file, "zeus.json"),
        _importer("zeus", ".csv", text_file, "zeus.csv")._replace(name="import-zeus-csv", share=0.015),
        _importer("mlperf", ".txt", text_file, "mlperf_*.txt"),
        _importer("csv", ".csv", text_file, "zeus.csv", "jtop.csv")._replace(seeds=_plain_tables, commands=(
            "import csv {file} --workload net -o {out}/o.csv",
            "import csv {file} --workload net --map latency_ms=elapsed:us --map power_w=watt -o {out}/o.csv",
        )),
        Target("nvpmodel", ".conf", 0.05, _files("tests/data/nvpmodel/*.conf"), [text_file], (
            "devices import-nvpmodel {file} --device orin-agx -o {out}/d.yaml",
            "devices import-nvpmodel {file} --device jetson-nano",
            "select {good}/tiny.onnx --device orin-agx --emit nvpmodel --base {file} -o {out}/n.conf",
        )),
        Target("ops", ".yaml", 0.05, _files("examples/own_ops.yaml"), [yaml_file], (
            "analyze {good}/own.onnx --ops {file} --device orin-agx",
            "formula {good}/own.onnx --ops {file}",
        )),
        Target("budget", ".yaml", 0.03, _files("examples/budget.yaml"), [yaml_file],
               (
            "analyze {good}/tiny.onnx --budget {file} --format json -o {out}/b.json",
            "analyze {good}/tiny.onnx --budget {file}",
        )),
        Target("calibration", ".yaml", 0.04, _calibrations, [yaml_file], (
            "analyze {good}/tiny.onnx --device orin-nano-8gb --runtime ort-cuda --precision fp16 --calibration {file}",
            "select {good}/tiny.onnx --device orin-nano-8gb --runtime ort-cuda --precision fp16 --calibration {file}",
        )),
        Target("grid", ".txt", 0.02, lambda: [b"30W\nMAXN,gpu_freq=816MHz # slow\n50W\n"], [text_file], (
            "select {good}/tiny.onnx --device orin-agx --grid {file}",
            "sweep {good}/tiny.onnx --device orin-agx --grid {file} --jobs 1 -o {out}/o.csv",
        )),
    )  # fmt: skip


class Case(NamedTuple):
    """One hostile file and one command."""

    target: Target
    content: bytes
    command: str


def case(seed: int, number: int, backend: Path | None = None) -> Case:
    """Return case `number` of a run: the same whenever it is asked for."""
    rng = random.Random(f"{seed}-{number}")
    known = targets(backend)
    target = rng.choices(known, [t.share for t in known])[0]
    start = rng.choice(target.seeds())
    return Case(target, rng.choice(target.damages)(start, rng), rng.choice(target.commands))


def arguments(command: str, file: str, folder: Path) -> list[str]:
    """Return a command's arguments."""
    return [part.format(file=file, out=folder / "out", good=folder / "good") for part in command.split()]


def prepare(folder: Path) -> None:
    """Write the good files."""
    good = folder / "good"
    good.mkdir(parents=True, exist_ok=True)
    for name, content in good_files().items():
        (good / name).write_bytes(content)
