"""Operators of the user's own: in Python, by an installed plugin, and as formulas in a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model
from onnx import helper

import roofline
from roofline.cli.main import main

EXAMPLES = Path(__file__).parents[1] / "examples"


def sparse_model(batch: Any = 8) -> onnx.ModelProto:
    nodes = [
        helper.make_node("SparseMatMul", ["x", "w"], ["h"], domain="acme.nn", sparsity=4),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    return build_model(nodes, {"x": [batch, 64]}, ["y"], {"w": np.ones((64, 32), np.float32)}, domains=("acme.nn",))


def test_an_unknown_operator_is_unsupported_never_zero() -> None:
    analysis = roofline.analyze(sparse_model())
    assert analysis.coverage["nodes_unsupported"] == 2
    assert {f.code for f in analysis.findings} >= {"unsupported-op", "unknown-shape"}


def test_a_file_of_formulas_counts_it() -> None:
    analysis = roofline.analyze(sparse_model(), ops=EXAMPLES / "own_ops.yaml")
    assert analysis.totals["macs"] == 8 * 64 * 32 // 4
    assert analysis.totals["flops"] == 2 * 8 * 64 * 32 // 4 + 8 * 32
    assert analysis.totals["bytes"] == 4 * (8 * 64 + 64 * 32 + 8 * 32)  # the Relu joins it
    unfused = roofline.analyze(sparse_model(), ops=EXAMPLES / "own_ops.yaml", traffic="unfused")
    assert unfused.totals["bytes"] == 4 * (8 * 64 + 64 * 32 + 8 * 32) + 4 * 2 * 8 * 32
    assert analysis.coverage["nodes_unsupported"] == 0
    assert roofline.analyze(sparse_model()).coverage["nodes_unsupported"] == 2  # it held for that call only


def test_formulas_take_symbols_too() -> None:
    formulas = roofline.symbolic(sparse_model("batch"), ops=EXAMPLES / "own_ops.yaml")
    assert str(formulas.totals["macs"]) == "512*batch" and not formulas.findings
    node = helper.make_node("LocalAttention", ["q", "q", "q"], ["y"], domain="acme.nn", window=64, heads=8)
    model = build_model([node], {"q": ["batch", "seq", 32]}, ["y"], domains=("acme.nn",))
    formulas = roofline.symbolic(model, ops=EXAMPLES / "own_ops.yaml")
    for seq in (10, 64, 1000):
        assert formulas.evaluate({"batch": 3, "seq": seq})["macs"] == 2 * 3 * seq * min(seq, 64) * 32


def test_the_command_takes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(sparse_model(), path)
    assert main(["analyze", str(path), "--ops", str(EXAMPLES / "own_ops.yaml"), "--strict"]) == 0
    assert "SparseMatMul" in capsys.readouterr().out
    assert main(["analyze", str(path), "--strict"]) == 3


ROW = """\
schema: roofline.ops/1
ops:
  - op: a.B
    class: matmul
    inputs: ["m, k", "k, n"]
    outputs: ["m, n"]
    macs: m * k * n
    source: hand
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("m * k * n", "m * k * q", "'q' is not defined"),
        ("m * k * n", "__import__('os').system('true')", "is no arithmetic"),
        ("m * k * n", "m if k else n", "is no arithmetic"),
        ("class: matmul", "class: magic", "is no class of operators"),
        ("macs:", "mac:", "did you mean 'macs'"),
        ('"m, n"', '"m, ..."', "can only stand in front"),
        ('"m, k"', '"m + 1, k"', "an input's axis is a name"),
        ("roofline.ops/1", "roofline.ops/9", "expected roofline.ops/1"),
        ("    source: hand\n", "", "'source' is missing"),
        ("m * k * n", "9 ** 9 ** 9 ** 9", "a power beyond"),
        ("m * k * n", "1 / 0", "division by zero"),
        ("    source: hand\n", "    source: hand\n    types: [floof]\n", "element type per output"),
    ],
)
def test_a_wrong_file_gets_one_line(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, ops = tmp_path / "m.onnx", tmp_path / "ops.yaml"
    onnx.save(sparse_model(), model)
    assert old in ROW
    ops.write_text(ROW.replace(old, new))
    assert main(["analyze", str(model), "--ops", str(ops)]) == 1
    error = capsys.readouterr().err
    assert message in error and str(ops) in error and error.count("\n") == 1


@pytest.mark.parametrize(("macs", "shape"), [("m * k / 7", [4, 5]), ("m // (k - k)", [4, 5]), ("m", [4, 5, 6])])
def test_a_formula_that_does_not_fit_the_node_is_unsupported(macs: str, shape: list[int], tmp_path: Path) -> None:
    ops = tmp_path / "ops.yaml"
    ops.write_text(ROW.replace("m * k * n", macs))
    node = helper.make_node("B", ["x", "w"], ["y"], domain="a")
    model = build_model([node], {"x": shape}, ["y"], {"w": np.ones((5, 3), np.float32)}, domains=("a",))
    analysis = roofline.analyze(model, ops=ops)
    assert analysis.coverage["nodes_unsupported"] == 1 and analysis.totals["macs"] == 0


@pytest.mark.parametrize(
    "macs", ["m ** 999999999999", "m ** 8 ** 8", "((m ** 8) ** 8) ** 8", "1 / 0 + m", "0 ** (0 - m)", "m - 1000"]
)
def test_a_formula_cannot_run_away(macs: str, tmp_path: Path) -> None:
    ops = tmp_path / "ops.yaml"
    ops.write_text(ROW.replace("m * k * n", macs))
    node = helper.make_node("B", ["x", "w"], ["y"], domain="a")
    model = build_model([node], {"x": ["m", 5]}, ["y"], {"w": np.ones((5, 3), np.float32)}, domains=("a",))
    formulas = roofline.symbolic(model, ops=ops)
    assert any(f.strict for f in formulas.findings)
    assert roofline.analyze(model, ops=ops, bindings={"m": 2**20}).coverage["nodes_unsupported"] == (macs != "m - 1000")


def test_a_file_without_end_is_not_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx.save(sparse_model(), tmp_path / "m.onnx")
    assert main(["analyze", str(tmp_path / "m.onnx"), "--ops", "/dev/zero"]) == 1
    assert "more than 2000000 bytes" in capsys.readouterr().err


def test_a_rule_that_raises_is_named(tmp_path: Path) -> None:
    source = PLUGIN.replace('node.attributes["sparsity"]', "node.no_such_thing")
    result = plugged(tmp_path, source, sparse_model())
    assert result.returncode == 0 and "SparseMatMul is not counted" in result.stdout


PLUGIN = '''
import roofline

@roofline.operator("acme.nn.SparseMatMul", op_class="matmul", shapes=lambda i, a: [i[0][:-1] + i[1][1:]])
def rule(node):
    """MACs = elements of x * columns / sparsity. Source: hand."""
    return roofline.cost_of(node, macs=node.tensor(0).elements * node.tensor(1).shape[1] // node.attributes["sparsity"])
'''


def plugged(tmp_path: Path, source: str, model: onnx.ModelProto) -> subprocess.CompletedProcess[str]:
    """Run the command with a package on the path that declares an entry point."""
    info = tmp_path / "acme_roofline-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-roofline\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[roofline.ops]\nacme = acme_roofline\n")
    (tmp_path / "acme_roofline.py").write_text(source)
    onnx.save(model, tmp_path / "m.onnx")
    return subprocess.run(
        [sys.executable, "-m", "roofline", "analyze", "m.onnx", "--format", "json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_installed_plugin_is_found_when_an_operator_is_unknown(tmp_path: Path) -> None:
    result = plugged(tmp_path, PLUGIN, sparse_model())
    assert result.returncode == 0, result.stderr
    assert f'"macs": {8 * 64 * 32 // 4},' in result.stdout and '"nodes_unsupported": 0' in result.stdout


def test_a_plugin_is_left_alone_where_it_is_not_needed(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [4]}, ["y"])
    assert plugged(tmp_path, "raise SystemError('loaded')", model).returncode == 0


def test_a_broken_plugin_is_named(tmp_path: Path) -> None:
    result = plugged(tmp_path, "import nowhere_to_be_found", sparse_model())
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "the plugin 'acme' (acme_roofline) fails: ModuleNotFoundError" in result.stderr
