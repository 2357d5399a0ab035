"""Find the type and shape of every tensor, once the inputs' dimensions are bound.

First ONNX's own C++ inference over the whole graph (milliseconds). What it leaves open, mostly because a
shape was computed from other shapes, is settled node by node: small values are evaluated for real and handed
to the same C++ rules. A node that cannot be settled stays open and is reported; it never stops the rest.
"""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from roofline.errors import RooflineError
from roofline.findings import Finding
from roofline.graph import contrib_shapes, fold, sequences, value_shapes
from roofline.graph.bind import Bindings
from roofline.graph.control import Body, is_control, settle_control
from roofline.graph.library import Library, ShapeRules, tensor_type
from roofline.graph.raw import CONTROL, RawGraph, RawNode
from roofline.graph.values import Values

if TYPE_CHECKING:
    import onnx

_INT64 = 7
_MAX_FLOATS = 64
"""Float values are worth evaluating only as scales and the like."""
_FEW = 256
"""Inputs, and elements of a value, by which a node is found to be like an earlier one."""
_MANY = 500
"""Nodes with subgraphs from which on C++ inference of the whole takes longer than node by node: it is quadratic."""


class Inference:
    """Types of all tensors of one graph, and what could not be found out.

    Attributes:
        types: tensor name -> ``TypeProto``; partly known shapes included.
        known: tensor name -> (element type, shape) where both are settled; None for a settled type that is
            no tensor (a sequence, an optional).
        values: the small values known before the run.
        problems: node position -> why its outputs stayed unknown.
        bodies: node position -> the subgraphs that it runs.
        lengths: name of a sequence -> how many tensors it holds.
        findings: what was noticed on the way, subgraphs included.
        depth: how many control-flow nodes this graph lies inside.
    """

    def __init__(self, model: onnx.ModelProto, bindings: Bindings, own: ShapeRules) -> None:
        self.types: dict[str, onnx.TypeProto] = {}
        self.known: dict[str, contrib_shapes.Type | None] = {}
        self.values = Values()
        self.problems: dict[int, str] = {}
        self.bodies: dict[int, list[Body]] = {}
        self.lengths: dict[str, int] = {}
        self.findings: list[Finding] = []
        self.depth = 0
        self._bindings = bindings
        self._settled: dict[Hashable, list[contrib_shapes.Type]] = {}
        self._library = Library(model, own)
        self._declare(model.graph)
        self._whole_graph(model)

    def inside(self, graph: RawGraph) -> Inference:
        """Return the inference of a subgraph, which sees the types and values that it takes from this graph."""
        inner, taken = copy(self), graph.outside
        inner.types = {name: self.types[name] for name in taken if name in self.types}
        inner.known = {name: self.known[name] for name in taken if name in self.known}
        inner.lengths = {name: self.lengths[name] for name in taken if name in self.lengths}
        inner.values = self.values.only(taken)
        inner.problems, inner.bodies = {}, {}
        inner.depth = self.depth + 1
        inner._declare(graph.proto)
        return inner

    def opset(self, domain: str) -> int:
        """Return the version of a domain that the model imports."""
        return self._library.opsets.get(domain, 1)

    def take_binding(self, name: str) -> int | None:
        """Return what the user bound to a name that only inference knows."""
        return self._bindings.take(name)

    def element_type(self, name: str) -> contrib_shapes.Type | None:
        """Return the type of a sequence's elements, or of a tensor."""
        kind = self.types.get(name)
        if kind is None or not kind.HasField("sequence_type"):
            return self.known.get(name)
        element = kind.sequence_type.elem_type
        shape = _sizes(element) if element.HasField("tensor_type") else None
        return None if shape is None else (element.tensor_type.elem_type, shape)

    def _declare(self, graph: onnx.GraphProto) -> None:
        import onnx

        for value in graph.input:
            if value.name not in self.known:
                self._add(value.name, value.type)
        for tensor in graph.initializer:
            self.add_plain(tensor.name, (tensor.data_type, tuple(tensor.dims)))
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                self.values.add(tensor.name, tensor)
        for sparse in graph.sparse_initializer:
            self.add_plain(sparse.values.name, (sparse.values.data_type, tuple(sparse.dims)))

    def _add(self, name: str, kind: onnx.TypeProto) -> None:
        self.types[name] = kind
        if kind.HasField("tensor_type"):
            shape = _sizes(kind)
            if shape is not None and kind.tensor_type.elem_type:
                self.known[name] = (kind.tensor_type.elem_type, shape)
        elif kind.WhichOneof("value") is not None:
            self.known[name] = None

    def add_plain(self, name: str, plain: contrib_shapes.Type) -> None:
        """Note a tensor's type and shape; a shape with a negative size is none."""
        if plain[1] and min(plain[1]) < 0:
            return
        self.known[name] = plain
        self.types.pop(name, None)  # a partial type from before

    def type_of(self, name: str) -> onnx.TypeProto | None:
        kind = self.types.get(name)
        if kind is None:
            plain = self.known.get(name)
            if plain is not None:
                kind = self.types[name] = tensor_type(*plain)
        return kind

    def _whole_graph(self, model: onnx.ModelProto) -> None:
        """Take over what C++ inference finds for the whole graph at once."""
        from onnx.shape_inference import infer_shapes

        try:
            content = model.SerializeToString()
            if self._library.note_fragile(content) or sum(n.op_type in CONTROL for n in model.graph.node) > _MANY:
                return
            inferred = infer_shapes(content)  # without data_prop: it would allocate a Range of any length
        except Exception:  # noqa: BLE001 - one bad node can make it give up; the walk below still settles the rest
            return
        wrong = {name for node in model.graph.node if node.op_type in value_shapes.WRONG for name in node.output}
        for value in (*inferred.graph.value_info, *inferred.graph.output):
            if value.name not in self.known and value.name not in wrong:
                self._add(value.name, value.type)

    def settle(self, node: RawNode) -> None:
        """Complete the types of the node's outputs, and evaluate it if it is small and known.

        Call it for the nodes in an order in which inputs come before their readers.
        """
        if not node.outputs:
            return
        if node.op_type == "Constant" and not node.inputs and not node.domain:
            self._constant(node)
            return
        if not node.domain and node.op_type in sequences.OPERATORS:
            length = sequences.length_of(self, node)
            if length is not None:
                self.lengths.update((name, length) for name in node.outputs)
                if node.op_type == "SequenceLength":
                    self.values.add(node.outputs[0], np.array(length, dtype=np.int64))
        if is_control(node):
            self.bodies[node.position] = settle_control(self, node)
        self._evaluate(node)
        if not all(name in self.known for name in node.outputs if name):
            self._infer_node(node)
            self._apply_bindings(node)
            if node.outputs[0] not in self.values:
                self._evaluate(node)  # once more, now that the size of the result is known

    def _constant(self, node: RawNode) -> None:
        for attribute in node.proto.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                self.values.add(node.outputs[0], attribute.t)
                self.add_plain(node.outputs[0], (attribute.t.data_type, tuple(attribute.t.dims)))
            elif attribute.name == "value_int":
                self.values.add(node.outputs[0], np.array(attribute.i, dtype=np.int64))
            elif attribute.name == "value_ints":
                self.values.add(node.outputs[0], np.array(attribute.ints, dtype=np.int64))
        if node.outputs[0] not in self.known:
            self._infer_node(node)

    def _infer_node(self, node: RawNode) -> None:
        key = self._signature(node)
        if key is not None and key in self._settled:  # the same layer again, as in every deep network
            for name, plain in zip(node.outputs, self._settled[key], strict=True):
                self.add_plain(name, plain)
            return
        self._ask_library(node)
        found = [same for name in node.outputs if (same := self.known.get(name)) is not None]
        if key is not None and len(found) == len(node.outputs):
            self._settled[key] = found

    def _signature(self, node: RawNode) -> Hashable | None:
        """Return what the outputs' types depend on; None where that is more than a few plain values."""
        if len(node.inputs) > _FEW or len(node.attributes) != len(node.proto.attribute) or "" in node.outputs:
            return None
        types, values = [], []
        for name in node.inputs:
            plain = self.known.get(name) if name else (0, ())
            if plain is None:
                return None
            types.append(plain)
            value = self.values.array(name) if name in self.values else None
            if value is not None and value.size > _FEW:
                return None
            values.append(None if value is None else value.tobytes())
        kind = node.domain, node.op_type, len(node.outputs)
        return kind, tuple(node.attributes.items()), tuple(types), tuple(values)

    def _ask_library(self, node: RawNode) -> None:
        try:
            found = list(self._library.outputs(node, self))
        except RooflineError:  # a plugin that cannot be loaded
            raise
        except Exception as error:  # noqa: BLE001 - the library raises many kinds, and none may stop the rest
            self.problems[node.position] = str(error).split("\n")[0] or type(error).__name__
            return
        for name, kind in found:
            if name and kind.WhichOneof("value") is not None:
                self._add(name, kind)

    def _apply_bindings(self, node: RawNode) -> None:
        """Let ``TENSOR[AXIS]=SIZE`` settle a dimension that only the data would tell."""
        for name in node.outputs:
            axes = [] if name in self.known else open_axes(self.types.get(name))
            for axis in axes:
                size = self._bindings.take(f"{name}[{axis}]")
                if size is not None:
                    self.types[name].tensor_type.shape.dim[axis].dim_value = size
                    self._add(name, self.types[name])

    def _evaluate(self, node: RawNode) -> None:
        if node.op_type in ("Shape", "Size") and not node.domain:
            self._evaluate_shape(node)
            return
        known = self.values
        for name in node.inputs:
            if name and name not in known:
                return
        if not node.inputs or not self._is_worth_evaluating(node):
            return
        inputs = [known.array(name) if name else None for name in node.inputs]
        if any(value is None for value, name in zip(inputs, node.inputs, strict=True) if name):
            return
        opset = self.opset(node.domain)
        is_small = node.outputs[0] in self.known  # and then _is_worth_evaluating looked at its size
        found = fold.evaluate(node.proto, inputs, node.attributes, opset, is_small)
        for name, value in zip(node.outputs, found or (), strict=False):
            if name and value.size <= fold.MAX_ELEMENTS:
                self.values.add(name, value)
                if name not in self.known:
                    from onnx.helper import np_dtype_to_tensor_dtype

                    self.add_plain(name, (np_dtype_to_tensor_dtype(value.dtype), value.shape))

    def _evaluate_shape(self, node: RawNode) -> None:
        plain = self.known.get(node.inputs[0]) if node.inputs else None
        if plain is None:
            return
        shape = plain[1]
        if node.op_type == "Size":
            self.values.add(node.outputs[0], np.asarray(prod(shape), dtype=np.int64))
            self.add_plain(node.outputs[0], (_INT64, ()))
        else:
            start, end = node.attributes.get("start", 0), node.attributes.get("end", len(shape))
            if not isinstance(start, int) or not isinstance(end, int):
                return
            part = shape[start:end]
            self.values.add(node.outputs[0], np.array(part, dtype=np.int64))
            self.add_plain(node.outputs[0], (_INT64, (len(part),)))

    def _is_worth_evaluating(self, node: RawNode) -> bool:
        """Whether the result is small: by its type, or else because the inputs are."""
        plain = self.known.get(node.outputs[0]) or self.known.get(node.inputs[0])
        if plain is None:
            return False
        is_float = plain[0] in (1, 10, 11, 16)  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
        return prod(plain[1]) <= (_MAX_FLOATS if is_float else fold.MAX_ELEMENTS)


def _sizes(kind: onnx.TypeProto) -> tuple[int, ...] | None:
    """Return the shape of a tensor type, or None while a dimension is open."""
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return None
    sizes = []
    for dim in tensor.shape.dim:
        if dim.WhichOneof("value") != "dim_value" or dim.dim_value < 0:  # negative: a kernel beyond its input
            return None
        sizes.append(dim.dim_value)
    return tuple(sizes)


def open_axes(kind: onnx.TypeProto | None) -> list[int]:
    """Return the axes whose size is unknown, where at least the rank is known."""
    if kind is None or not kind.HasField("tensor_type"):
        return []
    return [a for a, dim in enumerate(kind.tensor_type.shape.dim) if not dim.HasField("dim_value")]
