"""Write many small ONNX files without weights: CNNs and transformers of many widths, depths and resolutions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import onnx
from onnx import TensorProto, helper

MODELS = Path(__file__).parents[1] / "data" / "models"
ANY_RESOLUTION = ("resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "densenet121")
"""Real models that end in a global pooling, so that another resolution needs no other weights."""


class _Writer:
    """Collects nodes and weights of one graph; weights have a type and a shape only."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op_type: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=f"{op_type}_{len(self.nodes)}", **attributes))
        return name

    def weight(self, *shape: int) -> str:
        tensor = TensorProto(name=f"w{len(self.weights)}", data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        self.weights.append(tensor)
        return tensor.name

    def whole(self, values: list[int]) -> str:
        tensor = helper.make_tensor(f"w{len(self.weights)}", TensorProto.INT64, [len(values)], values)
        self.weights.append(tensor)
        return tensor.name

    def model(self, shape: list[int | str], output: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "generated",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def cnn(width: int, depth: int, resolution: int) -> onnx.ModelProto:
    """Return a residual network: `depth` blocks of two 3x3 convolutions, halved and widened every fourth block."""
    w = _Writer()

    def conv(x: str, c_in: int, c_out: int, kernel: int, stride: int = 1) -> str:
        pad = kernel // 2
        return w.node(
            "Conv", x, w.weight(c_out, c_in, kernel, kernel), w.weight(c_out), kernel_shape=[kernel, kernel],
            strides=[stride, stride], pads=[pad, pad, pad, pad],
        )  # fmt: skip

    x, channels = w.node("Relu", conv("input", 3, width, 7, 2)), width
    for block in range(depth):
        wider = channels * 2 if block and block % 4 == 0 and channels < 512 else channels
        stride = 2 if wider != channels else 1
        y = conv(w.node("Relu", conv(x, channels, wider, 3, stride)), wider, wider, 3)
        short = x if stride == 1 else conv(x, channels, wider, 1, 2)
        x, channels = w.node("Relu", w.node("Add", y, short)), wider
    flat = w.node("Flatten", w.node("GlobalAveragePool", x), axis=1)
    return w.model(["batch", 3, resolution, resolution], w.node("Gemm", flat, w.weight(channels, 100), w.weight(100)))


def transformer(width: int, depth: int, length: int) -> onnx.ModelProto:
    """Return an encoder of `depth` blocks with four heads."""
    w, heads = _Writer(), 4

    def linear(x: str, c_in: int, c_out: int) -> str:
        return w.node("Add", w.node("MatMul", x, w.weight(c_in, c_out)), w.weight(c_out))

    def split(x: str, perm: list[int]) -> str:
        shaped = w.node("Reshape", x, w.whole([0, 0, heads, width // heads]))
        return w.node("Transpose", shaped, perm=perm)

    x = "input"
    for _ in range(depth):
        n = w.node("LayerNormalization", x, w.weight(width), w.weight(width), axis=-1)
        q, v = split(linear(n, width, width), [0, 2, 1, 3]), split(linear(n, width, width), [0, 2, 1, 3])
        k = split(linear(n, width, width), [0, 2, 3, 1])
        mixed = w.node("MatMul", w.node("Softmax", w.node("MatMul", q, k), axis=-1), v)
        joined = w.node("Reshape", w.node("Transpose", mixed, perm=[0, 2, 1, 3]), w.whole([0, 0, width]))
        x = w.node("Add", x, linear(joined, width, width))
        n = w.node("LayerNormalization", x, w.weight(width), w.weight(width), axis=-1)
        x = w.node("Add", x, linear(w.node("Relu", linear(n, width, 4 * width)), 4 * width, width))
    return w.model(["batch", length, width], x)


def at_resolution(name: str, resolution: int) -> onnx.ModelProto:
    """Return a real model with another resolution of its input."""
    model = onnx.load(MODELS / f"{name}.onnx", load_external_data=False)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = resolution
    del model.graph.value_info[:]
    return model


def models() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield names and models: real graphs at other resolutions, CNNs and transformers in turn."""
    for name, resolution in product(ANY_RESOLUTION, range(96, 385, 32)):
        yield f"{name}-{resolution}", at_resolution(name, resolution)
    resolutions, lengths = (64, 96, 128, 160, 192, 224, 256, 320), (32, 64, 96, 128, 192, 256, 384, 512)
    for depth, width, step in product((4, 8, 12, 16, 20, 24, 28, 32), (16, 24, 32, 48, 64, 80, 96, 128), range(8)):
        yield f"cnn-d{depth}-w{width}-r{resolutions[step]}", cnn(width, depth, resolutions[step])
        yield f"enc-d{depth}-w{4 * width}-l{lengths[step]}", transformer(4 * width, depth, lengths[step])


def write_models(folder: Path, count: int) -> list[Path]:
    """Write `count` different model files, and return their paths."""
    paths = []
    for name, model in islice(models(), count):
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        paths.append(path)
    return paths
