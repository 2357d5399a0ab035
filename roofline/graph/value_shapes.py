"""Output shapes of standard operators whose newest versions ONNX's C++ rules leave open, or get wrong.

The sizes come from small inputs known before the run. Source: the operators' definitions, opset 28.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Type = tuple[int, tuple[int, ...]]
Rule = Callable[[Sequence["Type | None"], Sequence["NDArray[Any] | None"], Mapping[str, Any]], "Type | None"]
"""(types of the inputs, their values, attributes) -> type of the one output; None leaves it to the C++ rules."""

FLOAT = 1


def _number(values: Sequence[NDArray[Any] | None], position: int) -> int | None:
    value = values[position] if position < len(values) else None
    return None if value is None or value.size != 1 else int(value.ravel()[0])


def one_hot(types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]) -> Any:
    """The indices' shape with an axis of `depth` put in."""
    depth, indices, kind = _number(values, 1), types[0], types[2]
    if depth is None or indices is None or kind is None:
        return None
    rank = len(indices[1]) + 1
    axis = attributes.get("axis", -1) % rank
    return kind[0], (*indices[1][:axis], depth, *indices[1][axis:])


def window(types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]) -> Any:
    """As long as the first input says."""
    size = _number(values, 0)
    return None if size is None else (attributes.get("output_datatype", FLOAT), (size,))


def mel_weights(
    types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]
) -> Any:
    """(dft_length // 2 + 1, num_mel_bins)."""
    bins, length = _number(values, 0), _number(values, 1)
    if bins is None or length is None:
        return None
    return attributes.get("output_datatype", FLOAT), (length // 2 + 1, bins)


def stft(types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]) -> Any:
    """(batch, frames, bins, 2): 1 + (signal - length) // step frames; length // 2 + 1 bins if onesided."""
    signal, step = types[0], _number(values, 1)
    length = _number(values, 3)
    if length is None and len(types) > 2 and types[2] is not None:
        length = types[2][1][0]
    if signal is None or not step or length is None:
        return None
    bins = length // 2 + 1 if attributes.get("onesided", 1) else length
    return signal[0], (signal[1][0], 1 + (signal[1][1] - length) // step, bins, 2)


def like_first(
    types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]
) -> Any:
    """Shaped like the first input."""
    return types[0]


def unpooled(types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]) -> Any:
    """Shaped as the third input says, where it is there; without it the C++ rule knows."""
    shape = values[2] if len(values) > 2 else None
    return None if shape is None or types[0] is None else (types[0][0], tuple(int(size) for size in shape.ravel()))


def sequence_range(
    types: Sequence[Type | None], values: Sequence[NDArray[Any] | None], attributes: Mapping[str, Any]
) -> Any:
    """max(ceil((limit - start) / delta), 0) elements."""
    if any(value is None or value.size != 1 for value in values[:3]) or types[0] is None:
        return None
    start, limit, delta = (value.ravel()[0] for value in values[:3] if value is not None)
    if not delta:
        return None
    whole = all(value.dtype.kind in "iu" for value in values[:3] if value is not None)
    steps = (
        -((int(start) - int(limit)) // int(delta)) if whole else np.ceil((float(limit) - float(start)) / float(delta))
    )
    return types[0][0], (max(0, int(steps)),)


RULES: Mapping[str, Rule] = {
    "OneHot": one_hot,
    "HannWindow": window,
    "HammingWindow": window,
    "BlackmanWindow": window,
    "MelWeightMatrix": mel_weights,
    "STFT": stft,
    "GroupNormalization": like_first,
    "MaxUnpool": unpooled,
    "MeanVarianceNormalization": like_first,
    "Range": sequence_range,
}
WRONG = frozenset({"STFT"})
"""Operators whose C++ rule gives another shape than the definition (onnx 1.23: all bins of a onesided STFT)."""
