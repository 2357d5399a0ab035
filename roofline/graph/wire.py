"""Drop weight data from an ONNX file before anything parses it.

Works on the protobuf wire format (https://protobuf.dev/programming-guides/encoding/), on a memory map, so
weight bytes are skipped over and never read from disk. Message layouts are those of ``onnx.proto3``. Field
order does not matter, and a repeated ``graph`` field is passed on twice: protobuf merges it when it parses.
"""

from __future__ import annotations

from collections.abc import Callable

from roofline.errors import ModelFileError

KEEP_BYTES = 4096
"""Tensors up to this encoded size keep their values: shapes, axes and scales are read from them."""

MAX_DEPTH = 100
"""Nesting limit of protobuf's own parsers."""

# message -> field number -> message of that field; fields not named here are copied untouched
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
# fields that are left out: an exporter's value_info can be stale, shapes are worked out anew
_DROPPED: dict[str, frozenset[int]] = {"Graph": frozenset({13})}
# float, int32, string, int64, raw, double, uint64 data; 14 (data_location) is written anew
_TENSOR_DATA = frozenset({4, 5, 6, 7, 9, 10, 11, 14})
_EXTERNAL = b"\x70\x01"  # field 14 = EXTERNAL: the values are elsewhere

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def strip_weights(data: memoryview, *, where: str = "model", skipped: Callable[[int], None] | None = None) -> bytes:
    """Return the file `data` without the values of large tensors; dimensions and types stay.

    Args:
        data: a whole ONNX file, best a view on a memory map.
        where: name of the file, for errors.
        skipped: called after each large tensor with where it ends: nothing before is read again.

    Raises:
        ModelFileError: the bytes end inside a field, or are no protobuf message.
    """
    chunks: list[bytes] = []
    try:
        _copy(data, 0, len(data), "Model", chunks, 0, skipped or _ignore)
    except (_MalformedError, IndexError) as error:
        at = error.args[0] if isinstance(error, _MalformedError) else f"the file ends at byte {len(data)}"
        raise ModelFileError(
            f"not a whole ONNX file: {at}",
            where=where,
            hint="it is truncated, or no ONNX model; copy or export it again",
        ) from None
    return b"".join(chunks)


class _MalformedError(Exception):
    """The bytes do not follow the wire format; the argument says where."""


def _ignore(end: int) -> None:
    pass


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise _MalformedError(f"a number at byte {at} never ends")
    return value, at + 1


def _encode(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _copy(
    data: memoryview,
    at: int,
    end: int,
    message: str,
    out: list[bytes],
    depth: int,
    skipped: Callable[[int], None],
) -> int:
    """Append the kept fields of one message to `out` and return how many bytes they take."""
    if depth > MAX_DEPTH:
        raise _MalformedError(f"messages are nested deeper than {MAX_DEPTH} at byte {at}")
    inner = _MESSAGES.get(message, {})
    dropped = _TENSOR_DATA if message == "Tensor" else _DROPPED.get(message, frozenset())
    size = 0
    while at < end:
        start = at
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length, at = _varint(data, at)
            body, at = at, at + length
        elif kind == _VARINT:
            _, at = _varint(data, at)
            length = body = 0
        elif kind in (_FIXED64, _FIXED32):
            length, body, at = 0, 0, at + (8 if kind == _FIXED64 else 4)
        else:
            raise _MalformedError(f"byte {start} starts no field of an ONNX message")
        if at > end or field == 0:
            raise _MalformedError(f"the field at byte {start} runs past byte {end}")
        if field in dropped:
            if length > KEEP_BYTES:
                skipped(at)
            continue
        child = inner.get(field) if kind == _BYTES else None
        if child is None or (length <= KEEP_BYTES and child not in ("Graph", "Function", "Training")):
            out.append(bytes(data[start:at]))
            size += at - start
            continue
        slot = len(out)
        out.append(b"")
        inner_size = _copy(data, body, body + length, child, out, depth + 1, skipped)
        if child == "Tensor":
            out.append(_EXTERNAL)
            inner_size += len(_EXTERNAL)
        out[slot] = _encode(tag) + _encode(inner_size)
        size += len(out[slot]) + inner_size
    return size
