"""Hostile ONNX files: damaged ones, and ones made of whatever the standard's operators allow."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from onnx import TensorProto, helper

from fuzz.mutate import TEXTS, bytes_of

DATA = Path(__file__).parents[1] / "data"
INTS = [0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)]
TYPES = [*TensorProto.DataType.values(), 99, -1]
DIMS: list[Any] = [0, 1, 1, 2, 3, 4, 7, 8, 16, 224, 2**20, 2**31, 2**40, 2**62, -1, "n", "batch", "a*b", "n//0", "9**9"]
_SHOWN_TYPES = {
    FieldDescriptor.TYPE_INT64: INTS, FieldDescriptor.TYPE_UINT64: [abs(i) for i in INTS],
    FieldDescriptor.TYPE_INT32: [i for i in INTS if -(2**31) <= i < 2**31] + TYPES,
    FieldDescriptor.TYPE_FLOAT: [0.0, -1.0, 1e38, float("nan"), float("inf"), 0.5],
    FieldDescriptor.TYPE_DOUBLE: [0.0, -1.0, 1e308, float("nan"), float("inf")],
    FieldDescriptor.TYPE_BOOL: [True, False],
}  # fmt: skip


def seeds() -> list[bytes]:
    """Return small real models, free dimensions bound in half of them, and operators without a model."""
    found = []
    for path in (*sorted(DATA.glob("exports/*.onnx")), *sorted(DATA.glob("models/*.onnx"))):
        if path.stat().st_size < 80_000:
            model = onnx.load(path, load_external_data=False)
            found.append(model.SerializeToString())
            for value in model.graph.input:
                for dim in value.type.tensor_type.shape.dim:
                    if dim.dim_param:
                        dim.dim_value = 8
            found.append(model.SerializeToString())
    return found


def damaged_bytes(seed: bytes, rng: random.Random) -> bytes:
    """Return a file damaged without regard to what it holds."""
    return bytes_of(seed, rng)


def damaged_fields(seed: bytes, rng: random.Random) -> bytes:
    """Return a file some of whose fields, at any depth, hold something else; still a protobuf message."""
    try:
        model = onnx.ModelProto.FromString(seed)
    except Exception:  # protobuf has several
        return seed
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        messages: list[Any] = [model]
        message: Any = model
        while messages and (message is model or rng.random() < 0.8):
            message = rng.choice(messages)
            messages = [
                item
                for field, value in message.ListFields()
                if field.message_type
                for item in (rng.sample(list(value), min(len(value), 4)) if _many(value) else [value])
            ]
        _change(message, rng)
    try:
        return model.SerializeToString()
    except Exception:  # nested too deep to be written
        return seed


def _many(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes))


def _change(message: Any, rng: random.Random) -> None:
    """Change one field of a message: drop it, repeat it, exchange its value."""
    there = [field for field, _ in message.ListFields()]
    field = rng.choice(there) if there and rng.random() < 0.8 else rng.choice(list(message.DESCRIPTOR.fields))
    value = getattr(message, field.name)
    if _many(value):
        kind = rng.randrange(4)
        if kind == 0 and len(value):
            del value[rng.randrange(len(value))]
        elif kind == 1 and len(value):
            value.append(value[rng.randrange(len(value))])
        elif kind == 2 and len(value) > 1:
            a, b = rng.sample(range(len(value)), 2)
            if field.message_type:
                value[a].CopyFrom(value[b])
            else:
                value[a], value[b] = value[b], value[a]
        elif field.message_type:
            value.add()
        else:
            new = _scalar(field, rng)
            if len(value) and rng.random() < 0.7:
                value[rng.randrange(len(value))] = new
            else:
                value.append(new)
    elif field.message_type:
        if rng.random() < 0.5:
            message.ClearField(field.name)
        else:
            value.SetInParent()
    else:
        setattr(message, field.name, _scalar(field, rng))


def _scalar(field: Any, rng: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        text = rng.choice([*TEXTS, "", "x", "X", "input", "output", "Conv", "If", "Loop", "Scan", "Identity"])
        return text.encode("utf-8", "replace").decode()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 4, 8, 9]))
    if field.type == FieldDescriptor.TYPE_ENUM:
        return rng.choice(list(field.enum_type.values)).number
    return rng.choice(_SHOWN_TYPES.get(field.type, [0]))


_SCHEMAS = sorted((s for s in onnx.defs.get_all_schemas() if s.domain in ("", "ai.onnx.ml")), key=lambda s: s.name)
_OWN = ("FusedConv", "FusedGemm", "FusedMatMul", "SkipLayerNormalization", "MultiHeadAttention", "Attention",
        "QLinearAdd", "MatMulNBits",
        "GroupQueryAttention", "EmbedLayerNormalization", "BiasGelu", "FastGelu", "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul", "NhwcConv", "QOrderedMatMul", "MoE", "RotaryEmbedding", "Nobody")  # fmt: skip


def any_graph(_seed: bytes, rng: random.Random) -> bytes:
    """Return a graph of one to twelve nodes of any operators, of shapes and attributes that fit or do not."""
    names = [f"x{i}" for i in range(rng.randrange(1, 4))]
    small = rng.random() < 0.6
    inputs = [
        helper.make_tensor_value_info(name, rng.choice([1, 1, 1, 7, 9, 10, 3]), _shape(rng, small)) for name in names
    ]
    weights = [_weight(f"w{i}", rng, small) for i in range(rng.randrange(5))]
    names += [tensor.name for tensor in weights]
    nodes = []
    for number in range(rng.randrange(1, 13)):
        nodes.append(_node(number, names, rng))
        names += [name for name in nodes[-1].output if name]
    if rng.random() < 0.1:
        rng.shuffle(nodes)
    results = rng.sample(names, min(len(names), rng.randrange(1, 4)))
    graph = helper.make_graph(
        nodes, rng.choice(["g", *TEXTS[:6]]), inputs,
        [helper.make_tensor_value_info(name, 1, None) for name in results], weights,
    )  # fmt: skip
    imports = [helper.make_opsetid("", rng.choice([7, 11, 13, 17, 20, 23])), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=[*imports, helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9)
    return model.SerializeToString()


def _shape(rng: random.Random, small: bool) -> list[Any] | None:
    if rng.random() < 0.05:
        return None
    rank = rng.choice([0, 1, 2, 2, 3, 4, 4, 5])
    return [rng.choice(DIMS[1:10] if small else DIMS) for _ in range(rank)]


def _weight(name: str, rng: random.Random, small: bool) -> onnx.TensorProto:
    kind = rng.randrange(4)
    if kind == 0:
        values = [rng.choice([0, 1, 2, -1, 3, 2**40] if small else INTS) for _ in range(rng.randrange(5))]
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
    if kind == 1:
        return helper.make_tensor(name, TensorProto.FLOAT, [], [rng.choice([0.0, 1.0, -2.5, 1e30])])
    dims = [size for size in _shape(rng, small) or [] if isinstance(size, int)]
    tensor = TensorProto(name=name, data_type=rng.choice([1, 1, 1, 10, 3, 2, 21, *TYPES]), dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    place = rng.choice(["w.bin", "../w.bin", "/etc/passwd", "/dev/zero", "", "a/../../b", "\x00"])
    tensor.external_data.add(key="location", value=place)
    return tensor


def _node(number: int, names: Sequence[str], rng: random.Random) -> onnx.NodeProto:
    schema = rng.choice(_SCHEMAS)
    own = rng.random() < 0.15
    count = rng.choice([max(1, schema.min_input), min(schema.max_input, 6), rng.randrange(5)])
    inputs = [rng.choice(names) if rng.random() < 0.93 else "" for _ in range(count)]
    outputs = [f"t{number}_{i}" for i in range(rng.choice([max(1, schema.min_output), 1, min(schema.max_output, 4)]))]
    node = helper.make_node(rng.choice(_OWN) if own else schema.name, inputs, outputs,
                            name=rng.choice([f"n{number}", "", *TEXTS[:20]]).encode("utf-8", "replace").decode(),
                            domain="com.microsoft" if own else schema.domain)  # fmt: skip
    for name, attribute in schema.attributes.items():
        if attribute.required or rng.random() < 0.4:
            node.attribute.append(_attribute(name, int(attribute.type), names, rng))
    return node


def _attribute(name: str, kind: int, names: Sequence[str], rng: random.Random) -> onnx.AttributeProto:
    if rng.random() < 0.05:
        kind = rng.randrange(1, 12)
    whole = [0, 1, 2, 3, -1, 4] if rng.random() < 0.8 else INTS
    values: dict[int, Callable[[], Any]] = {
        1: lambda: rng.choice([0.0, 0.5, 1.0, -1.0, 1e30]),
        2: lambda: rng.choice(whole),
        3: lambda: rng.choice([b"SAME_UPPER", b"VALID", b"ij,jk->ik", b"...i->i...", b"linear", b"\xff", b""]),
        4: lambda: _weight("v", rng, small=True),
        6: lambda: [rng.choice([0.0, 1.0, -1.0]) for _ in range(rng.randrange(4))],
        7: lambda: [rng.choice(whole) for _ in range(rng.randrange(5))],
        8: lambda: [rng.choice([b"a", b"Relu", b"Tanh", b"\xff"]) for _ in range(rng.randrange(4))],
    }  # fmt: skip
    found = onnx.AttributeProto(name=name, type=kind)
    if kind == 5:
        inner = [helper.make_node("Identity", [rng.choice(names)], [f"{name}_out"])]
        shape = rng.choice([None, [], [2]])
        inputs = [
            helper.make_tensor_value_info(f"{name}_in{i}", rng.choice([1, 7, 9]), shape)
            for i in range(rng.randrange(4))
        ]
        graph = helper.make_graph(inner, "body", inputs, [helper.make_tensor_value_info(f"{name}_out", 1, None)])
        found.g.CopyFrom(graph)
        return found
    if kind not in values:
        return found
    value = values[kind]()
    field = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}[kind]
    if kind == 4:
        found.t.CopyFrom(value)
    elif kind in (6, 7, 8):
        getattr(found, field).extend(value)
    else:
        setattr(found, field, value)
    return found
