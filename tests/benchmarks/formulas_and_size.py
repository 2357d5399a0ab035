"""Whole-process time of formulas for two 12-layer transformers, and of plain analysis on a 5,000-node graph.

    python tests/benchmarks/formulas_and_size.py [--rounds 5]

The large graph is vit_b_16's (TorchScript's export: shapes computed node by node) with 21 more encoder layers.
The floor is a process that only imports onnx and parses the same file.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from pathlib import Path

import onnx
from whole_process import MODELS, seconds

LAYER = re.compile(r"encoder_layer_(\d+)")


def deeper(layers: int) -> onnx.ModelProto:
    """Return vit_b_16 with `layers` encoder layers instead of 12."""
    model = onnx.load(MODELS / "vit_b_16.onnx", load_external_data=False)
    nodes = list(model.graph.node)
    of_layer = [found[1] if (found := LAYER.search(node.name)) else "" for node in nodes]
    last = [node for node, number in zip(nodes, of_layer, strict=True) if number == "11"]
    made = {name for node in last for name in node.output}
    enters, leaves = (
        "/encoder/layers/encoder_layer_10/Add_1_output_0",
        "/encoder/layers/encoder_layer_11/Add_1_output_0",
    )
    copies, carried = [], leaves
    for extra in range(12, layers):
        for node in last:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{node.name}/{extra}"
            for names in (copy.input, copy.output):
                for i, name in enumerate(names):
                    names[i] = carried if name == enters else f"{name}/{extra}" if name in made else name
            copies.append(copy)
        carried = f"{leaves}/{extra}"
    place = max(i for i, number in enumerate(of_layer) if number == "11") + 1
    for node in nodes[place:]:
        for i, name in enumerate(node.input):
            if name == leaves:
                node.input[i] = carried
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], *copies, *nodes[place:]])
    return model


def median(command: list[str], rounds: int) -> float:
    seconds(command)  # once to fill the caches
    return statistics.median(seconds(command) for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'what':44}{'nodes':>7}{'seconds':>9}{'floor':>8}   median of {rounds}")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "vit_33_layers.onnx"
        onnx.save(deeper(33), large)
        for command, path in (
            ("formula", MODELS / "bert_base.onnx"),
            ("formula", MODELS / "gpt2.onnx"),
            ("analyze", large),
        ):
            nodes = len(onnx.load(path, load_external_data=False).graph.node)
            taken = median(["roofline", command, str(path)], rounds)
            parse = f"import onnx; onnx.load({str(path)!r}, load_external_data=False)"
            floor = median([sys.executable, "-c", parse], rounds)
            print(f"{f'roofline {command} {path.name}':44}{nodes:>7}{taken:>9.2f}{floor:>8.2f}")


if __name__ == "__main__":
    main()
