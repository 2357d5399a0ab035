"""Give the free dimensions of a model's inputs their values, before any shape is inferred."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline.errors import BindingError, ShapeError
from roofline.findings import Finding
from roofline.graph.dims import NotAnExpressionError, Tree, evaluate, names_in, parse_dim

if TYPE_CHECKING:
    import onnx

_BATCH = re.compile(r"(?:n|b|bs|[a-z_]*batch(?:_?(?:size|dim|axis))?)", re.IGNORECASE)
_HYPHENATED = re.compile(r"[A-Za-z_]\w*(?:-[A-Za-z_]\w*)+")
"""``seq-len``: a name; a difference is written with blanks."""
_PLAIN = re.compile(r"[A-Za-z_][\w.]*")
MAX_DIM = 2**40
"""Largest dimension taken seriously; beyond it a value is a typing error or a hostile file."""
MAX_RANK = 64
"""More than any operator or runtime has a use for."""


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


class _FreeDim(NamedTuple):
    """One dimension of an input that the file leaves open."""

    place: str
    """``input[0]``."""
    axis: int
    symbol: str
    """What the file calls it; empty if it has no name."""
    tree: Tree | None
    """Its expression, if it is more than a name."""
    dim: Any
    """The protobuf message to write the size into."""


def bind_inputs(graph: onnx.GraphProto, bindings: Bindings) -> tuple[list[Finding], int | None]:
    """Write the bound values into the input shapes of `graph` (which is changed).

    A leading symbol shared by the inputs and named like a batch is taken as 1 when nothing binds it, with a
    finding. A dimension such as ``batch*seq`` follows from its names. Every other free dimension without a value is
    noted in ``bindings.missing``.

    Returns:
        Findings, and the batch size: the size of a symbol named like a batch, else the leading dimension that the
        inputs share (None if they differ, or if no input has a leading dimension).

    Raises:
        BindingError: a binding contradicts the file, or names nothing.
    """
    weights = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights and i.type.HasField("tensor_type")]
    for value in inputs:
        _apply_shape(value, bindings)
    free = [dim for value in inputs for dim in _free_dims(value, bindings)]
    for dim in free:
        _bind_by_place(dim, bindings)
    findings = _assume_batch(free, bindings)
    for dim in free:
        size = _size_of(dim, bindings)
        if size is not None:
            dim.dim.dim_value = size
    _forget_declared_outputs(graph)
    return findings, _batch(inputs, free, bindings)


def free_dimensions(graph: onnx.GraphProto, bindings: Bindings) -> list[str]:
    """Return the names (``batch``, ``input[2]``) that still need a value; `graph` is changed as in `bind_inputs`.

    Raises:
        BindingError: an input has no shape at all, or a binding contradicts the file.
    """
    findings, _ = bind_inputs(graph, bindings)
    shapeless = {name: place for name, place in bindings.missing.items() if name.startswith("--")}
    if shapeless:
        bindings.missing = shapeless
        bindings.refuse_missing("a formula needs the rank of every input")
    return [*(f.where for f in findings if f.code == "batch-assumed"), *bindings.missing]


def _free_dims(value: onnx.ValueInfoProto, bindings: Bindings) -> Iterator[_FreeDim]:
    """Yield the open dimensions of one input, after checking those that the file fixes."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        bindings.missing.setdefault(f"--shapes {value.name}:...", f"input {value.name} has no shape")
        return
    if len(tensor.shape.dim) > MAX_RANK:
        raise ShapeError(
            f"{len(tensor.shape.dim)} dimensions", where=f"input {value.name}", expected=f"at most {MAX_RANK}"
        )
    for axis, dim in enumerate(tensor.shape.dim):
        place, symbol = f"{value.name}[{axis}]", dim.dim_param
        if dim.HasField("dim_value"):
            _check_declared(value.name, axis, dim.dim_value)
            _contradiction(place, bindings, dim.dim_value)
            continue
        tree = None
        if symbol and not _PLAIN.fullmatch(symbol) and not _HYPHENATED.fullmatch(symbol):
            with contextlib.suppress(NotAnExpressionError):
                tree = parse_dim(symbol)
                bindings.symbols.update(names_in(tree))
        if tree is None:
            bindings.symbols.add(symbol or place)
        yield _FreeDim(place, axis, symbol, tree, dim)


def _bind_by_place(dim: _FreeDim, bindings: Bindings) -> None:
    """Let ``input[0]=8`` settle the symbol that stands there."""
    size = bindings.take(dim.place)
    if size is None or not dim.symbol:
        return
    known = bindings.values.get(dim.symbol)
    if known is not None and known != size:
        raise BindingError(f"{dim.place}={size} contradicts {dim.symbol}={known}", names=(dim.symbol,), where="--bind")
    bindings.values[dim.symbol] = bindings.used[dim.symbol] = size


def is_batch_name(name: str) -> bool:
    """Return whether a dimension's name says that it is the batch: ``batch``, ``N``, ``bs``, ``batch_size``."""
    return _BATCH.fullmatch(name) is not None


def _assume_batch(free: list[_FreeDim], bindings: Bindings) -> list[Finding]:
    """Take the leading symbol that the inputs share as 1, if it is named like a batch and nothing binds it."""
    leading = {dim.symbol for dim in free if dim.axis == 0}
    name = leading.pop() if len(leading) == 1 else ""
    if not is_batch_name(name) or name in bindings.values:
        return []
    bindings.values[name] = bindings.used[name] = 1
    return [
        Finding(
            code="batch-assumed",
            where=name,
            message=f"{name}=1 (assumed): the file leaves the batch size open",
            hint=f"bind it: --bind {name}=8",
            strict=True,
        )
    ]


def _size_of(dim: _FreeDim, bindings: Bindings) -> int | None:
    """Return the size of a free dimension, or note what is missing to know it."""
    given = bindings.take(dim.symbol or dim.place)
    if dim.tree is None:
        if given is None:
            bindings.missing.setdefault(dim.symbol or dim.place, dim.place)
        return given
    names = sorted(names_in(dim.tree))
    open_names = [name for name in names if name not in bindings.values]
    if open_names and given is None:
        for name in open_names:
            bindings.missing.setdefault(name, f"in {dim.symbol}, {dim.place}")
        return None
    if open_names:
        return given
    for name in names:
        bindings.take(name)
    try:
        size = evaluate(dim.tree, bindings.values)
    except ValueError as error:
        raise BindingError(f"{dim.symbol} has no size: {error}", names=tuple(names), where=dim.place) from None
    if given is not None and given != size:
        raise BindingError(f"{dim.symbol}={given} contradicts its names: it is {size}", names=(dim.symbol,))
    _check_dim(size, f"{dim.place} ({dim.symbol})")
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


def _batch(inputs: list[onnx.ValueInfoProto], free: list[_FreeDim], bindings: Bindings) -> int | None:
    named = {bindings.values.get(dim.symbol) for dim in free if is_batch_name(dim.symbol)}
    if len(named) == 1:
        return named.pop()
    leading = {
        value.type.tensor_type.shape.dim[0].dim_value
        for value in inputs
        if value.type.tensor_type.shape.dim and value.type.tensor_type.shape.dim[0].HasField("dim_value")
    }
    return leading.pop() if len(leading) == 1 else None
