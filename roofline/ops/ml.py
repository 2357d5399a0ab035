"""Classical machine learning: the domain ai.onnx.ml."""

from __future__ import annotations

from roofline.graph.nodes import Dim, Node
from roofline.ops.movement import free, pick
from roofline.ops.table import RULES, Cost, cost_of

DOMAIN = "ai.onnx.ml"

_MAPS = ("CastMap", "DictVectorizer", "ZipMap", "CategoryMapper")
for _op_type in _MAPS:
    RULES.add(
        _op_type,
        free("maps and labels: no arithmetic, no fixed size", ", ".join(_MAPS)),
        op_class="movement",
        domain=DOMAIN,
    )
RULES.add("ArrayFeatureExtractor", pick, op_class="movement", domain=DOMAIN)


@RULES.register("LabelEncoder", "FeatureVectorizer", op_class="movement", domain=DOMAIN)
def move(node: Node) -> Cost:
    """No FLOP; reads its inputs and writes its output. Ignored: the search in the table of labels.

    Source: ONNX operators ai.onnx.ml.LabelEncoder, FeatureVectorizer.
    """
    known = tuple(t for t in node.operands if t.is_known)
    return cost_of(node._replace(inputs=known))


_PER_ELEMENT = {"Scaler": 2, "Normalizer": 3, "Binarizer": 1, "Imputer": 1, "OneHotEncoder": 1}


@RULES.register(*_PER_ELEMENT, op_class="elementwise", domain=DOMAIN)
def per_element(node: Node) -> Cost:
    """FLOP per output element: Scaler 2 (subtract, multiply), Normalizer 3 (as LpNormalization), the others 1.

    Source: ONNX operators ai.onnx.ml.Scaler, Normalizer, Binarizer, Imputer, OneHotEncoder.
    """
    return cost_of(node, vector_flops=_PER_ELEMENT[node.op_type] * node.result().elements)


def _rows(node: Node) -> tuple[Dim, Dim]:
    shape = node.tensor(0).shape or (1,)
    return (shape[0], shape[1]) if len(shape) > 1 else (1, shape[0])


@RULES.register("LinearClassifier", "LinearRegressor", op_class="matmul", domain=DOMAIN)
def linear(node: Node) -> Cost:
    """MACs = rows * coefficients; FLOP = 2*MACs + one addition per intercept and row.

    Source: ONNX operators ai.onnx.ml.LinearClassifier, LinearRegressor. Ignored: post_transform.
    """
    rows, _ = _rows(node)
    attributes = node.attributes
    coefficients, intercepts = attributes.get("coefficients", ()), attributes.get("intercepts", ())
    return cost_of(node, macs=rows * len(coefficients), vector_flops=rows * len(intercepts), pipe="vector")


@RULES.register("SVMClassifier", "SVMRegressor", op_class="matmul", domain=DOMAIN)
def support_vectors(node: Node) -> Cost:
    """Kernel: rows * support values MACs, 2 FLOP per row and vector; decision: one MAC per row and coefficient.

    Source: ONNX operators ai.onnx.ml.SVMClassifier, SVMRegressor. Ignored: probability estimates.
    """
    rows, features = _rows(node)
    support = node.attributes.get("support_vectors", ())
    coefficients = node.attributes.get("coefficients", ())
    vectors = len(support) // features if isinstance(features, int) and features else 0
    macs = rows * (len(support) + len(coefficients))
    return cost_of(node, macs=macs, vector_flops=2 * rows * vectors, pipe="vector")


@RULES.register("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble", op_class="reduction", domain=DOMAIN)
def trees(node: Node) -> Cost:
    """Per row: one comparison per level of each tree (its deepest path, an upper limit), one addition per tree.

    Source: ONNX operators ai.onnx.ml.TreeEnsembleClassifier, TreeEnsembleRegressor, TreeEnsemble.
    """
    rows, _ = _rows(node)
    depths = _depths(node)
    return cost_of(node, vector_flops=rows * (sum(depths) + len(depths)))


def _depths(node: Node) -> list[int]:
    """Return the number of comparisons on the longest path of each tree."""
    attributes = node.attributes
    children: dict[tuple[int, int], list[tuple[int, int]]] = {}
    if "tree_roots" in attributes:  # TreeEnsemble: one array of inner nodes; leaves are in another
        sides = list(zip(
            attributes["nodes_trueleafs"], attributes["nodes_truenodeids"],
            attributes["nodes_falseleafs"], attributes["nodes_falsenodeids"], strict=True,
        ))  # fmt: skip
        for place, (true_leaf, true, false_leaf, false) in enumerate(sides):
            children[0, place] = [(0, c) for leaf, c in ((true_leaf, true), (false_leaf, false)) if not leaf]
        return [_depth(children, (0, root)) for root in attributes["tree_roots"]]
    rows = zip(
        attributes["nodes_treeids"], attributes["nodes_nodeids"], attributes["nodes_modes"],
        attributes["nodes_truenodeids"], attributes["nodes_falsenodeids"], strict=True,
    )  # fmt: skip
    inner = {}
    for tree, place, mode, true, false in rows:
        if mode != "LEAF":
            inner[tree, place] = [(tree, true), (tree, false)]
    children = {key: [c for c in below if c in inner] for key, below in inner.items()}
    roots = {tree: (tree, min(p for t, p in inner if t == tree)) for tree in {t for t, _ in inner}}
    return [_depth(children, root) for root in roots.values()]


def _depth(children: dict[tuple[int, int], list[tuple[int, int]]], root: tuple[int, int]) -> int:
    deepest, stack, seen = 0, [(root, 1)], set()
    while stack:
        place, depth = stack.pop()
        if place in seen:
            raise ValueError("the tree has a cycle")
        seen.add(place)
        deepest = max(deepest, depth)
        stack += [(below, depth + 1) for below in children.get(place, ())]
    return deepest
