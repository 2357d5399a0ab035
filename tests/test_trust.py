"""What is promised about files from strangers (CONTRIBUTING.md, Security), as far as no other test holds it.

Elsewhere: YAML tags, anchors, depth (devices/test_files.py); scripts in names (report/test_page.py); formulas and
control characters in CSV and on the terminal (cli/test_cli.py, sweep/test_sweep_files.py); formulas that run away
(test_own_ops.py); damaged models (property/, fuzz/).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from conftest import build_model
from onnx import TensorProto, helper

import roofline
from roofline.bench.weights import runnable
from roofline.cli.main import main
from roofline.errors import SpecError
from roofline.formula_ops import load_ops
from roofline.section import Section
from roofline.strict_yaml import loads

_opened: list[str] = []
_hooked: list[bool] = []


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every path that Python opens from now on."""
    if not _hooked:
        sys.addaudithook(lambda event, arguments: _opened.append(str(arguments[0])) if event == "open" else None)
        _hooked.append(True)
    _opened.clear()
    yield _opened
    _opened.clear()


def elsewhere(name: str, location: str, dims: list[int], dtype: int = TensorProto.INT64) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def reads(location: str) -> list[onnx.ModelProto]:
    """Return models whose shapes would be known from another file: an initialiser, a constant, a fill value."""
    reshape = helper.make_node("Reshape", ["x", "s"], ["y"])
    initialiser = build_model([reshape], {"x": [1, 16]}, ["y"])
    initialiser.graph.initializer.append(elsewhere("s", location, [2]))
    value = elsewhere("v", location, [2])
    constant = build_model([helper.make_node("Constant", [], ["s"], value=value), reshape], {"x": [1, 16]}, ["y"])
    fill = helper.make_node("ConstantOfShape", ["d"], ["s"], value=elsewhere("v", location, [1]))
    filled = build_model([fill, reshape], {"x": [1, 16]}, ["y"], {"d": np.array([2])})
    return [initialiser, constant, filled]


@pytest.mark.parametrize("location", ["secret.bin", "link.bin", "../secret.bin", "/proc/self/environ", "", "a/../../s"])
def test_no_command_opens_what_a_model_names(
    location: str, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "model"
    home.mkdir()
    monkeypatch.chdir(home)
    for folder in (home, tmp_path):
        np.array([2, 8]).tofile(folder / "secret.bin")
    (home / "link.bin").symlink_to(tmp_path / "secret.bin")
    for number, model in enumerate(reads(location)):
        path = home / f"m{number}.onnx"
        path.write_bytes(model.SerializeToString())
        opened.clear()
        assert roofline.analyze(path).graph.tensors["y"].shape is None  # not read, so not known
        roofline.symbolic(path)
        assert main(["report", str(path), "--device", "t4", "-o", str(home / "r.html")]) == 0
        assert not [name for name in opened if Path(name).name in ("secret.bin", "link.bin", "environ", "s")]


@pytest.mark.parametrize("location", ["../secret.bin", "link.bin", "/etc/passwd", "/dev/zero"])
def test_measuring_reads_no_weights_from_outside_the_models_folder(
    location: str, tmp_path: Path, opened: list[str]
) -> None:
    """Such weights are made up, as missing ones are; beside the model they are read."""
    home, made = tmp_path / "model", tmp_path / "made"
    home.mkdir()
    made.mkdir()
    for folder in (home, tmp_path):
        np.arange(64, dtype=np.float32).tofile(folder / "secret.bin")
    (home / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = build_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [2, 8]}, ["y"])
    for place, outside in ((location, True), ("secret.bin", False)):
        del model.graph.initializer[:]
        model.graph.initializer.append(elsewhere("w", place, [8, 8], TensorProto.FLOAT))
        (home / "m.onnx").write_bytes(model.SerializeToString())
        opened.clear()
        found = runnable(home / "m.onnx", made)
        assert (found.made_up == ("w",)) is outside
        assert not outside or not [name for name in opened if Path(name).name == Path(location).name]


@pytest.mark.parametrize("text", [".nan", ".inf", "nan", "1e309", "-1e400", "9" * 400, "0x7fffffffffffffff", "1e300"])
def test_numbers_that_are_none_or_too_large(text: str) -> None:
    section = Section(loads(f"a: {text}\nb: {text} W", "f.yaml"), "f.yaml")
    with pytest.raises(SpecError, match=r"f\.yaml: a: "):
        section.number("a")
    with pytest.raises(SpecError, match=r"f\.yaml: b: "):
        section.quantity("b", "power")


def test_a_billion_laughs_and_a_long_number_cost_nothing() -> None:
    laughs = 'a0: &a0 ["ha"]\n' + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    with pytest.raises(SpecError, match="anchors and aliases"):
        loads(laughs, "laughs.yaml")
    assert loads("a: " + "9" * 5000, "f.yaml")["a"]  # int() of so many digits would raise


OPS: dict[str, Any] = {
    "schema": "roofline.ops/1",
    "ops": [{"op": "a.B", "class": "matmul", "inputs": ["m, k", "k, n"], "outputs": ["m, n"], "source": "this test"}],
}


@pytest.mark.parametrize(
    "formula",
    ["9**9**9", "9**9**9**9", "m.__class__", "__import__('os')", "().__class__", "m[0]",
     "lambda: m", "exec(m)",
     "m if n else k", "'a' * 9", "m; n", "m := 1", "f'{m}'", "m & n", "1e9", "open('x')",
     "(" * 200 + "m" + ")" * 200],
)  # fmt: skip
def test_formulas_are_arithmetic_and_nothing_else(formula: str, tmp_path: Path) -> None:
    path = tmp_path / "ops.yaml"
    path.write_text(yaml.safe_dump({**OPS, "ops": [{**OPS["ops"][0], "macs": formula}]}))
    with pytest.raises(SpecError, match=r"ops\.yaml: ops\[0\]\.macs: "):
        load_ops(path)


def test_file_names_and_layer_names_cannot_drive_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\nb\x1b]0;title\x07\x1b[31m\u202e"
    node = helper.make_node("Nobody", ["x"], ["y"], name=evil, domain=evil)
    path = tmp_path / f"{evil}.onnx"
    path.write_bytes(build_model([node], {"x": [2]}, ["y"], domains=(evil,)).SerializeToString())
    missing = str(tmp_path / f"no{evil}.onnx")
    for arguments, code in (
        (["analyze", str(path), "--device", "orin-agx"], 0),
        (["analyze", str(path), "--device", "orin-agx", "--strict"], 3),
        (["analyze", missing], 1),
        (["analyze", str(path), "--explain", evil], 0),
        (["compare", str(path), str(path), "--device", "orin-agx", "--vs", "mode=MAXN"], 0),
        (["sweep", str(path), missing, "--device", "orin-agx", "--jobs", "1", "-o", str(tmp_path / "o.csv")], 0),
        (["devices", "check", missing], 1),
        (["import", "csv", missing, "-o", str(tmp_path / "r.csv")], 1),
    ):
        assert main(arguments) == code, arguments
        said = capsys.readouterr()
        assert not [c for c in said.out + said.err if not c.isprintable() and c != "\n"], arguments
        assert len(said.err.splitlines()) == (code != 0), arguments
