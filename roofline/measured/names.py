"""Names that runtimes make up for layers, taken apart into names of the model's nodes.

TensorRT (https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/best-practices.html): ``a + b`` fused; ``a
|| b`` side by side; ``PWN(a, PWN(b))`` pointwise; ``{ForeignNode[a...b]}`` everything from a to b; ``name_myl3_7``
inside such a region; ``Reformatting CopyNode for Input Tensor 0 to a`` is TensorRT's own. The ``Metadata`` of a layer
lists nodes as ``[ONNX Layer: a]``, separated by 0x1E and 0x1F.

ONNX Runtime: ``T_nchwc`` where T is a tensor that the node makes; ``fused a``; ``a/MatMulAddFusion/``, and
``x_token_3`` for nodes that it names anew.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTRY = "[ONNX Layer: "
_SEPARATOR = re.compile(r"[\x1e\x1f]")
_REGION = re.compile(r"\{ForeignNode\[(.*)\]\}")
_POINTWISE = re.compile(r"PWN\(|[()]")
_OWN = re.compile(
    r"Reformatting CopyNode|\(Unnamed Layer\* \d+\)|Reorder(Input|Output)(?![a-z])|Memcpy(From|To)Host|"
    r"shuffle_between_|copied_squeeze_after_|squeeze_after_|unsqueeze_node_after_|__myl_Move",
    re.IGNORECASE,
)
_MYELIN = re.compile(r"_myl\d+_\d+$")
_WORD = re.compile(r"\w+")
_ORT_ADDED = re.compile(r"(_bn)?_nchwc$|_token_\d+$|_transformed$|_quant$")
_REPEAT = re.compile(r" #\d+$")


class LayerName(NamedTuple):
    """What a layer's name says."""

    nodes: tuple[str, ...] = ()
    """Names of nodes, or of tensors that nodes make; not all need be in the model."""
    region: tuple[str, str] | None = None
    """First and last node of everything that ran as one."""
    is_own: bool = False
    """Whether the runtime added the layer: a copy to another format, a transfer."""


def metadata_nodes(metadata: str) -> tuple[str, ...]:
    """Return the nodes that the ``Metadata`` of a TensorRT layer lists, each once."""
    entries = (entry for part in _SEPARATOR.split(metadata) for entry in part.rstrip().split(_ENTRY)[1:])
    return tuple(dict.fromkeys(entry[:-1] for entry in entries if entry.endswith("]")))


def take_apart(name: str) -> LayerName:
    """Return what a runtime's name of a layer says. The plain name itself is among the nodes."""
    name = _REPEAT.sub("", name.strip())
    if _OWN.match(name) and (name.startswith("Reformatting") or " + " not in name):
        return LayerName(is_own=True)
    region = _REGION.fullmatch(name)
    if region:
        first, dots, last = region[1].partition("...")
        return LayerName(region=(first, last if dots else first))
    found = []
    for part in _split(name):
        found.append(part)
        found += [bare for bare in _bare(part) if bare != part]
    nodes = tuple(dict.fromkeys(part for part in found if part and not _OWN.match(part)))
    return LayerName(nodes=nodes)


def _split(name: str) -> list[str]:
    """Return the parts of a fused name; commas and brackets are taken apart inside PWN( ) only."""
    parts = []
    for piece in re.split(r" \+ | \|\| ", name):
        if "PWN(" in piece:
            parts += [part.strip() for part in re.split(r",\s", _POINTWISE.sub("", piece))]
        else:
            parts.append(piece.strip())
    return parts


def _bare(part: str) -> list[str]:
    """Return the name without what runtimes put around it."""
    found = []
    for _ in range(3):
        shorter = _without_addition(part.removeprefix("fused "))
        shorter = _MYELIN.sub("", shorter)
        if shorter == part:
            break
        found.append(shorter)
        part = shorter
    return found


def _without_addition(part: str) -> str:
    """Return ``a`` of ``a/MatMulAddFusion/`` and of ``a_nchwc``, and any other name as it is."""
    before, slash, last = part.removesuffix("/").rpartition("/")
    return before if slash and "Fusion" in last and _WORD.fullmatch(last) else _ORT_ADDED.sub("", part)
