"""Evaluate the small integer arithmetic that exporters write around shapes.

The common operators are a few lines of numpy, because importing ONNX's own reference evaluator
costs more than reading a model (tests/benchmarks/start_costs.py).
Those of the lists below go to that evaluator. Only small tensors are evaluated; weights never are.

Files come from strangers: an operator is evaluated only if its work is in proportion to its inputs and its result,
whatever its attributes say, and if it opens no file, runs no program (an image decoder does both) and draws no random
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]

MAX_ELEMENTS = 4096
"""Values with more elements are not worked out."""

MAX_WORK = 1 << 16
"""Elements that evaluating an operator may read, or write on the way to a result that is dropped if it is larger."""

_NO_LARGER = frozenset({
    "Abs", "Acos", "Acosh", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "BitCast", "BitwiseNot",
    "CastLike", "Celu", "Compress", "Cos", "Cosh", "CumProd", "CumSum", "DequantizeLinear", "Elu", "Erf", "Exp",
    "EyeLike", "Flatten", "GatherElements", "HardSigmoid", "IsInf", "IsNaN", "LeakyRelu", "Log",
    "NonZero", "QuantizeLinear", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu",
    "ReverseSequence", "Round", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Sinh",
    "Size", "Softplus", "Softsign", "Split", "Tan", "Tanh", "TopK", "Transpose", "Trilu", "Unique",
})  # fmt: skip
"""Operators whose result has at most as many elements as their inputs (NonZero: as many rows as axes)."""

_BROADCASTING = frozenset({
    "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Clip", "GreaterOrEqual", "LessOrEqual", "Mean", "Mod",
    "Or", "PRelu", "Pow", "Sum", "Xor",
})  # fmt: skip
_IF_SMALL = frozenset({"Gemm", "MatMul", "OneHot", "Pad", "Tile"})
"""Operators that are evaluated where the result is known to be small."""
_SUPPRESSED = 256
"""Boxes of a NonMaxSuppression, whose work grows with their square."""


def _refuse_larger(elements: int) -> None:
    if elements > MAX_ELEMENTS:
        raise OverflowError("too large to be worth evaluating")


def _divide(a: Array, b: Array) -> Array:
    if not np.issubdtype(a.dtype, np.integer):
        return np.asarray(np.divide(a, b))
    quotient = np.floor_divide(np.abs(a), np.abs(b)) * np.sign(a) * np.sign(b)  # ONNX truncates to zero
    return np.asarray(quotient).astype(a.dtype)


def _slice(data: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    index: list[slice] = [slice(None)] * data.ndim
    which = range(len(starts)) if axes is None else axes.tolist()
    for i, axis in enumerate(which):
        step = 1 if steps is None else int(steps[i])
        start, end = int(starts[i]), int(ends[i])
        if step < 0 and end < -data.shape[axis]:
            index[axis] = slice(start, None, step)
        else:
            index[axis] = slice(start, end, step)
    return data[tuple(index)]


def _range(start: Array, limit: Array, delta: Array, stash_type: int = 1) -> Array:
    if (float(limit.item()) - float(start.item())) / float(delta.item()) > MAX_ELEMENTS:
        raise OverflowError("too long to be worth evaluating")
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _where(condition: Array, a: Array, b: Array) -> Array:
    _refuse_larger(np.broadcast(condition, a, b).size)
    return np.where(condition, a, b)


def _gather(data: Array, indices: Array, axis: int = 0) -> Array:
    _refuse_larger(indices.size * data.size // max(1, data.shape[axis]))
    return np.take(data, indices, axis=axis)


def _squeeze(data: Array, axes: Any = None) -> Array:
    return np.squeeze(data, axis=None if axes is None else tuple(int(a) for a in np.ravel(axes)))


def _unsqueeze(data: Array, axes: Any) -> Array:
    places = [int(axis) for axis in np.ravel(axes)]
    rank = data.ndim + len(places)
    sizes, ones = iter(data.shape), {a % rank for a in places}
    return data.reshape([1 if axis in ones else next(sizes) for axis in range(rank)])


def _reshape(data: Array, shape: Array, allowzero: int = 0) -> Array:
    sizes = [data.shape[i] if s == 0 and not allowzero else int(s) for i, s in enumerate(shape.tolist())]
    return data.reshape(sizes)


def _concat(*parts: Array, axis: int) -> Array:
    _refuse_larger(sum(part.size for part in parts))
    return np.concatenate(parts, axis=axis)


def _extreme(reduce: Callable[..., Array]) -> Callable[..., Array]:
    def found(*values: Array) -> Array:
        _refuse_larger(_broadcast_size(values))
        return np.asarray(reduce(np.broadcast_arrays(*values)))

    return found


def _expand(data: Array, shape: Array) -> Array:
    sizes = np.broadcast_shapes(data.shape, tuple(shape.tolist()))
    _refuse_larger(prod(sizes))
    return np.broadcast_to(data, sizes)


def _reduce_prod(data: Array, axes: Any = None, keepdims: int = 1) -> Array:
    which = None if axes is None else tuple(int(a) for a in np.ravel(axes))
    return np.asarray(np.prod(data, axis=which, keepdims=bool(keepdims), dtype=data.dtype))


_NUMPY: Mapping[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Neg": np.negative,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Sqrt": np.sqrt,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Where": _where,
    "Identity": lambda x: x,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Expand": _expand,
    "ReduceProd": _reduce_prod,
    "Range": _range,
    "Max": _extreme(np.maximum.reduce),
    "Min": _extreme(np.minimum.reduce),
}


_EXTERNAL = 1
"""``TensorProto.EXTERNAL``."""


def evaluate(
    node: onnx.NodeProto,
    inputs: Sequence[Array | None],
    attributes: Mapping[str, Any],
    opset: int,
    is_small: bool,
) -> list[Array] | None:
    """Return the outputs of `node` for known `inputs`, or None where they cannot be worked out here.

    A failure is never an error: the shape of the output is then simply not known from its value.

    Args:
        node: the node, without subgraphs.
        inputs: its inputs, None where one is left out.
        attributes: its attributes as plain values.
        opset: version of the node's domain.
        is_small: whether the outputs are known to be small.
    """
    if node.domain not in ("", "ai.onnx") or any(value is not None and value.dtype.kind in "OSU" for value in inputs):
        return None  # text grows without having more elements
    if any(attribute.t.data_location == _EXTERNAL for attribute in node.attribute if attribute.HasField("t")):
        return None  # onnx would open the file that it names
    try:
        if node.op_type == "Cast":
            from onnx.helper import tensor_dtype_to_np_dtype

            return [np.asarray(inputs[0]).astype(tensor_dtype_to_np_dtype(attributes["to"]))]
        if node.op_type == "ConstantOfShape":
            return _constant_of_shape(node, inputs)
        rule = _NUMPY.get(node.op_type)
        if rule is not None:
            if isinstance(rule, np.ufunc) and _broadcast_size(inputs) > MAX_ELEMENTS:
                return None
            return [np.asarray(rule(*inputs, **attributes))]
        if not _is_bounded(node.op_type, inputs, is_small):
            return None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, MemoryError):
        return None  # attributes that do not fit, or an input that is left out
    if any(value is not None and not value.size for value in inputs):
        return None  # numpy warns of the mean of nothing
    return _reference(node, inputs, opset)


def _is_bounded(op_type: str, inputs: Sequence[Array | None], is_small: bool) -> bool:
    """Return whether an operator's work is in proportion to inputs and result, and both are small."""
    known = [value for value in inputs if value is not None]
    if sum(value.size for value in known) > MAX_WORK:
        return False
    if op_type in _BROADCASTING:
        return _broadcast_size(known) <= MAX_ELEMENTS
    if op_type == "NonMaxSuppression":
        return bool(known) and known[0].size <= 4 * _SUPPRESSED and known[1].size <= 4 * _SUPPRESSED
    if op_type == "GatherND":
        return known[0].size * known[1].size <= MAX_WORK
    return op_type in _NO_LARGER or (is_small and op_type in _IF_SMALL)


def _broadcast_size(inputs: Sequence[Array | None]) -> int:
    shapes = [value.shape for value in inputs if value is not None]
    return prod(np.broadcast_shapes(*shapes)) if len(shapes) > 1 else 0


def _constant_of_shape(node: onnx.NodeProto, inputs: Sequence[Array | None]) -> list[Array] | None:
    from onnx.numpy_helper import to_array

    shape = tuple(int(s) for s in np.ravel(np.asarray(inputs[0])))
    if np.prod(shape, dtype=np.float64) > MAX_ELEMENTS:
        return None
    value = to_array(node.attribute[0].t).ravel()[0] if node.attribute else np.float32(0)
    return [np.full(shape, value)]


def _reference(node: onnx.NodeProto, inputs: Sequence[Array | None], opset: int) -> list[Array] | None:
    if any(attribute.HasField("g") for attribute in node.attribute):
        return None
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(node, opsets={node.domain: max(opset, 1)})
        names = [name for name in node.input if name]
        feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if name in names}
        return [np.asarray(value) for value in evaluator.run(None, feeds)]
    except Exception:  # noqa: BLE001  (the evaluator raises whatever its operators raise)
        return None
