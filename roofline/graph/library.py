"""Ask for the output types of one node: a rule of our own, the standard's C++ rule, or that of a twin operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from roofline.graph import contrib_shapes, value_shapes
from roofline.graph.fold import MAX_WORK
from roofline.graph.raw import CONTROL, RawNode
from roofline.graph.values import Values
from roofline.plugins import load_plugins

if TYPE_CHECKING:
    import onnx


class Known(Protocol):
    """What is known about tensors so far."""

    known: dict[str, contrib_shapes.Type | None]
    values: Values

    def type_of(self, name: str) -> onnx.TypeProto | None:
        """Return the type of a tensor, partly known shapes included."""


FRAGILE = frozenset({"DictVectorizer", "EyeLike", "LabelEncoder", "RegexFullMatch", "TreeEnsemble"})
"""Operators whose C++ rule takes the type of the first input for known, and ends the process where it is not.

Found for onnx 1.23 by tests/reports/fragile_operators.py, which tries every operator.
"""

ShapeRules = Mapping[tuple[str, str], contrib_shapes.ShapeRule]
"""(domain, op type) -> rule."""


def _is_standard(node: RawNode) -> bool:
    from onnx.defs import has

    return bool(has(node.op_type, node.domain))


class Library:
    """The shape rules that apply to a model's opsets.

    Attributes:
        opsets: domain -> version that the model imports.
    """

    def __init__(self, model: onnx.ModelProto, own: ShapeRules) -> None:
        self._own = own
        self.opsets: Mapping[str, int] = {entry.domain: entry.version for entry in model.opset_import}
        if "ai.onnx" in self.opsets:
            self.opsets = {"": self.opsets["ai.onnx"], **self.opsets}
        self._imports = list(model.opset_import)
        self._ir_version = model.ir_version
        self._has_fragile = False

    def note_fragile(self, content: bytes) -> bool:
        """Return whether a serialised model may hold a fragile operator: then only nodes are inferred, one by one."""
        self._has_fragile = any(name.encode() in content for name in FRAGILE)
        return self._has_fragile

    def outputs(self, node: RawNode, inference: Known) -> Iterator[tuple[str, onnx.TypeProto]]:
        """Yield name and type of each output that a rule settles.

        Raises:
            Exception: whatever the C++ rules raise for inputs that do not fit the operator.
        """
        rule = self._rule(node)
        if rule is not None:
            inputs = [inference.known.get(name) for name in node.inputs]
            for name, found in zip(node.outputs, rule(inputs, node.attributes, len(node.outputs)), strict=False):
                if found is not None:
                    yield name, tensor_type(*found)
            return
        twin = contrib_shapes.TWINS.get((node.domain, node.op_type))
        if twin is not None:
            yield from self._outputs_of_twin(node, twin, inference)
        else:
            yield from self._standard(node, inference, self.opsets.get(node.domain, 1))

    def _rule(self, node: RawNode) -> contrib_shapes.ShapeRule | None:
        key = node.domain, node.op_type
        rule = self._own.get(key) or contrib_shapes.RULES.get(key)
        if rule is None and key not in contrib_shapes.TWINS and not _is_standard(node):
            load_plugins()
            rule = contrib_shapes.RULES.get(key)
        return rule

    def _standard(self, node: RawNode, inference: Known, opset: int) -> Iterator[tuple[str, onnx.TypeProto]]:
        rule = None if node.domain else value_shapes.RULES.get(node.op_type)
        if rule is not None:
            values = [inference.values.array(name) if name in inference.values else None for name in node.inputs]
            found = rule([inference.known.get(name) for name in node.inputs], values, node.attributes)
            if found is not None:
                yield node.outputs[0], tensor_type(*found)
                return
        from onnx.defs import get_schema
        from onnx.numpy_helper import from_array
        from onnx.shape_inference import infer_node_outputs

        schema = get_schema(node.op_type, opset, node.domain)
        if self._has_fragile and (node.op_type in CONTROL or not _is_typed(node, inference)):
            raise LookupError("the type of its first input is unknown")
        types = {name: kind for name in node.inputs if (kind := inference.type_of(name)) is not None}
        known = {name: inference.values.array(name) for name in node.inputs if name in inference.values}
        data = {
            name: from_array(np.ascontiguousarray(value).reshape(value.shape), name)
            for name, value in known.items() if value is not None
        }  # fmt: skip
        if sum(int(np.prod(data[name].dims)) for name in node.inputs if name in data) > MAX_WORK:
            data = {}  # the rules of Concat and others carry every element along
        yield from infer_node_outputs(
            schema, node.proto, types, data, opset_imports=self._imports, ir_version=self._ir_version
        ).items()

    def _outputs_of_twin(
        self, node: RawNode, twin: contrib_shapes.Twin, inference: Known
    ) -> Iterator[tuple[str, onnx.TypeProto]]:
        """Infer a contributed operator's outputs as those of its twin in the standard, at the newest opset."""
        import onnx
        from onnx.defs import get_schema, onnx_opset_version

        places = range(len(node.inputs)) if twin.inputs is None else twin.inputs
        schema = get_schema(twin.op_type, onnx_opset_version(), "")
        proto = onnx.NodeProto(op_type=twin.op_type, output=node.outputs)
        proto.input.extend(node.inputs[i] if i < len(node.inputs) else "" for i in places)
        proto.attribute.extend(a for a in node.proto.attribute if a.name in schema.attributes)
        inner = node._replace(proto=proto, op_type=twin.op_type, domain="", inputs=tuple(proto.input))
        found = list(self._standard(inner, inference, onnx_opset_version()))
        for position, (name, kind) in enumerate(found):
            if position == 0 and twin.dtype_of is not None:
                kind.tensor_type.elem_type = (inference.known.get(node.inputs[twin.dtype_of]) or (0, ()))[0]
            yield name, kind


def _is_typed(node: RawNode, inference: Known) -> bool:
    """Whether a fragile operator has what its C++ rule takes for granted."""
    if node.op_type not in FRAGILE:
        return True
    first = inference.type_of(node.inputs[0]) if node.inputs and node.inputs[0] else None
    return first is not None and first.WhichOneof("value") is not None


def tensor_type(dtype: int, shape: tuple[int, ...]) -> onnx.TypeProto:
    """Return the type of a tensor of element type `dtype` and a known shape."""
    import onnx

    kind = onnx.TypeProto()
    kind.tensor_type.elem_type = dtype
    kind.tensor_type.shape.SetInParent()
    for size in shape:
        kind.tensor_type.shape.dim.add().dim_value = size
    return kind
