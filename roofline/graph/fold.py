"""Evaluate the small integer arithmetic that exporters write around shapes.

The common operators are a few lines of numpy, because importing ONNX's own reference evaluator costs 0.1 s.
Every other operator goes to that evaluator. Only small tensors are evaluated; weights never are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]

MAX_ELEMENTS = 4096
"""Values with more elements are not worked out."""

_NEVER = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


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


def _gather(data: Array, indices: Array, axis: int = 0) -> Array:
    return np.take(data, indices, axis=axis)


def _squeeze(data: Array, axes: Any = None) -> Array:
    return np.squeeze(data, axis=None if axes is None else tuple(int(a) for a in np.ravel(axes)))


def _unsqueeze(data: Array, axes: Any) -> Array:
    return np.expand_dims(data, tuple(int(a) for a in np.ravel(axes)))


def _reshape(data: Array, shape: Array, allowzero: int = 0) -> Array:
    sizes = [data.shape[i] if s == 0 and not allowzero else int(s) for i, s in enumerate(shape.tolist())]
    return data.reshape(sizes)


def _concat(*parts: Array, axis: int) -> Array:
    return np.concatenate(parts, axis=axis)


def _expand(data: Array, shape: Array) -> Array:
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(shape.tolist())))


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
    "Where": np.where,
    "Identity": lambda x: x,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Expand": _expand,
    "ReduceProd": _reduce_prod,
    "Range": lambda start, limit, delta: np.arange(start, limit, delta, dtype=start.dtype),
    "Max": lambda *x: np.asarray(np.maximum.reduce(np.broadcast_arrays(*x))),
    "Min": lambda *x: np.asarray(np.minimum.reduce(np.broadcast_arrays(*x))),
}


def evaluate(
    node: onnx.NodeProto, inputs: Sequence[Array | None], attributes: Mapping[str, Any], opset: int
) -> list[Array] | None:
    """Return the outputs of `node` for known `inputs`, or None where they cannot be worked out here.

    A failure is never an error: the shape of the output is then simply not known from its value.
    """
    if node.op_type in _NEVER:
        return None
    try:
        with np.errstate(all="ignore"):
            if node.op_type == "Cast":
                from onnx.helper import tensor_dtype_to_np_dtype

                return [np.asarray(inputs[0]).astype(tensor_dtype_to_np_dtype(attributes["to"]))]
            if node.op_type == "ConstantOfShape":
                return _constant_of_shape(node, inputs)
            rule = _NUMPY.get(node.op_type)
            if rule is not None and node.domain in ("", "ai.onnx"):
                return [np.asarray(rule(*inputs, **attributes))]
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError):
        return None
    return _reference(node, inputs, opset)


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
