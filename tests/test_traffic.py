"""Bytes under each traffic model, against scripts of a few lines over the shapes of a real run and the architecture."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path

import onnx
import pytest
from conftest import model_path, true_bindings, true_shapes

import roofline

WIDTH = {"float32": 4, "int64": 8, "int32": 4, "bool": 1, "float16": 2, "uint8": 1, "int8": 1}
VIEWS = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Constant", "Shape", "Dropout"}


def total(name: str, traffic: str) -> int:
    analysis = roofline.analyze(model_path(name), bindings=true_bindings(name), traffic=traffic)
    found: int = analysis.totals["bytes"]
    return found


def run_bytes(name: str) -> dict[str, int]:
    """Bytes of every tensor: initialisers from the file, the rest as a real run produced them."""
    model = onnx.load(model_path(name), load_external_data=False)
    sizes = {t.name: prod(t.dims) * onnx.helper.tensor_dtype_to_np_dtype(t.data_type).itemsize
             for t in model.graph.initializer}  # fmt: skip
    for value in model.graph.input:
        dims = [d.dim_value or true_bindings(name).get(d.dim_param, 0) for d in value.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        sizes.setdefault(value.name, prod(dims) * dtype.itemsize)
    for tensor, (shape, dtype) in (true_shapes(name) or {}).items():
        sizes[tensor] = prod(shape) * WIDTH[dtype]
    return sizes


def by_hand_unfused(name: str) -> int:
    """Each node that depends on an input's data: its distinct operands, and its results."""
    model, sizes = onnx.load(model_path(name), load_external_data=False), run_bytes(name)
    weights = {t.name for t in model.graph.initializer}
    fed = {i.name for i in model.graph.input} - weights
    moved = 0
    for node in model.graph.node:
        if not fed.intersection(node.input) or node.op_type == "Shape":
            continue  # constant, or arithmetic on shapes
        fed.update(node.output)
        if node.op_type in VIEWS:
            continue
        written = sum(sizes[o] for o in node.output if o)
        if node.op_type in ("Gather", "GatherND", "Slice"):  # reads the rows it returns, and the indices
            moved += 2 * written + sum(sizes[i] for i in dict.fromkeys(node.input[1:]) if i)
        else:
            moved += sum(sizes[i] for i in dict.fromkeys(node.input) if i) + written
    return moved


def by_hand_ideal(name: str) -> int:
    """Weights that are used, inputs that are used, outputs; of an embedding table the rows."""
    model, sizes = onnx.load(model_path(name), load_external_data=False), run_bytes(name)
    weights = {t.name for t in model.graph.initializer}
    inputs = {i.name for i in model.graph.input} - weights
    alias: dict[str, str] = {}
    touched: dict[str, int] = {}
    fed, used = set(inputs), set()
    for node in model.graph.node:
        if not fed.intersection(node.input):
            copies = node.op_type in ("Identity", "Reshape", "Transpose", "Unsqueeze", "Squeeze")
            if copies and alias.get(node.input[0], node.input[0]) in weights:
                alias[node.output[0]] = alias.get(node.input[0], node.input[0])
            continue
        if node.op_type == "Shape":
            continue
        fed.update(node.output)
        used.update(node.input)
        if node.op_type in VIEWS:
            continue
        for position, tensor in enumerate(node.input):
            root = alias.get(tensor, tensor)
            if root in weights:
                rows = node.op_type == "Gather" and position == 0
                touched[root] = max(
                    touched.get(root, 0), min(sizes[root], sizes[node.output[0]]) if rows else sizes[root]
                )
    ends = [i for i in inputs if i in used] + [o.name for o in model.graph.output]
    return sum(touched.values()) + sum(sizes[e] for e in ends)


