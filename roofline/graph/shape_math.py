"""Arithmetic on shapes that reading and counting share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def transposed(shape: tuple[int, ...], last: bool, batch: bool) -> tuple[int, ...]:
    """Return the shape after com.microsoft.FusedMatMul's transpositions.

    Args:
        shape: (..., M, K).
        last: swap the last two axes (``transA``, ``transB``).
        batch: first move the leading axis to just before the last one (``transBatchA``, ``transBatchB``).
    """
    if batch and len(shape) > 2:
        shape = (*shape[1:-1], shape[0], shape[-1])
    return (*shape[:-2], shape[-1], shape[-2]) if last and len(shape) > 1 else shape


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of ``numpy.matmul`` of the two shapes."""
    rows = () if len(a) == 1 else (a[-2],)
    columns = () if len(b) == 1 else (b[-1],)
    return (*broadcast(a[:-2], b[:-2]), *rows, *columns)


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of two operands broadcast together."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    head = len(longer) - len(shorter)
    return longer[:head] + tuple(y if x == 1 else x for x, y in zip(longer[head:], shorter, strict=True))


def window_outputs(spatial: tuple[int, ...], kernel: tuple[int, ...], attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the output size per axis of a convolution or pooling window (ONNX operators Conv, MaxPool)."""
    axes = len(spatial)
    strides = attributes.get("strides") or (1,) * axes
    dilations = attributes.get("dilations") or (1,) * axes
    if attributes.get("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(-(-size // stride) for size, stride in zip(spatial, strides, strict=True))
    pads = attributes.get("pads") or (0,) * (2 * axes)
    return tuple(
        (spatial[i] + pads[i] + pads[axes + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
        for i in range(axes)
    )
