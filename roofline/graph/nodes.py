"""Our own view of a graph: three frozen types that know nothing of protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Literal, NamedTuple

Dim = int
"""A dimension. Rules use only ``+ * //`` on it, so an expression serves as well as an int."""

Shape = tuple[Dim, ...]

BITS: Mapping[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16,
    "float8e4m3fn": 8, "float8e4m3fnuz": 8, "float8e5m2": 8, "float8e5m2fnuz": 8, "float8e8m0": 8,
    "float4e2m1": 4,
    "int64": 64, "int32": 32, "int16": 16, "int8": 8, "int4": 4, "int2": 2,
    "uint64": 64, "uint32": 32, "uint16": 16, "uint8": 8, "uint4": 4, "uint2": 2,
    "bool": 8, "complex64": 64, "complex128": 128,
    "string": 0,
}  # fmt: skip
"""Stored bits of one element (ONNX ``TensorProto.DataType``); strings have no fixed size and count 0."""

DTYPES = (
    "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16",
    "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
    "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2",
)  # fmt: skip
"""Names of ``TensorProto.DataType`` by number."""

FLOAT_DTYPES = frozenset(d for d in BITS if d.startswith(("float", "bfloat")))

Origin = Literal["input", "initializer", "constant", "shape", "data"]


class TensorInfo(NamedTuple):
    """What is known about one tensor before the model runs."""

    name: str
    dtype: str | None
    """A key of `BITS`, or None for sequences, optionals and what could not be inferred."""
    shape: Shape | None
    """None where the rank, or any dimension, is unknown."""
    origin: Origin = "data"
    """``initializer``: a weight in the file; ``constant``: computed from initialisers only; ``shape``: from
    shapes and constants only; ``input``: fed at run time; ``data``: computed from inputs."""
    root: str = ""
    """For a static tensor made from one initialiser by copying: the name of that initialiser."""
    quantized_as: str = ""
    """Type of the tensor that DequantizeLinear made it from, if one did."""
    stored_as: str = ""
    """Type in which a constant is stored where that is narrower than its own: it was cast or dequantised from it,
    and whatever reads it can read it in that form."""
    value: tuple[Any, ...] | None = None
    """Its elements in row-major order, where they are few and known before the run."""

    @property
    def is_known(self) -> bool:
        """Whether type and shape are known, so that the tensor has a size."""
        return self.dtype is not None and self.shape is not None

    @property
    def is_static(self) -> bool:
        """Whether its values do not depend on any input, so that a runtime works them out once."""
        return self.origin in ("initializer", "constant", "shape")

    @property
    def elements(self) -> Dim:
        """Number of elements."""
        assert self.shape is not None  # callers look at is_known first
        return prod(self.shape)

    @property
    def nbytes(self) -> Dim:
        """Stored bytes: 4-bit types are packed two to a byte, the last byte rounded up."""
        return packed_bytes(self.elements, self.stored_as or self.dtype or "")


def packed_bytes(elements: Dim, dtype: str) -> Dim:
    """Return the bytes that `elements` values of `dtype` take when stored."""
    bits = BITS[dtype]
    return elements * (bits // 8) if bits % 8 == 0 else (elements * bits + 7) // 8


class Node(NamedTuple):
    """One ONNX node, as the cost rules see it."""

    name: str
    op_type: str
    domain: str
    """Empty for ``ai.onnx``."""
    opset: int
    """Version of `domain` that the model imports; 0 if it imports none."""
    inputs: tuple[TensorInfo | None, ...]
    """One entry per input; None where an optional input is left out."""
    outputs: tuple[TensorInfo | None, ...]
    attributes: Mapping[str, Any]
    """Numbers, strings, and tuples of them. Tensors and graphs are left out."""
    position: int = 0
    """Position in the file."""
    results: tuple[TensorInfo, ...] = ()
    """The outputs that it writes: those that are not left out."""
    reads: tuple[str, ...] = ()
    """Every tensor it reads by name, those that its subgraphs take from outside included."""
    repeat: int | None = 1
    """How often it runs: the trips of the loops around it; None where that is not known."""
    branch: tuple[tuple[str, int], ...] = ()
    """The Ifs that it lies in, outermost first, and the branch of each, where the data decides which branch runs."""
    loop: str = ""
    """The innermost loop around it."""
    scope: str = ""
    """The subgraph that it lies in (``loop/body/``); empty in the main graph."""
    free: str = ""
    """Why it costs nothing, if it does not run at all: constant, shape arithmetic, unused. Its tensors are
    left out then."""

    def input(self, position: int) -> TensorInfo | None:
        """Return an input, or None when it is absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    def tensor(self, position: int) -> TensorInfo:
        """Return an input that must be there with a known shape.

        Raises:
            UnknownShapeError: it is absent, or its shape or type is unknown.
        """
        info = self.input(position)
        if info is None or not info.is_known:
            raise UnknownShapeError(info.name if info else f"input {position} of {self.label}")
        return info

    def result(self, position: int = 0) -> TensorInfo:
        """Return an output that must have a known shape.

        Raises:
            UnknownShapeError: it is absent, or its shape or type is unknown.
        """
        info = self.outputs[position] if position < len(self.outputs) else None
        if info is None or not info.is_known:
            raise UnknownShapeError(info.name if info else f"output {position} of {self.label}")
        return info

    @property
    def operands(self) -> tuple[TensorInfo, ...]:
        """The distinct tensors that the node reads."""
        return tuple({t.name: t for t in self.inputs if t is not None}.values())

    @property
    def label(self) -> str:
        """Its name, or its type and position in the file when the exporter gave it none."""
        return self.name or f"{self.op_type}_{self.position}"

    @property
    def qualified_op(self) -> str:
        """``Conv``, or ``com.microsoft.FusedConv`` outside the default domain."""
        return f"{self.domain}.{self.op_type}" if self.domain else self.op_type

    def with_tensors(self, inputs: tuple[TensorInfo | None, ...], outputs: tuple[TensorInfo | None, ...]) -> Node:
        """Return the same node on other tensors."""
        return self._replace(inputs=inputs, outputs=outputs, results=tuple(t for t in outputs if t is not None))


class UnknownShapeError(LookupError):
    """A rule needs the size of a tensor that is not known; the argument is the tensor's name."""


class Graph(NamedTuple):
    """A whole model with its symbols bound."""

    path: str
    opset: int
    nodes: tuple[Node, ...]
    """In an order in which every input is produced before it is read."""
    tensors: Mapping[str, TensorInfo]
    """Every tensor of the main graph by name."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    bindings: Mapping[str, int]
    """The dimension names that were given, or assumed, a value."""
    batch: int | None
    """Size of the leading dimension that the inputs share, if they share one."""
    parameters: int
    """Elements of the float initialisers in the file."""
    weight_bytes: int
    """Stored bytes of all initialisers."""
