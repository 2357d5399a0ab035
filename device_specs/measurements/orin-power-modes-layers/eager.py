"""The graphs that eager PyTorch runs: an exported model with the batch normalisations that its export folded away."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import onnx

MODELS = Path(__file__).resolve().parents[3] / "tests" / "data" / "models"
NORMALISED = "/BatchNormalization"
"""What a normalisation adds to the name of the convolution that it follows."""


def with_normalisations(model: Path, names: Collection[str]) -> onnx.ModelProto:
    """Return a model with a BatchNormalization after each of the named convolutions (names end in `NORMALISED`)."""
    loaded = onnx.load(model, load_external_data=False)
    graph = loaded.graph
    channels = {weight.name: weight.dims[0] for weight in graph.initializer if weight.dims}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        name = node.name + NORMALISED
        if name not in names:
            continue
        output = node.output[0]
        node.output[0] = output + "/folded"
        given = [f"{name}/{part}" for part in ("scale", "bias", "mean", "variance")]
        for part in given:
            graph.initializer.add(name=part, data_type=onnx.TensorProto.FLOAT, dims=[channels[node.input[1]]])
        nodes.append(onnx.helper.make_node("BatchNormalization", [node.output[0], *given], [output], name=name))
    del graph.node[:]
    graph.node.extend(nodes)
    return loaded
