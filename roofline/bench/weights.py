"""A model that onnxruntime can run: weights whose file is not there are made up.

Times hardly depend on the values, as long as none is denormal, infinite or no index. Weights are written to a
temporary file one at a time, and onnxruntime maps that file: memory holds a block of them at most.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod, sqrt
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.errors import MeasurementError
from roofline.graph.load import load_proto
from roofline.graph.nodes import BITS, DTYPES, packed_bytes
from roofline.units import text

if TYPE_CHECKING:
    import onnx

BLOCK = 2**18
"""Random values that are made at all; larger weights repeat them."""
DATA_FILE = "weights.data"
_WHOLE = re.compile(r"[0-9]{1,18}")
_NUMPY = {"float32": "<f4", "float16": "<f2", "float64": "<f8", "int64": "<i8", "int32": "<i4", "int16": "<i2",
          "int8": "<i1", "uint8": "<u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8", "bool": "?"}  # fmt: skip
_NORMALS = ("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
            "SimplifiedLayerNormalization", "SkipLayerNormalization", "RMSNormalization")  # fmt: skip

_VARIANCE = ("BatchNormalization", 4)
_COPIES = ("Identity", "Cast")


class Runnable(NamedTuple):
    """What to hand to onnxruntime."""

    model: str | bytes
    """Path or content."""
    made_up: tuple[str, ...] = ()
    """Weights with random values."""
    zeroed: tuple[str, ...] = ()
    """Whole numbers that are not there either: all 0, which is a valid index of anything."""


def runnable(model: str | os.PathLike[str] | bytes, folder: Path, seed: int = 0) -> Runnable:
    """Return the model itself if all of its weights are there, else one in `folder` with random ones.

    Raises:
        ModelFileError: it is no ONNX file.
        MeasurementError: a missing weight has a type that cannot be made up, or there is no room for it.
    """
    import onnx

    proto, where = load_proto(model)
    content = model if isinstance(model, bytes) else os.fspath(model)
    home = None if isinstance(model, bytes) else Path(os.fspath(model)).parent
    _refuse_odd(proto, where)
    if not any(_is_missing(tensor, home) for tensor in _tensors(proto)):
        return Runnable(content)
    full = onnx.ModelProto.FromString(content) if isinstance(content, bytes) else _load(content)
    _refuse_odd(full, where)
    _refuse_too_large(full, folder, where)
    roles = {name: role for part in (*full.functions, full.graph) for name, role in _roles(part).items()}
    rng = np.random.default_rng(seed)
    made_up: list[str] = []
    zeroed: list[str] = []
    with (folder / DATA_FILE).open("wb") as file:
        for tensor in _tensors(full):
            if not _is_missing(tensor, home):
                _copy(file, tensor, home)
                continue
            is_zero = _fill(file, tensor, roles.get(tensor.name, _Role("", 0)), rng)
            (zeroed if is_zero else made_up).append(tensor.name)
    path = folder / "model.onnx"
    path.write_bytes(full.SerializeToString())
    return Runnable(str(path), tuple(made_up), tuple(zeroed))


def _load(path: str) -> onnx.ModelProto:
    import onnx

    return onnx.load(path, load_external_data=False)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every initialiser and constant, those of subgraphs and of the model's own functions too."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _of_graph(attribute.g)


def _is_elsewhere(tensor: onnx.TensorProto) -> bool:
    """Return whether the values lie in another file; without entries they were left out by our own reader."""
    return tensor.data_location == tensor.EXTERNAL and len(tensor.external_data) > 0


def _refuse_odd(model: onnx.ModelProto, where: str) -> None:
    """Raise where a weight of another file has no size."""
    for tensor in filter(_is_elsewhere, _tensors(model)):
        dtype = DTYPES[tensor.data_type] if 0 < tensor.data_type < len(DTYPES) else ""
        if dtype not in BITS:
            raise MeasurementError(
                f"the weight {tensor.name} is of type {dtype or tensor.data_type}", where=where,
                expected="a type whose values can lie in a file",
            )  # fmt: skip
        if any(size < 0 for size in tensor.dims):
            raise MeasurementError(
                f"the weight {tensor.name} has shape {list(tensor.dims)}", where=where, expected="sizes from 0 up"
            )


def _refuse_too_large(model: onnx.ModelProto, folder: Path, where: str) -> None:
    """Raise where the weights that are about to be written would fill the disk."""
    needed, free = sum(map(_size, filter(_is_elsewhere, _tensors(model)))), disk_usage(folder).free
    if needed > free:
        raise MeasurementError(
            f"its weights are not all there, and made up they take {text(needed, 'B')}", where=where,
            expected=f"at most what is free in {folder.parent}, {text(free, 'B')}",
            hint="fetch the weights' file, or let TMPDIR name a larger disk",
        )  # fmt: skip


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _is_missing(tensor: onnx.TensorProto, home: Path | None) -> bool:
    """Return whether the values lie in another file that is not there, too short, or outside the model's folder."""
    if not _is_elsewhere(tensor):
        return False
    if home is None:
        return True
    entries = _entries(tensor)
    start, length = entries.get("offset", "0"), entries.get("length", str(_size(tensor)))
    if not _WHOLE.fullmatch(start) or not _WHOLE.fullmatch(length):
        return True
    path = home / entries.get("location", "")
    try:
        is_inside = path.resolve().is_relative_to(home.resolve()) and path.is_file()
        return not is_inside or path.stat().st_size < int(start) + int(length)
    except (OSError, ValueError):  # no file can have that name
        return True


