"""All layers of a model as arrays: what the time and energy models compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.counting import LayerCount
from roofline.ops.table import Cost

Array = NDArray[np.float64]
Ceiling = tuple[str, str]
WINOGRAD_SAVING = 4.0
"""Winograd F(4x4, 3x3) needs 36 multiplications for 16 outputs of 9 taps: 4 times fewer."""


class Workload(NamedTuple):
    """Work and traffic per layer. Axis 1 (or the only axis) is the layer, in graph order."""

    traffic: str
    ceilings: tuple[Ceiling, ...]
    """(pipe, precision) for axis 0 of `flop`."""
    flop: Array
    """(ceilings, layers)."""
    moved_byte: Array
    """(layers,): bytes read plus bytes written."""
    least_flop: Array
    """(ceilings,): contraction FLOP of the whole model, divided by what Winograd's algorithm can save."""
    winograd: NDArray[np.bool_]
    """(layers,): convolutions off the matrix pipe that Winograd's algorithm can speed up."""


def build_workload(
    layers: Sequence[LayerCount], traffic: str, pipes: Sequence[Ceiling], cache_bytes: float | None
) -> Workload:
    """Return the arrays of `layers` under a traffic model.

    Args:
        layers: counted, free and unsupported layers; the latter two carry zeros.
        traffic: ``unfused`` or ``pagoda``.
        pipes: what the processor has; a contraction in a precision that its matrix pipe does not know runs on
            the vector pipe. Empty without a device: then every contraction keeps its preferred pipe.
        cache_bytes: last-level cache; a recurrent matrix that does not fit is read again in every step.
    """
    active = [(i, layer) for i, layer in enumerate(layers) if not layer.node.free]
    keys = {i: contraction_ceiling(layer, pipes) for i, layer in active}
    vectors = {("vector", layer.vector_precision) for _, layer in active}
    ceilings = tuple(sorted((vectors | set(keys.values())) - {("", "")}))
    place = {key: i for i, key in enumerate(ceilings)}
    flop = np.zeros((len(ceilings), len(layers)))
    least = np.zeros(len(ceilings))
    moved = np.zeros(len(layers))
    winograd = np.zeros(len(layers), dtype=np.bool_)
    for i, layer in active:
        cost, key = layer.under(traffic), keys[i]
        moved[i] = read_with_cache(cost, cache_bytes) + cost.bytes_written
        if cost.vector_flops:
            flop[place["vector", layer.vector_precision], i] += cost.vector_flops
        if key != ("", ""):
            flop[place[key], i] += cost.contraction_flops
            winograd[i] = layer.cost.winograd and key[0] == "vector"
            least[place[key]] += layer.cost.contraction_flops / (WINOGRAD_SAVING if winograd[i] else 1.0)
    for array in (flop, moved, least, winograd):
        array.setflags(write=False)
    return Workload(
        traffic=traffic,
        ceilings=ceilings,
        flop=flop,
        moved_byte=moved,
        least_flop=least,
        winograd=winograd,
    )


def contraction_ceiling(layer: LayerCount, pipes: Sequence[Ceiling]) -> Ceiling:
    """Return (pipe, precision) on which the layer's contraction runs; ("", "") if it has none."""
    if layer.status != "counted" or not layer.precision:
        return "", ""
    if not pipes or (layer.cost.pipe == "matrix" and ("matrix", layer.precision) in pipes):
        return layer.cost.pipe, layer.precision
    # tf32 is a format of the matrix pipe; elsewhere such a layer computes in fp32
    return "vector", "fp32" if layer.precision == "tf32" else layer.precision


def read_with_cache(cost: Cost, cache_bytes: float | None) -> int:
    """Return the bytes read, a recurrent matrix once more per step if it is larger than the cache."""
    if cache_bytes is not None and max(cost.resident_bytes, cost.resident_set) > cache_bytes:
        return cost.bytes_read + cost.resident_bytes * (cost.resident_steps - 1)
    return cost.bytes_read


def node_layers(layers: Sequence[LayerCount], counts: Sequence[LayerCount]) -> NDArray[np.intp]:
    """Return for every node the position of the layer that it is part of, (nodes,)."""
    place = {id(count.node): i for i, count in enumerate(counts)}
    found = np.zeros(len(counts), dtype=np.intp)
    for index, layer in enumerate(layers):
        for node in layer.parts or ((place[id(layer.node)],) if id(layer.node) in place else ()):
            found[node] = index
    return found
