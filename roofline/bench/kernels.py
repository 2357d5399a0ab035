"""How fast onnxruntime multiplies matrices and convolves here, per precision: small models of one node each.

The best of many sizes, each at the shortest time of its repetitions, is taken for the ceiling: a real layer can only
come near it. Operations count as everywhere: one MAC is two FLOP.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.bench.backend import Provider, open_session
from roofline.bench.timing import best
from roofline.errors import MeasurementError

FLOPS_PER_MAC = 2
BEST_AGAIN, AGAIN_TIMES = 3, 4
"""How many of the fastest kernels run again, and for how many times as long."""
_OPSET, _IR = 17, 8
Array = NDArray[Any]


class KernelRate(NamedTuple):
    """What one kernel reached."""

    precision: str
    kernel: str
    """``MatMul 512x512x512``: rows, columns, depth; ``Conv 64x56x56 -> 64, 3x3``."""
    threads: int
    flop_per_s: float


class Kernel(NamedTuple):
    """A model of one node."""

    precision: str
    label: str
    op_type: str
    macs: int
    data: Array
    """What is fed."""
    constants: dict[str, Any]
    """Weights and scales, by the names of the node's other inputs in order."""
    domain: str = ""
    pads: tuple[int, ...] = ()


MATRICES = ((256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (384, 3072, 768), (196, 768, 768), (2048, 2048, 2048))
"""(rows, columns, depth)."""
CONVOLUTIONS = (
    (64, 56, 64, 3), (128, 28, 128, 3), (256, 14, 256, 3), (64, 112, 64, 3), (256, 56, 256, 3), (256, 14, 1024, 1),
    (256, 56, 64, 1),
)  # fmt: skip
"""(channels in, height and width, channels out, filter)."""
QUICK_MATRICES, QUICK_CONVOLUTIONS = MATRICES[:3], CONVOLUTIONS[:3]


def fp_kernels(precision: str, quick: bool) -> Iterator[Kernel]:
    """Yield products and convolutions of floats; ``precision`` is ``fp32`` or ``fp16``."""
    rng = np.random.default_rng(0)
    kind = {"fp32": "f4", "fp16": "f2"}[precision]

    def random(*shape: int) -> Array:
        return (0.1 * rng.standard_normal(shape, dtype=np.float32)).astype(kind)

    for m, n, k in QUICK_MATRICES if quick else MATRICES:
        yield Kernel(precision, f"MatMul {m}x{n}x{k}", "MatMul", m * n * k, random(m, k), {"w": random(k, n)})
    for c, size, out, f in QUICK_CONVOLUTIONS if quick else CONVOLUTIONS:
        macs = size * size * out * c * f * f
        label = f"Conv {c}x{size}x{size} -> {out}, {f}x{f}"
        data, weights = random(1, c, size, size), {"w": random(out, c, f, f)}
        yield Kernel(precision, label, "Conv", macs, data, weights, pads=(f // 2,) * 4)


def int8_kernels(quick: bool) -> Iterator[Kernel]:
    """Yield the integer products and convolutions that onnxruntime has: every one computes in 8 bits.

    Products of unsigned by signed numbers are the fastest, though on CPUs without VNNI their sums saturate at 16 bits
    (onnxruntime's documentation, "When should I use reduce-range"): real quantised models run on them all the same.
    """
    rng = np.random.default_rng(0)

    def random(kind: str, *shape: int) -> Array:
        low, high = (0, 256) if kind == "u1" else (-127, 128)
        return rng.integers(low, high, shape).astype(kind)

    scale, zero = np.float32(0.02), np.zeros((), "u1")
    for m, n, k in QUICK_MATRICES if quick else MATRICES:
        macs, size = m * n * k, f"{m}x{n}x{k}"
        data = random("u1", m, k)
        for kind, name in (("i1", "u8s8"), ("u1", "u8u8")):
            weights = {"w": random(kind, k, n)}
            yield Kernel("int8", f"MatMulInteger {name} {size}", "MatMulInteger", macs, data, weights)
        quantised = {"s": scale, "z": zero, "w": random("i1", k, n), "ws": scale, "wz": np.zeros((), "i1"),
                     "ys": scale, "yz": zero}  # fmt: skip
        yield Kernel("int8", f"QLinearMatMul u8s8 {size}", "QLinearMatMul", macs, data, quantised)
        floats = rng.standard_normal((m, k), dtype=np.float32)
        dynamic = {"w": random("i1", k, n), "ws": scale}
        label = f"DynamicQuantizeMatMul {size}"
        yield Kernel("int8", label, "DynamicQuantizeMatMul", macs, floats, dynamic, domain="com.microsoft")
    for c, size_, out, f in QUICK_CONVOLUTIONS if quick else CONVOLUTIONS:
        macs = size_ * size_ * out * c * f * f
        constants = {"s": scale, "z": zero, "w": random("i1", out, c, f, f), "ws": scale, "wz": np.zeros((), "i1"),
                     "ys": scale, "yz": zero}  # fmt: skip
        label = f"QLinearConv {c}x{size_}x{size_} -> {out}, {f}x{f}"
        data = random("u1", 1, c, size_, size_)
        yield Kernel("int8", label, "QLinearConv", macs, data, constants, pads=(f // 2,) * 4)


def model_of(kernel: Kernel) -> bytes:
    """Return the ONNX file of a kernel, its weights constant so that the runtime can pack them."""
    from onnx import TensorProto, helper, numpy_helper

    attributes: dict[str, Any] = {"pads": list(kernel.pads)} if kernel.pads else {}
    node = helper.make_node(
        kernel.op_type, ["x", *kernel.constants], ["y"], name="kernel", domain=kernel.domain, **attributes
    )
    kinds = {"MatMulInteger": TensorProto.INT32, "QLinearMatMul": TensorProto.UINT8, "QLinearConv": TensorProto.UINT8,
             "DynamicQuantizeMatMul": TensorProto.FLOAT}  # fmt: skip
    fed = helper.np_dtype_to_tensor_dtype(kernel.data.dtype)
    graph = helper.make_graph(
        [node],
        "kernel",
        [helper.make_tensor_value_info("x", fed, kernel.data.shape)],
        [helper.make_tensor_value_info("y", kinds.get(kernel.op_type, fed), None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in kernel.constants.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString()
    return content


def rate_of(kernel: Kernel, provider: Provider, threads: int, min_time_s: float) -> KernelRate:
    """Run one kernel again and again; its rate is that of the shortest run.

    Raises:
        MeasurementError: onnxruntime has no such kernel.
    """
    session = open_session(model_of(kernel), provider, threads)
    feeds = {"x": kernel.data}
    time_s = best(lambda: session.run(None, feeds), min_time_s=min_time_s)
    return KernelRate(kernel.precision, kernel.label, threads, FLOPS_PER_MAC * kernel.macs / time_s)


def is_cast(kernel: Kernel, provider: Provider) -> bool:
    """Return whether the runtime turns the kernel's operands into another type first: then it has no such kernel.

    Seen in a profiled run: the types that reach a product or convolution.
    """
    with tempfile.TemporaryDirectory(prefix="roofline-") as folder:
        session = open_session(model_of(kernel), provider, 1, profile_prefix=str(Path(folder) / "p"))
        session.run(None, {"x": kernel.data})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    wanted = {"float16": "float16", "float32": "float"}[kernel.data.dtype.name]
    for event in events:
        about = event.get("args", {})
        if (
            about.get("op_name") in ("MatMul", "Gemm", "Conv", "FusedConv", "FusedMatMul")
            and "input_type_shape" in about
        ):
            return wanted not in about["input_type_shape"][0]
    return False


def measure_kernels(
    provider: Provider, threads: int, *, quick: bool, min_time_s: float, say: Callable[[str], None]
) -> tuple[list[KernelRate], dict[str, str]]:
    """Return every rate, and the precisions that have no kernel here with the reason."""
    rates: list[KernelRate] = []
    missing: dict[str, str] = {}
    for precision, kernels in (
        ("fp32", list(fp_kernels("fp32", quick))),
        ("fp16", list(fp_kernels("fp16", quick))),
        ("int8", list(int8_kernels(quick))),
    ):
        errors: list[str] = []
        for kernel in kernels:
            say(f"{precision} {kernel.label}")
            try:
                if precision == "fp16" and is_cast(kernel, provider):
                    errors.append("onnxruntime casts it to fp32: it has no kernel of its own")
                    continue
                rates.append(rate_of(kernel, provider, threads, min_time_s))
            except MeasurementError as error:
                errors.append(str(error))
            except Exception as error:
                if not type(error).__module__.startswith("onnxruntime"):
                    raise
                errors.append(str(error).splitlines()[0][:200])
        if not any(rate.precision == precision for rate in rates):
            missing[precision] = errors[0] if errors else "no kernel was tried"
        if not quick:
            rates += _again(kernels, rates, provider, threads, min_time_s, say)
    return rates, missing


def _again(
    kernels: list[Kernel], rates: list[KernelRate], provider: Provider, threads: int, min_time_s: float,
    say: Callable[[str], None],
) -> list[KernelRate]:  # fmt: skip
    """Run the fastest kernels of a precision once more, and longer: another program may have been in the way."""
    by_label = {(kernel.precision, kernel.label): kernel for kernel in kernels}
    known = [rate for rate in rates if (rate.precision, rate.kernel) in by_label]
    found = []
    for rate in sorted(known, key=lambda rate: -rate.flop_per_s)[:BEST_AGAIN]:
        say(f"{rate.precision} {rate.kernel} again")
        found.append(rate_of(by_label[rate.precision, rate.kernel], provider, threads, AGAIN_TIMES * min_time_s))
    return found


def best_rate(rates: list[KernelRate], precision: str) -> KernelRate | None:
    """Return the fastest kernel of a precision."""
    found = [rate for rate in rates if rate.precision == precision]
    return max(found, key=lambda rate: rate.flop_per_s) if found else None


def gemv_model(rows: int, columns: int) -> tuple[bytes, dict[str, Array], int]:
    """Return a vector times a matrix: the model, its feeds, and the bytes of the matrix, which it reads once."""
    weights = np.full((rows, columns), 0.5, np.float32)
    kernel = Kernel("fp32", "MatMul 1", "MatMul", prod(weights.shape), np.ones((1, rows), "f4"), {"w": weights})
    return model_of(kernel), {"x": kernel.data}, weights.nbytes
