"""Einsum: any contraction, from its equation."""

from __future__ import annotations

from math import prod

from roofline.graph.nodes import Dim, Node, Shape
from roofline.ops.table import RULES, Cost, cost_of


def parse_equation(equation: str, shapes: list[Shape]) -> tuple[list[str], str, dict[str, Dim]]:
    """Return the operands' labels, the result's labels, and the size of each label.

    An ellipsis becomes one label per axis that it stands for; a missing right side is the sorted labels that occur
    once (ONNX operator Einsum, as numpy.einsum).

    Raises:
        ValueError: the equation does not fit the operands.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"{len(terms)} terms for {len(shapes)} operands")
    spread = max(
        (len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0
    )
    dots = "".join(chr(0x370 + i) for i in range(spread))  # labels that no equation uses
    labels: list[str] = []
    sizes: dict[str, Dim] = {}
    for term, shape in zip(terms, shapes, strict=True):
        named = term.replace("...", "")
        term = term.replace("...", dots[len(dots) - (len(shape) - len(named)) :] if "..." in term else "")
        if len(term) != len(shape):
            raise ValueError(f"the term {term!r} does not fit {len(shape)} axes")
        for label, size in zip(term, shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
        labels.append(term)
    if arrow:
        result = right.replace("...", dots)
    else:
        joined = "".join(labels)
        result = dots + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots))
    return labels, result, sizes


@RULES.register("Einsum", op_class="matmul", since=12)
def einsum(node: Node) -> Cost:
    """Operands are contracted two by two from the left; MACs of a step = product of the sizes of all its labels.

    A step in which no label is summed is an elementwise product: FLOP = elements of its result, no MACs. One
    operand: additions for the labels summed away. Ignored: a cheaper order of contraction.
    Source: ONNX operator Einsum; numpy.einsum's definition.
    """
    shapes = [node.tensor(i).shape or () for i in range(len(node.inputs))]
    terms, result, sizes = parse_equation(str(node.attributes["equation"]), shapes)
    macs: Dim = 0
    flops: Dim = 0
    current = terms[0]
    for position, term in enumerate(terms[1:], start=1):
        later = set("".join(terms[position + 1 :])) | set(result)
        both = "".join(dict.fromkeys(current + term))
        kept = "".join(label for label in both if label in later)
        volume = prod(sizes[label] for label in both)
        if len(kept) < len(both):
            macs += volume
        else:
            flops += volume
        current = kept
    if len(terms) == 1:
        flops = prod(sizes[c] for c in set(current)) - prod(sizes[c] for c in result)
    return cost_of(node, macs=macs, vector_flops=flops)
