"""A rule for an operator of your own, in Python.

Run it: python examples/own_operator.py. A package brings the same rule to every command by an entry point:

    [project.entry-points."roofline.ops"]
    acme = "acme_roofline"
"""

import roofline


@roofline.operator("acme.nn.SparseMatMul", op_class="matmul", shapes=lambda inputs, _: [inputs[0][:-1] + inputs[1][1:]])
def sparse_matmul(node: roofline.Node) -> roofline.Cost:
    """One weight in `sparsity` is kept: MACs = elements of x * columns / sparsity. Source: acme's kernel."""
    x, weight = node.tensor(0), node.tensor(1)
    return roofline.cost_of(node, macs=x.elements * weight.shape[1] // node.attributes["sparsity"])


if __name__ == "__main__":
    from onnx import TensorProto, helper

    sparse = helper.make_node("SparseMatMul", ["x", "w"], ["h"], domain="acme.nn", sparsity=4)
    graph = helper.make_graph(
        [sparse, helper.make_node("Relu", ["h"], ["y"])],
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", TensorProto.FLOAT, (64, 32), [0.0] * 64 * 32)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("acme.nn", 1)])
    print(roofline.analyze(model, bindings={"batch": 8}).totals["macs"], "MACs at batch 8")
    print(roofline.symbolic(model).totals["macs"], "MACs in general")
