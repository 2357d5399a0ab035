"""Sampling, regions of interest, and boxes."""

from __future__ import annotations

from roofline.graph.nodes import Node
from roofline.ops.movement import interpolation_flops
from roofline.ops.table import RULES, Cost, cost_of, elements

IOU_FLOPS = 13
"""Two maxima, two minima, two differences, two clamps, product, union (add, subtract), division, comparison."""


@RULES.register("GridSample", op_class="movement", since=16)
@RULES.register("GridSample", op_class="movement", domain="com.microsoft")
def grid_sample(node: Node) -> Cost:
    """linear: (2**d - 1)*3 FLOP per output element; cubic: (4**d - 1)/3*7; nearest: none. d spatial axes.

    Ignored: mapping the grid to positions, once per point for all channels. The whole input is read.
    Source: ONNX operator GridSample.
    """
    axes = len(node.tensor(0).shape or ()) - 2
    mode = node.attributes.get("mode", "linear")
    return cost_of(node, vector_flops=interpolation_flops(mode, axes) * node.result().elements)


@RULES.register("AffineGrid", op_class="elementwise", since=20)
def affine_grid(node: Node) -> Cost:
    """Each coordinate is d products and d additions (the last column is added): FLOP = 2*d per output element.

    Source: ONNX operator AffineGrid.
    """
    out = node.result()
    return cost_of(node, vector_flops=2 * (out.shape or (0,))[-1] * out.elements)


@RULES.register("RoiAlign", op_class="pooling", since=10)
def roi_align(node: Node) -> Cost:
    """s*s bilinear samples (9 FLOP each) and their mean (s*s FLOP) per output element, s = sampling_ratio.

    With sampling_ratio 0 the number of samples depends on the boxes: counted as if a box spans the whole map.
    Source: ONNX operator RoiAlign.
    """
    data, out = node.tensor(0).shape or (), node.result()
    ratio = node.attributes.get("sampling_ratio", 0)
    height, width = (out.shape or (1, 1))[-2:]
    samples = ratio * ratio if ratio else -(-data[-2] // height) * -(-data[-1] // width)
    return cost_of(node, vector_flops=samples * (interpolation_flops("linear", 2) + 1) * out.elements)


@RULES.register("MaxRoiPool", op_class="pooling")
def max_roi_pool(node: Node) -> Cost:
    """One comparison per element of each region and channel, as if every box spans the whole map (upper limit).

    Source: ONNX operator MaxRoiPool.
    """
    data, rois = node.tensor(0).shape or (), node.tensor(1).shape or ()
    return cost_of(node, vector_flops=rois[0] * elements(data[1:]))


@RULES.register("NonMaxSuppression", op_class="reduction", since=10)
def non_max_suppression(node: Node) -> Cost:
    """Every pair of boxes compared once per class: FLOP = B*C * n*(n - 1)/2 * 13 (upper limit).

    13 for an intersection over union and its comparison. How many pairs are really compared depends on the data.
    Source: ONNX operator NonMaxSuppression.
    """
    batch, classes, boxes = node.tensor(1).shape or (0, 0, 0)
    return cost_of(node, vector_flops=batch * classes * (boxes * (boxes - 1) // 2) * IOU_FLOPS)


@RULES.register("DeformConv", op_class="convolution", since=19)
def deform_conv(node: Node) -> Cost:
    """MACs as Conv; FLOP = 2*MACs + 9 per sampled tap (+ 1 with a mask) + bias.

    Sampled taps: N*C_in*prod(kernel)*prod(out). Source: ONNX operator DeformConv.
    """
    data, weight, out = node.tensor(0).shape or (), node.tensor(1).shape or (), node.result()
    taps = data[0] * data[1] * elements(weight[2:]) * elements((out.shape or ())[2:])
    per_tap = interpolation_flops("linear", 2) + (node.input(4) is not None)
    bias = out.elements if node.input(3) is not None else 0
    return cost_of(node, macs=out.elements * elements(weight[1:]), vector_flops=taps * per_tap + bias)
