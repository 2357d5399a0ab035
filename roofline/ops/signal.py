"""Fourier transforms, windows, and other small numerical operators."""

from __future__ import annotations

from math import log2

from roofline.graph.nodes import Node
from roofline.ops.table import RULES, Cost, cost_of


def fft_flops(length: int, *, is_real: bool) -> int:
    """Return the FLOP of one transform: 5*n*log2(n), half of it for real input.

    The usual figure for FFT benchmarks (Frigo and Johnson, FFTW, Proc. IEEE 2005); for any length.
    """
    full = 5 * length * log2(length) if length > 1 else 0
    return round(full / 2 if is_real else full)


@RULES.register("DFT", op_class="reduction", since=17)
def dft(node: Node) -> Cost:
    """One FFT per signal: FLOP = signals * 5*n*log2(n), half of it for real input.

    n is the length of the transformed axis of the result (of the input for a one-sided one).
    Source: ONNX operator DFT; FLOP of an FFT as in FFTW's benchmarks.
    """
    data, out = node.tensor(0), node.result()
    shape = data.shape or ()
    axis = node.attributes.get("axis", 1)
    given = node.input(2)
    if given is not None and given.value:
        axis = int(given.value[0])
    elif node.opset >= 20:
        axis = -2
    length = max(shape[axis], (out.shape or ())[axis])
    signals = data.elements // (shape[axis] * shape[-1])
    return cost_of(node, vector_flops=signals * fft_flops(length, is_real=shape[-1] == 1))


@RULES.register("STFT", op_class="reduction", since=17)
def stft(node: Node) -> Cost:
    """Per frame: a product with the window, and one FFT: FLOP = frames * (n + 5*n*log2(n) [half if real]).

    Source: ONNX operator STFT; FLOP of an FFT as in FFTW's benchmarks.
    """
    signal, out = node.tensor(0).shape or (), node.result().shape or ()
    batch, frames, bins, _ = out
    window, length = node.input(2), node.input(3)
    if length is not None and length.value:
        size = int(length.value[0])
    elif window is not None and window.shape is not None:
        size = window.shape[0]
    else:
        size = 2 * (bins - 1) if node.attributes.get("onesided", 1) else bins
    is_real = len(signal) < 3 or signal[-1] == 1
    per_frame = (size if window is not None else 0) + fft_flops(size, is_real=is_real)
    return cost_of(node, vector_flops=batch * frames * per_frame)


@RULES.register("HannWindow", "HammingWindow", op_class="elementwise", since=17)
def cosine_window(node: Node) -> Cost:
    """a - b*cos(c*i): FLOP = 4 per element. Source: ONNX operators HannWindow, HammingWindow."""
    return cost_of(node, vector_flops=4 * node.result().elements)


@RULES.register("BlackmanWindow", op_class="elementwise", since=17)
def blackman_window(node: Node) -> Cost:
    """a - b*cos(c*i) + d*cos(2*c*i): FLOP = 8 per element. Source: ONNX operator BlackmanWindow."""
    return cost_of(node, vector_flops=8 * node.result().elements)


@RULES.register("Det", op_class="reduction", since=11)
def determinant(node: Node) -> Cost:
    """LU decomposition: FLOP = 2/3*n**3 per matrix, and n - 1 products. Source: ONNX operator Det."""
    size = (node.tensor(0).shape or (1,))[-1]
    matrices = node.tensor(0).elements // (size * size) if size else 0
    return cost_of(node, vector_flops=matrices * (2 * size**3 // 3 + size - 1))


@RULES.register("CausalConvWithState", op_class="convolution", since=27)
@RULES.register("CausalConvWithState", op_class="convolution", domain="com.microsoft")
def causal_conv(node: Node) -> Cost:
    """Depthwise convolution over time: MACs = output elements * k; + 1 with a bias, + 5 for SiLU per element.

    Source: ONNX operator CausalConvWithState.
    """
    out, taps = node.result(), (node.tensor(1).shape or (1,))[-1]
    activation = str(node.attributes.get("activation", "none")).lower()
    per_element = (node.input(2) is not None) + 5 * (activation in ("silu", "swish"))
    return cost_of(node, macs=out.elements * taps, vector_flops=per_element * out.elements, pipe="vector")


@RULES.register("TfIdfVectorizer", op_class="reduction", since=9)
def tf_idf(node: Node) -> Cost:
    """One count per input element and n-gram length, one weighting per output element.

    FLOP = elements in * (max_gram_length - min_gram_length + 1) + elements out. Source: ONNX operator TfIdfVectorizer.
    """
    lengths = node.attributes["max_gram_length"] - node.attributes["min_gram_length"] + 1
    return cost_of(node, vector_flops=node.tensor(0).elements * lengths + node.result().elements)
