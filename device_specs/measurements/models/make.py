"""Make the graphs of measured workloads that no test data has yet. Needs torch, timm and onnx; weights are left out.

    python device_specs/measurements/models/make.py

mobilenetv2_050, vit_small_patch16_224: timm's networks, exported by torch; bert_large: transformers', sequence 384.
gemv_chain: 12 MatMul of 1x4096 by 4096x4096 fp16; gemm_chain: 64 MatMul of 1024x1024 by one shared 1024x1024.
gemm_chain_2048 has one layer here: how many it has is not recorded, so only its times across clocks can be compared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
KEEP = 1024
"""Larger initialisers are left out."""


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out the weights: large initialisers point to a file that is not there."""
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > KEEP:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            del tensor.external_data[:]
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", "weights"
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del model.graph.value_info[:]
    return model


def chain(name: str, layers: int, rows: int, size: int, shared: bool) -> None:
    """Write `layers` fp16 MatMuls of (rows, size) by (size, size)."""
    weights = ["w0"] * layers if shared else [f"w{i}" for i in range(layers)]
    nodes = [
        helper.make_node("MatMul", [f"x{i}" if i else "x", weights[i]], [f"x{i + 1}" if i + 1 < layers else "y"])
        for i in range(layers)
    ]
    data = np.zeros((size, size), np.float16)
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT16, [rows, size]) for n in ("x", "y")]
    graph = helper.make_graph(
        nodes, name, value[:1], value[1:], [numpy_helper.from_array(data, w) for w in dict.fromkeys(weights)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    (HERE / f"{name}.onnx").write_bytes(strip(model).SerializeToString())


def networks() -> None:
    """Export timm's networks."""
    import timm
    import torch

    for name, size in (("mobilenetv2_050", 224), ("vit_small_patch16_224", 224)):
        path = HERE / f"{name}.onnx"
        model = timm.create_model(name, pretrained=False, exportable=True).eval()
        torch.onnx.export(
            model, (torch.zeros(1, 3, size, size),), str(path), dynamo=False, opset_version=17,
            input_names=["input"], output_names=["output"], dynamic_axes={"input": {0: "batch"}},
        )  # fmt: skip
        path.write_bytes(strip(onnx.load(path)).SerializeToString())


def bert_large() -> None:
    """Export BERT-large for questions, sequence 384, as MLPerf runs it."""
    import torch
    import transformers

    config = transformers.BertConfig(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
    )
    config._attn_implementation = "eager"
    config.return_dict = False
    model = transformers.BertForQuestionAnswering(config).eval()
    path, ids = HERE / "bert_large.onnx", torch.zeros(1, 384, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "model.onnx"
        torch.onnx.export(model, (ids, torch.ones_like(ids)), str(full), dynamo=False, opset_version=17,
                          input_names=["input_ids", "attention_mask"])  # fmt: skip
        path.write_bytes(strip(onnx.load(full, load_external_data=False)).SerializeToString())


if __name__ == "__main__":
    chain("gemv_chain", 12, 1, 4096, shared=False)
    chain("gemm_chain", 64, 1024, 1024, shared=True)
    chain("gemm_chain_2048", 1, 2048, 2048, shared=False)
    networks()
    bert_large()
