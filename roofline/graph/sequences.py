"""How many tensors a sequence holds, where that is known before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roofline.graph.raw import RawNode

if TYPE_CHECKING:
    from roofline.graph.shapes import Inference

OPERATORS = frozenset(
    {"SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SplitToSequence", "SequenceMap",
     "SequenceLength", "Identity"}
)  # fmt: skip


def length_of(inference: Inference, node: RawNode) -> int | None:
    """Return the length of the sequence that the node makes (SequenceLength: that it is asked for)."""
    before = inference.lengths.get(node.inputs[0]) if node.inputs else None
    if node.op_type == "SequenceConstruct":
        return len(node.inputs)
    if node.op_type == "SequenceEmpty":
        return 0
    if node.op_type == "SplitToSequence":
        return _pieces(inference, node)
    if before is None:
        return None
    return before + {"SequenceInsert": 1, "SequenceErase": -1}.get(node.op_type, 0)


def _pieces(inference: Inference, node: RawNode) -> int | None:
    data = inference.known.get(node.inputs[0]) if node.inputs else None
    if data is None or not data[1]:
        return None
    axis = node.attributes.get("axis", 0)
    if not isinstance(axis, int) or not -len(data[1]) <= axis < len(data[1]):
        return None
    along: int = data[1][axis]
    if len(node.inputs) < 2 or not node.inputs[1]:
        return along
    split = inference.values.array(node.inputs[1]) if node.inputs[1] in inference.values else None
    if split is None:
        return None
    pieces: int = len(split) if split.ndim else -(-along // max(1, int(split)))
    return pieces
