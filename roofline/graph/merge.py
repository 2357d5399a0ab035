"""Several readings of one graph at different sizes, made into one with expressions for dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from roofline.graph.nodes import Graph, Node, TensorInfo
from roofline.graph.polynomials import Fit

Expr = Any


class Merge:
    """Merges readings; what no expression was found for is in `lost`.

    Args:
        fit: finds the polynomial through values at the readings' sizes.
        graphs: the readings.
        library: asked for symbolic shapes only if polynomials do not do.
    """

    def __init__(
        self, fit: Fit, graphs: Sequence[Graph], library: Callable[[], Mapping[str, tuple[Expr, ...]]]
    ) -> None:
        self._fit, self._graphs, self._library = fit, graphs, library
        self._shapes: Mapping[str, tuple[Expr, ...]] = {}
        self._agrees: dict[tuple[Expr, tuple[int, ...]], bool] = {}
        self._known: dict[tuple[int, ...], Expr | None] = {}
        self._tensors: dict[tuple[TensorInfo | None, ...], TensorInfo | None] = {}
        self.lost: list[str] = []

    def graph(self) -> Graph:
        """Return the merged graph; the library is asked only if polynomials do not do."""
        found = self._whole()
        if self.lost or self._fit.doubtful:
            self._shapes = self._library()
            self._known.clear()
            self._tensors.clear()
            self.lost.clear()
            found = self._whole()
        return found

    def _whole(self) -> Graph:
        first = self._graphs[0]
        nodes = tuple(self._node(same) for same in zip(*(graph.nodes for graph in self._graphs), strict=True))
        tensors = {name: self._tensor([graph.tensors[name] for graph in self._graphs]) for name in first.tensors}
        batches = [graph.batch for graph in self._graphs]
        return first._replace(
            nodes=nodes,
            tensors=MappingProxyType({name: info for name, info in tensors.items() if info is not None}),
            bindings=MappingProxyType({}),
            batch=None if None in batches else self._dim([b for b in batches if b is not None]),
        )

    def _node(self, same: Sequence[Node]) -> Node:
        first = same[0]
        if first.free:
            return first
        inputs = tuple(self._tensor(infos) for infos in zip(*(node.inputs for node in same), strict=True))
        outputs = tuple(self._tensor(infos) for infos in zip(*(node.outputs for node in same), strict=True))
        repeats = [node.repeat for node in same if node.repeat is not None]
        repeat = self._dim(repeats) if len(repeats) == len(same) else None
        return first.with_tensors(inputs, outputs)._replace(repeat=repeat)

    def _tensor(self, infos: Sequence[TensorInfo | None]) -> TensorInfo | None:
        key = tuple(infos)
        if key not in self._tensors:
            self._tensors[key] = self._merged([info for info in infos if info is not None]) if key[0] else None
        return self._tensors[key]

    def _merged(self, infos: Sequence[TensorInfo]) -> TensorInfo:
        first = infos[0]
        shapes = [info.shape for info in infos if info.shape is not None]
        if len(shapes) < len(infos) or len({len(shape) for shape in shapes}) > 1:
            if any(shapes):
                self.lost.append(first.name)
            return first._replace(shape=None, value=None)
        dims: list[Expr] = [self._dim(sizes, first.name, axis) for axis, sizes in enumerate(zip(*shapes, strict=True))]
        if any(dim is None for dim in dims):
            self.lost.append(first.name)
            return first._replace(shape=None, value=None)
        return first._replace(shape=tuple(dims), value=self._value([info.value for info in infos]))

    def _value(self, values: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
        first = values[0]
        if first is None or all(value == first for value in values):
            return first
        if any(value is None or len(value) != len(first) for value in values):
            return None
        columns = list(zip(*(value for value in values if value is not None), strict=True))
        if not all(isinstance(element, int) for column in columns for element in column):
            return None
        found = tuple(self._dim(column) for column in columns)
        return None if None in found else found

    def _dim(self, sizes: Sequence[int], name: str = "", axis: int = 0) -> Expr | None:
        key = tuple(sizes)
        found = self._from_library(key, name, axis)
        if found is not None:
            return found
        if len(set(key)) == 1:
            return key[0]
        if key not in self._known:
            self._known[key] = self._fit.polynomial(key)
        return self._known[key]

    def _from_library(self, sizes: tuple[int, ...], name: str, axis: int) -> Expr | None:
        shape = self._shapes.get(name, ())
        found = shape[axis] if axis < len(shape) else None
        if found is None:
            return None
        key = found, sizes
        if key not in self._agrees:
            self._agrees[key] = self._fit.agrees(found, sizes)
        if not self._agrees[key]:
            return None
        return int(found) if found.is_Integer else found
