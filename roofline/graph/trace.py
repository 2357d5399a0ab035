"""Where every tensor comes from, and which nodes therefore cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from roofline.graph.nodes import BITS, DTYPES, Origin, TensorInfo
from roofline.graph.raw import RawNode
from roofline.graph.shapes import Inference

if TYPE_CHECKING:
    import onnx

UNUSED = "unused: no output of the model needs it"
CONSTANT = "constant: depends only on initialisers"
SHAPE = "shape arithmetic: depends only on shapes"

_COPIES = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Cast", "DequantizeLinear"})
_STATEFUL = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_MAX_VALUE = 16
"""Operands of up to this many elements carry their value (scales, axes, sizes)."""


def trace_tensors(
    graph: onnx.GraphProto,
    nodes: Sequence[RawNode],
    inference: Inference,
    outer: Mapping[str, TensorInfo] | None = None,
) -> dict[str, TensorInfo]:
    """Return every tensor of a graph with type, shape and where it comes from.

    With `outer`, of a subgraph: the tensors around it are visible inside, and its inputs are computed data.
    """
    known = inference.known
    tensors = dict(outer or {})
    inner = outer is not None
    unknown = (0, None)

    def info(name: str, origin: Origin, root: str = "", quantized_as: str = "", stored_as: str = "") -> TensorInfo:
        code, shape = known.get(name) or unknown
        dtype = DTYPES[code] if 0 < code < len(DTYPES) else None
        return TensorInfo(name, dtype, shape, origin, root, quantized_as, stored_as)

    for tensor in graph.initializer:
        tensors[tensor.name] = info(tensor.name, "initializer", tensor.name)
    for sparse in graph.sparse_initializer:
        tensors[sparse.values.name] = info(sparse.values.name, "initializer", sparse.values.name)
    for value in graph.input:
        if inner or value.name not in tensors:  # before IR 4 initialisers are listed among the inputs too
            tensors[value.name] = info(value.name, "data" if inner else "input")
    for node in nodes:
        origin = _origin(node, tensors)
        source = tensors.get(node.inputs[0]) if node.inputs else None
        root = quantized_as = stored_as = ""
        if source is not None and node.op_type == "DequantizeLinear":
            quantized_as = source.dtype or ""
        if source is not None and origin == "constant" and not node.domain and node.op_type in _COPIES:
            root, stored_as = source.root, source.stored_as or source.dtype or ""
            quantized_as = quantized_as or source.quantized_as
        for name in node.outputs:
            if name:
                made = info(name, origin, root, quantized_as, stored_as)
                is_narrower = stored_as and made.dtype and BITS[stored_as] < BITS[made.dtype]
                tensors[name] = made if is_narrower else made._replace(stored_as="")
    return tensors


def _origin(node: RawNode, tensors: Mapping[str, TensorInfo]) -> Origin:
    if node.op_type in _STATEFUL:
        return "data"
    origin: Origin = "constant"
    is_shape = not node.domain and node.op_type in ("Shape", "Size")
    for name in node.reads:
        source = tensors.get(name)
        found = "data" if source is None else source.origin
        if found == "initializer" or found == "constant":
            continue
        if found == "shape" or is_shape:
            origin = "shape"
        else:
            return "data"
    return origin


def free_reasons(nodes: Sequence[RawNode], tensors: Mapping[str, TensorInfo], outputs: Iterable[str]) -> dict[int, str]:
    """Return node position -> why it costs nothing, for nodes that run before, or not at all."""
    wanted = set(outputs)
    reasons = {}
    for node in reversed(nodes):
        for name in node.outputs:
            if name in wanted:
                wanted.update(node.reads)
                origin = tensors[name].origin
                if origin != "data":
                    reasons[node.position] = CONSTANT if origin == "constant" else SHAPE
                break
        else:
            reasons[node.position] = UNUSED
    return reasons


def with_value(tensor: TensorInfo, inference: Inference) -> TensorInfo:
    """Return the tensor with its value, where that is small and known before the run."""
    if tensor.origin == "data" or tensor.name not in inference.values:
        return tensor
    if tensor.shape is None or prod(tensor.shape) > _MAX_VALUE:
        return tensor
    array = inference.values.array(tensor.name)
    return tensor if array is None else tensor._replace(value=tuple(array.ravel().tolist()))