def resnet50_fused() -> int:
    """Convolutions with activation and residual; conv1 and downsample of the first block read their input once."""

    def conv(c_in: int, c_out: int, k: int, side: int, stride: int = 1, residual: bool = False) -> int:
        out = c_out * (side // stride) ** 2
        return c_in * side**2 + c_out * c_in * k * k + c_out + out * (2 if residual else 1)

    moved = conv(3, 64, 7, 224, 2) + 64 * 112**2 + 64 * 56**2
    c_in, side = 64, 56
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            moved += conv(c_in, width, 1, side) + conv(width, width, 3, side, stride)
            if block == 0:
                moved += conv(c_in, 4 * width, 1, side, stride)
                if stage == 0:
                    moved -= c_in * side**2
            side //= stride
            moved += conv(width, 4 * width, 1, side, residual=True)
            c_in = 4 * width
    moved += c_in * side**2 + c_in + (c_in + 1000 * c_in + 1000 + 1000)
    return 4 * moved


def bert_fused() -> int:
    """12 layers at 1 x 128; H 768, F 3072; GELU by erf has the constants sqrt(2), 1 and 0.5.

    The exporter merged equal initialisers: in this file Q, K and V share one bias, and so do norms and projections.
    """
    s, h, f, mask = 128, 768, 3072, 128 * 128
    norm = s * h + 2 * h + s * h
    layer = s * h + 3 * h * h + h + 3 * s * h  # Q, K, V
    layer += 3 * s * h + mask + 1 + s * h  # attention, with its scale
    layer += s * h + h * h + h + s * h + s * h + norm  # projection, residual
    layer += s * h + h * f + f + 3 + s * f  # up, GELU
    layer += s * f + f * h + h + s * h + s * h + norm  # down, residual
    embedding = s * h + 2 * s + s * h  # rows, 64-bit ids; then two tables added, one of one row broadcast
    embedding += s * h + s * h + s * h + s * h + norm
    pooler = h + h * h + h  # no bias: it is zero, and the exporter dropped it
    pooler_row = h + h + 2  # Gather of it, and its 64-bit index
    masks = (s * 8 + s) + (s * 1 + s * 2 * 8 + s) + (s + s + 0)  # Cast to bool, GatherND by pairs of 64-bit indices
    masks += mask * 4 + 4 + 4  # And, Where: (128,) and (128, 1) bools, two scalars, floats written
    return 4 * (12 * layer + embedding + pooler + pooler_row) + masks


def gpt2_fused() -> int:
    """12 layers at 1 x 64; biases are zero and left out; Q, K, V in one product, split inside attention."""
    s, h, f, words, mask = 64, 768, 3072, 50257, 64 * 64
    norm = s * h + 2 * h + s * h
    layer = norm + s * h + 3 * h * h + 3 * s * h  # Q, K, V
    layer += 3 * s * h + mask + 1 + s * h  # attention, with its scale
    layer += s * h + h * h + s * h + s * h  # projection, residual
    layer += norm + s * h + h * f + 5 + s * f  # up; GELU by tanh: 0.5, 3, 0.044715, sqrt(2/pi), 1
    layer += s * f + f * h + s * h + s * h  # down, residual
    rest = 2 * s * h + 2 * s + 3 * s * h + norm + s * h + words * h + s * words  # rows, positions, last norm, logits
    masks = (s * 8 + s) + (s + s * 2 * 8 + s) + (mask + s + 8 + mask * 4)  # Cast, GatherND, And + Where
    return 4 * (12 * layer + rest) + masks


def vit_fused() -> int:
    """12 layers on 197 tokens; GELU by erf; MultiheadAttention transposes to (tokens, batch, width) and back."""
    s, h, f = 197, 768, 3072
    norm = s * h + 2 * h + s * h
    layer = norm + 2 * s * h + s * h + 3 * h * h + 3 * h + 3 * s * h  # transposed; Q, K, V in one product
    layer += 3 * s * h + 2 + 6 + s * h  # attention; Q and K are scaled by constants, and picked by 64-bit indices
    layer += s * h + h * h + h + s * h + 2 * s * h  # projection, transposed back
    layer += s * h + s * h + s * h  # residual, apart: a transposition came between
    layer += norm + s * h + h * f + f + 3 + s * f  # up, GELU
    layer += s * f + f * h + h + s * h + s * h  # down, residual
    patches = 3 * 224**2 + h * 3 * 256 + h + 196 * h + 2 * 196 * h  # convolution, transposed
    tokens = h + h + s * h + s * h + s * h  # the class token is copied in; position embedding added
    head = norm + 2 * h + 2 + (h + 1000 * h + 1000 + 1000)  # the first token's row
    return 4 * (12 * layer + patches + tokens + head)


@pytest.mark.parametrize("name", ["bert_base", "resnet50", "vit_b_16", "gpt2"])
def test_unfused_and_ideal(name: str) -> None:
    if true_shapes(name) is None:
        pytest.skip("no real run")
    assert total(name, "unfused") == by_hand_unfused(name)
    assert total(name, "ideal") == by_hand_ideal(name)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [("resnet50", resnet50_fused), ("bert_base", bert_fused), ("gpt2", gpt2_fused), ("vit_b_16", vit_fused)],
)
def test_fused(name: str, by_hand: Callable[[], int]) -> None:
    assert total(name, "fused") == by_hand()


EXPORTS = Path(__file__).parent / "data" / "exports"
TRUE_MACS = json.loads((EXPORTS / "truth.json").read_text())


@pytest.mark.parametrize("name", ["bert", "decoder", "resnet18", "vit"])
def test_one_network_exported_in_several_ways(name: str) -> None:
    """TorchScript and dynamo, eager attention and sdpa: the same MACs as torch counts, fused bytes within 3 %."""
    totals = {path.stem: roofline.analyze(path).totals for path in sorted(EXPORTS.glob(f"{name}*.onnx"))}
    assert len(totals) == (4 if name in ("bert", "decoder") else 2)
    for way, found in totals.items():
        assert found["macs"] == TRUE_MACS[way.rpartition("_")[0]], way
    moved = [found["bytes"] for found in totals.values()]
    assert max(moved) <= 1.03 * min(moved), totals


def test_the_optimised_file_moves_the_same() -> None:
    plain, optimised = total("bert_base", "fused"), total("bert_base_ort_extended", "fused")
    assert abs(optimised / plain - 1) <= 0.03