def _size(tensor: onnx.TensorProto) -> int:
    return packed_bytes(prod(tensor.dims), DTYPES[tensor.data_type])


def _copy(file: BinaryIO, tensor: onnx.TensorProto, home: Path | None) -> None:
    """Copy a weight that is there beside the made-up ones: onnxruntime reads no file outside the model's folder."""
    if not _is_elsewhere(tensor) or home is None:
        return
    entries = _entries(tensor)
    start, left = file.tell(), _size(tensor)
    with (home / entries["location"]).open("rb") as source:
        source.seek(int(entries.get("offset", 0)))
        while left > 0:
            part = source.read(min(left, 4 * BLOCK))
            if not part:
                raise MeasurementError(f"the weight {tensor.name} ends early", where=entries["location"])
            file.write(part)
            left -= len(part)
    _point_to(tensor, start, _size(tensor))


def _point_to(tensor: onnx.TensorProto, start: int, length: int) -> None:
    for field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "raw_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = tensor.EXTERNAL
    for key, value in (("location", DATA_FILE), ("offset", start), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


class _Role(NamedTuple):
    """What reads a weight, and as which input."""

    op_type: str
    position: int
    attributes: Mapping[str, Any] = {}


def _roles(graph: onnx.GraphProto | onnx.FunctionProto) -> dict[str, _Role]:
    """Return what reads each weight; of several readers, one that needs positive numbers counts. Copies pass it on."""
    found: dict[str, _Role] = {}
    for node in reversed(graph.node):
        if node.op_type in _COPIES and node.output and node.output[0] in found:
            _note_role(found, node.input[0], found[node.output[0]])
        plain = {a.name: a.i for a in node.attribute if a.type == a.INT}
        for position, name in enumerate(node.input):
            _note_role(found, name, _Role(node.op_type, position, plain))
        for attribute in node.attribute:
            if attribute.HasField("g"):
                for name, role in _roles(attribute.g).items():
                    _note_role(found, name, role)
    return found


def _note_role(found: dict[str, _Role], name: str, role: _Role) -> None:
    known = found.get(name)
    if known is None or known.op_type in _COPIES or (_is_positive(role) and not _is_positive(known)):
        found[name] = role


def _is_positive(role: _Role) -> bool:
    """Return whether the weight is a scale or a variance."""
    if role.op_type in ("QuantizeLinear", "DequantizeLinear"):
        return role.position == 1
    return (role.op_type in _NORMALS and role.position == 1) or (role.op_type, role.position) == _VARIANCE


def _fill(file: BinaryIO, tensor: onnx.TensorProto, role: _Role, rng: np.random.Generator) -> bool:
    """Write the tensor's values and let it point to them; returns whether they are all 0."""
    dtype = DTYPES[tensor.data_type]
    count = prod(tensor.dims)
    block = values_for(dtype, tuple(tensor.dims), role.op_type, role.position, role.attributes, rng)
    if block is None:
        raise MeasurementError(
            f"the weight {tensor.name} ({dtype}) is not there and cannot be made up", hint="fetch the weights' file"
        )
    start = file.tell()
    left = count
    while left > 0:
        part = block[:left]
        file.write(part.tobytes())
        left -= len(part)
    file.write(b"\0" * (-file.tell() % 64))
    _point_to(tensor, start, count * block.itemsize)
    return not block.any()


def values_for(
    dtype: str,
    shape: tuple[int, ...],
    op_type: str,
    position: int,
    attributes: Mapping[str, Any],
    rng: np.random.Generator,
) -> NDArray[Any] | None:
    """Return a block of values to repeat, or None for a type that numpy does not know.

    Weights of a contraction are normal with variance 2 / fan-in (He et al. 2015): activations keep their size over
    any number of layers, so that none turns denormal (slow) or infinite. Scales and variances are positive.
    """
    if dtype not in _NUMPY:
        return None
    kind = np.dtype(_NUMPY[dtype])
    size = min(max(prod(shape), 1), BLOCK)
    if dtype == "bool":
        return np.ones(size, kind)
    if dtype in ("int8", "uint8"):
        if op_type in ("QuantizeLinear", "DequantizeLinear") and position == 2:
            return np.zeros(size, kind)
        low, high = (-127, 128) if dtype == "int8" else (0, 256)
        return rng.integers(low, high, size).astype(kind)
    if kind.kind in "iu":
        return np.zeros(size, kind)
    if (op_type in _NORMALS and position == 1) or (op_type, position) == _VARIANCE:
        return (1 + 0.1 * rng.random(size)).astype(kind)
    if op_type in ("QuantizeLinear", "DequantizeLinear") and position == 1:
        return (0.01 + 0.01 * rng.random(size)).astype(kind)
    return (_deviation(shape, op_type, position, attributes) * rng.standard_normal(size)).astype(kind)


def _deviation(shape: tuple[int, ...], op_type: str, position: int, attributes: Mapping[str, Any]) -> float:
    if op_type in ("Conv", "FusedConv", "ConvTranspose") and position == 1 and len(shape) > 2:
        fan_in = prod(shape[1:]) if op_type != "ConvTranspose" else shape[0]
    elif op_type in ("MatMul", "FusedMatMul") and position < 2 and len(shape) >= 2:
        fan_in = shape[-2] if position == 1 else shape[-1]
    elif op_type == "Gemm" and position == 1 and len(shape) == 2:
        fan_in = shape[1] if attributes.get("transB") else shape[0]
    elif op_type in ("LSTM", "GRU", "RNN") and position in (1, 2):
        fan_in = 2 * shape[-1]
    else:
        return 0.02
    return sqrt(2 / max(fan_in, 1))
