"""Open a model file, or take one from memory, without its weights."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from roofline.errors import ModelFileError
from roofline.graph.functions import inlined
from roofline.graph.raw import refuse_bytes
from roofline.graph.wire import KEEP_BYTES, strip_weights

if TYPE_CHECKING:
    import onnx

EXPORT_HINTS = {
    ".pt": "export it: torch.onnx.export(model, inputs, 'model.onnx', dynamo=True)",
    ".pth": "export it: torch.onnx.export(model, inputs, 'model.onnx', dynamo=True)",
    ".pt2": "export it: torch.onnx.export(exported_program, inputs, 'model.onnx', dynamo=True)",
    ".engine": "give the .onnx file that trtexec built it from: trtexec --onnx=model.onnx",
    ".plan": "give the .onnx file that trtexec built it from: trtexec --onnx=model.onnx",
    ".tflite": "convert it: python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
    ".ort": "give the .onnx file that convert_onnx_models_to_ort read",
    ".h5": "convert it: python -m tf2onnx.convert --keras model.h5 --output model.onnx",
    ".keras": "convert it: python -m tf2onnx.convert --keras model.keras --output model.onnx",
    ".pb": "convert it: python -m tf2onnx.convert --graphdef model.pb --output model.onnx",
    ".safetensors": "it holds weights without a graph; export the model to ONNX",
}
_PRINTABLE = frozenset(range(32, 127)) | frozenset(b"\t\n\r")


def load_proto(model: Any) -> tuple[onnx.ModelProto, str]:
    """Return the model as a protobuf message without large tensor values, and the name to call it by.

    Args:
        model: a path, ``-`` for standard input, ``bytes``, or an ``onnx.ModelProto`` (left unchanged).

    Raises:
        ModelFileError: there is no such file, or it is no ONNX model that the installed onnx can read.
    """
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _parse(memoryview(model), "<bytes>"), "<bytes>"
    if not isinstance(model, (str, os.PathLike)):
        return _from_message(model), "<ModelProto>"
    if os.fspath(model) == "-":
        return _parse(memoryview(sys.stdin.buffer.read()), "<stdin>"), "<stdin>"
    path = Path(os.fspath(model))
    where = str(path)
    hint = EXPORT_HINTS.get(path.suffix.lower(), "")
    if hint:
        raise ModelFileError(f"{path.suffix} is not an ONNX file", where=where, expected="a .onnx file", hint=hint)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size == 0:
                raise ModelFileError("the file is empty", where=where, expected="an ONNX model")
            contents = _contents(file)
            stripped = _check_kind(memoryview(contents), where, _releaser(contents))
    except FileNotFoundError:
        raise ModelFileError("no such file", where=where, expected="the path of a .onnx file") from None
    except IsADirectoryError:
        raise ModelFileError("this is a directory", where=where, expected="the .onnx file in it") from None
    except OSError as error:
        raise ModelFileError(f"cannot be read: {error.strerror}", where=where) from None
    return _decode(stripped, where), where


def _contents(file: BinaryIO) -> mmap.mmap | bytes:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # a file system without memory maps
        return file.read()


def _parse(data: memoryview, where: str) -> onnx.ModelProto:
    if len(data) == 0:
        raise ModelFileError("the input is empty", where=where, expected="an ONNX model")
    return _decode(_check_kind(data, where), where)


def _releaser(contents: mmap.mmap | bytes) -> Callable[[int], None] | None:
    """Return what gives pages back: the kernel maps up to 2 MB around each byte read, and all of it counts."""
    if not isinstance(contents, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    mapped = contents

    def release(end: int) -> None:
        mapped.madvise(mmap.MADV_DONTNEED, 0, end)

    return release


def _check_kind(data: memoryview, where: str, skipped: Callable[[int], None] | None = None) -> bytes:
    head = bytes(data[:64])
    if head.startswith(b"\x1f\x8b"):
        raise ModelFileError("this is gzip-compressed", where=where, hint="unpack it first: gunzip -k FILE")
    if head.startswith(b"PK\x03\x04"):
        raise ModelFileError(
            "this is a zip archive (a PyTorch checkpoint, perhaps)",
            where=where,
            expected="an ONNX model",
            hint="unpack it, or export the model with torch.onnx.export",
        )
    if head[4:8] in (b"ORTM", b"TFL3"):
        kind = ".ort" if head[4:8] == b"ORTM" else ".tflite"
        raise ModelFileError(f"this is a {kind} file", where=where, hint=EXPORT_HINTS[kind])
    if head.startswith(b"version https://git-lfs"):
        raise ModelFileError(
            "this is a Git LFS pointer, not the model", where=where, hint="fetch the model: git lfs pull"
        )
    if all(byte in _PRINTABLE for byte in head):
        raise ModelFileError(
            "this is text",
            where=where,
            expected="a binary ONNX model",
            hint="convert it: onnx.save(onnx.load(FILE, format='textproto'), 'model.onnx')",
        )
    return strip_weights(data, where=where, skipped=skipped)


def _decode(stripped: bytes, where: str) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.ModelProto.FromString(stripped)
    except DecodeError as error:
        raise ModelFileError(
            "the bytes are no ONNX message", where=where, expected="an ONNX model", hint=str(error)
        ) from None
    return _check_model(proto, where)


def _check_model(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    from onnx.defs import onnx_opset_version

    if proto.ir_version <= 0 or not proto.HasField("graph"):
        raise ModelFileError("this is no ONNX model: it has no graph", where=where, expected="an ONNX model")
    if not proto.opset_import:
        raise ModelFileError(
            "the model names no opset", where=where, expected="an opset_import", hint="export it again"
        )
    newest = onnx_opset_version()
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            raise ModelFileError(
                f"the model uses opset {entry.version}",
                where=where,
                expected=f"opset 1 to {newest}, the newest that the installed onnx knows",
                hint="pip install --upgrade onnx" if entry.version > newest else "export it again",
            )
    if not proto.graph.node and not proto.graph.output:
        raise ModelFileError("the graph is empty", where=where, expected="at least one node")
    refuse_bytes(_names(proto.graph), where)
    return inlined(proto, where) if proto.functions else proto


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the names that a graph declares, and those of its inputs' dimensions."""
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)


def _from_message(model: Any) -> onnx.ModelProto:
    import onnx

    if not isinstance(model, onnx.ModelProto):
        raise ModelFileError(
            f"a model cannot be read from {type(model).__name__}",
            expected="a path, bytes or an onnx.ModelProto",
        )
    copy = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name != "graph":
            _assign(copy, field.name, value)
    for field, value in model.graph.ListFields():
        if field.name == "initializer":
            for tensor in value:
                copy.graph.initializer.append(_shell(tensor))
        elif field.name != "value_info":
            _assign(copy.graph, field.name, value)
    return _check_model(copy, "<ModelProto>")


def _assign(message: Any, name: str, value: Any) -> None:
    if hasattr(value, "CopyFrom"):
        getattr(message, name).CopyFrom(value)
    elif hasattr(value, "append"):
        getattr(message, name).extend(value)
    else:
        with contextlib.suppress(UnicodeDecodeError):  # a producer's name, a comment: nothing that is read here
            setattr(message, name, value)


def _shell(tensor: Any) -> Any:
    """Return the tensor itself when small, else its type, dimensions and name."""
    import onnx

    if len(tensor.raw_data) <= KEEP_BYTES and tensor.ByteSize() <= KEEP_BYTES:
        return tensor
    shell = onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims, name=tensor.name)
    shell.data_location = onnx.TensorProto.EXTERNAL
    return shell
