"""Model-local functions: written out where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from roofline.errors import ModelFileError

if TYPE_CHECKING:
    import onnx

MAX_NODES = 1_000_000
"""More nodes than this, functions written out, are a hostile file: calls that double at each level grow without end."""

FEW_NODES = 50_000
"""So many are never refused."""
MOST_CALLS = 200
"""Nodes that the file's own may become on average, each: a layer that is a function is called by a hundred blocks."""

_Key = tuple[str, str, str]


def inlined(model: onnx.ModelProto, path: str) -> onnx.ModelProto:
    """Return the model with its local functions written out.

    Raises:
        ModelFileError: they call each other in a circle, or would become more than `MAX_NODES` nodes.
    """
    from onnx.inliner import inline_local_functions

    nodes = _expanded(model)
    written = len(model.graph.node) + sum(len(function.node) for function in model.functions)
    most = min(MAX_NODES, max(FEW_NODES, MOST_CALLS * written))
    if nodes > most:
        raise ModelFileError(
            f"its local functions, written out, are {nodes:.3g} nodes",
            where=path,
            expected=f"at most {most}",
            hint="the file is damaged or hostile",
        )
    try:
        return inline_local_functions(model)
    except Exception as error:  # noqa: BLE001 - the library raises several kinds
        reason = str(error).strip().split("\n")[0]
        raise ModelFileError("its local functions cannot be opened", where=path, hint=reason) from None


def _expanded(model: onnx.ModelProto) -> float:
    """Return how many nodes the graph has once every call is replaced; calls in a circle count once."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[_Key, float] = {}
    stack: list[tuple[_Key, bool]] = [(key, False) for key in functions]
    while stack:  # callees before callers, without recursion
        key, is_done = stack.pop()
        if is_done:
            sizes[key] = _total(functions[key].node, sizes)
        elif key not in sizes:
            sizes[key] = 1.0
            stack.append((key, True))
            stack += [(called, False) for called in _calls(functions[key].node) if called in functions]
    return _total(model.graph.node, sizes)


def _calls(nodes: Iterable[onnx.NodeProto]) -> Iterator[_Key]:
    for node in nodes:
        yield node.domain, node.op_type, node.overload
        for attribute in node.attribute:
            for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _calls(graph.node)


def _total(nodes: Iterable[onnx.NodeProto], sizes: dict[_Key, float]) -> float:
    return sum(sizes.get(key, 1.0) for key in _calls(nodes))
