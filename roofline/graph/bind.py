"""Give the free dimensions of a model's inputs their values, before any shape is inferred."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from roofline.errors import BindingError, ShapeError
from roofline.findings import Finding

if TYPE_CHECKING:
    import onnx

_BATCH = re.compile(r"(?:n|b|bs|[a-z_]*batch(?:_?(?:size|dim|axis))?)", re.IGNORECASE)
MAX_DIM = 2**40
"""Largest dimension taken seriously; beyond it a value is a typing error or a hostile file."""


class Bindings:
    """Values for named dimensions (``batch``) and unnamed ones (``input[2]``), and which of them were used."""

    def __init__(
        self, values: Mapping[str, int] | None = None, shapes: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        self.values = dict(values or {})
        self.shapes = {name: tuple(shape) for name, shape in (shapes or {}).items()}
        self.used: dict[str, int] = {}
        self.missing: dict[str, str] = {}
        """Free dimension -> where it occurs, for those without a value."""
        self.symbols: set[str] = set()
        """Every free dimension of the inputs."""
        for name, value in self.values.items():
            _check_dim(value, name)
        for name, shape in self.shapes.items():
            for value in shape:
                _check_dim(value, name)

    def take(self, name: str) -> int | None:
        """Return the value bound to `name` and remember that it was used."""
        value = self.values.get(name)
        if value is not None:
            self.used[name] = value
        return value

    def refuse_missing(self, where: str) -> None:
        """Raise if a free dimension of the inputs has no value."""
        if self.missing:
            names = tuple(self.missing)
            example = ",".join(f"{name}=..." for name in names if not name.startswith("--"))
            shapes = " ".join(name for name in names if name.startswith("--"))
            raise BindingError(
                "no value for " + ", ".join(f"{name} ({place})" for name, place in self.missing.items()),
                names=names,
                where=where,
                hint="bind it: " + " ".join(filter(None, (f"--bind {example}" if example else "", shapes))),
            )

    def refuse_unused(self, inputs: Sequence[str]) -> None:
        """Raise if a binding or shape names nothing in the model: a typing error must not pass."""
        for name in self.values:
            if name not in self.used:
                free = ", ".join(sorted(self.symbols)) or "none"
                raise BindingError(
                    f"the model has no free dimension {name!r}",
                    names=(name,),
                    where="--bind",
                    expected=f"one of its free dimensions ({free}), or TENSOR[AXIS]",
                )
        for name in self.shapes:
            if name not in inputs:
                raise BindingError(
                    f"the model has no input {name!r}",
                    names=(name,),
                    where="--shapes",
                    expected=f"one of {', '.join(inputs) or 'none'}",
                )


def _check_dim(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_DIM:
        raise BindingError(
            f"{value!r} is no size of a dimension",
            names=(name,),
            where=name,
            expected=f"a whole number from 0 to {MAX_DIM}",
        )


def bind_inputs(graph: onnx.GraphProto, bindings: Bindings) -> tuple[list[Finding], int | None]:
    """Write the bound values into the input shapes of `graph` (which is changed).

    A leading symbol named like a batch is taken as 1 when nothing binds it, with a finding. Every other
    free dimension without a value is noted in ``bindings.missing``.

    Returns:
        Findings, and the batch size: the leading dimension shared by the inputs that have one (None if
        they differ, or if no input has a leading dimension).

    Raises:
        BindingError: a binding contradicts the file, or names nothing.
    """
    weights = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights and i.type.HasField("tensor_type")]
    findings: list[Finding] = []
    symbols: set[str] = set()
    assumed: dict[str, int] = {}
    for value in inputs:
        _apply_shape(value, bindings)
    for value in inputs:
        if not value.type.tensor_type.HasField("shape"):
            bindings.missing.setdefault(f"--shapes {value.name}:...", f"input {value.name} has no shape")
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value"):
                _check_declared(value.name, axis, dim.dim_value)
                _contradiction(f"{value.name}[{axis}]", bindings, dim.dim_value)
                continue
            symbols.add(dim.dim_param or f"{value.name}[{axis}]")
            size = _size_of(value.name, axis, dim.dim_param, bindings)
            if size is None and axis == 0 and _BATCH.fullmatch(dim.dim_param):
                assumed[dim.dim_param] = size = 1
                bindings.values[dim.dim_param] = size
                bindings.used[dim.dim_param] = size
            if size is None:
                name = dim.dim_param or f"{value.name}[{axis}]"
                bindings.missing.setdefault(name, f"dimension {axis} of input {value.name}")
            else:
                dim.dim_value = size
    for value in inputs:  # a symbol assumed after its first, non-leading, occurrence
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value") and dim.dim_param in assumed:
                bindings.missing.pop(dim.dim_param, None)
                dim.dim_value = assumed[dim.dim_param]
    for name in assumed:
        findings.append(
            Finding(
                code="batch-assumed",
                where=name,
                message=f"{name}=1 (assumed): the file leaves the batch size open",
                hint=f"bind it: --bind {name}=8",
                strict=True,
            )
        )
    _forget_declared_outputs(graph)
    bindings.symbols.update(symbols)
    return findings, _batch(inputs)


def _size_of(tensor: str, axis: int, symbol: str, bindings: Bindings) -> int | None:
    """Return the bound size of one dimension, by its position or by its name."""
    size = bindings.take(f"{tensor}[{axis}]")
    if size is None:
        return bindings.take(symbol) if symbol else None
    if symbol:
        known = bindings.values.get(symbol)
        if known is not None and known != size:
            raise BindingError(f"{tensor}[{axis}]={size} contradicts {symbol}={known}", names=(symbol,), where="--bind")
        bindings.values[symbol] = bindings.used[symbol] = size
    return size


def _apply_shape(value: onnx.ValueInfoProto, bindings: Bindings) -> None:
    """Turn one entry of ``--shapes`` into bindings of the dimensions it settles."""
    shape = bindings.shapes.get(value.name)
    if shape is None:
        return
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        for size in shape:
            tensor.shape.dim.add().dim_value = size
        return
    if len(tensor.shape.dim) != len(shape):
        raise BindingError(
            f"input {value.name} has {len(tensor.shape.dim)} dimensions, not {len(shape)}",
            names=(value.name,),
            where="--shapes",
        )
    for axis, (dim, size) in enumerate(zip(tensor.shape.dim, shape, strict=True)):
        name = dim.dim_param or f"{value.name}[{axis}]"
        fixed = dim.dim_value if dim.HasField("dim_value") else bindings.values.get(name, size)
        if fixed != size:
            raise BindingError(
                f"dimension {axis} of input {value.name} is {fixed}, not {size}",
                names=(name,),
                where="--shapes",
            )
        if not dim.HasField("dim_value"):
            bindings.values[name] = size


def _contradiction(name: str, bindings: Bindings, declared: int) -> None:
    given = bindings.take(name)
    if given is not None and given != declared:
        raise BindingError(f"the file fixes {name} to {declared}, not {given}", names=(name,), where="--bind")


def _check_declared(tensor: str, axis: int, size: int) -> None:
    if not 0 <= size <= MAX_DIM:
        raise ShapeError(
            f"dimension {axis} is {size}",
            where=f"input {tensor}",
            expected=f"a size from 0 to {MAX_DIM}",
            hint="the file is damaged, or an exporter wrote -1 for a free dimension; export it again",
        )


def _forget_declared_outputs(graph: onnx.GraphProto) -> None:
    """Drop the output shapes that the exporter declared: they can be symbolic or stale."""
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def _batch(inputs: list[onnx.ValueInfoProto]) -> int | None:
    leading = {
        value.type.tensor_type.shape.dim[0].dim_value
        for value in inputs
        if value.type.tensor_type.shape.dim and value.type.tensor_type.shape.dim[0].HasField("dim_value")
    }
    return leading.pop() if len(leading) == 1 else None
