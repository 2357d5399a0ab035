"""Which operators of the standard end the process when their inputs' types are not known.

    python tests/reports/fragile_operators.py [--own]

Tries ONNX's C++ shape inference on each version of each operator, its inputs left out, without a type or without a
shape, and its attributes left out, filled in or empty, each in a process of its own, and prints those that end it
(Linux and macOS). They are `FRAGILE` in roofline/graph/library.py. With ``--own`` the same models go through
`roofline.analyze`, in this process: it must get to the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator

import onnx
from onnx import TensorProto, helper

KINDS = ("left out", "first left out", "unknown", "without a type", "without a shape", "scalar", "vector", "sequence")
FILLINGS = ("without", "full", "empty")


def models() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield what is tried, and the model."""
    for schema in onnx.defs.get_all_schemas_with_history():
        for count in sorted({0, schema.min_input, min(schema.max_input, 6)}):
            for kind in KINDS if count else KINDS[2:3]:
                for filling in FILLINGS:
                    name = f"{schema.domain or 'ai.onnx'}.{schema.name}"
                    yield name, _model(schema, count, kind, filling)


def _model(schema: onnx.defs.OpSchema, count: int, kind: str, filling: str) -> onnx.ModelProto:
    none = count if kind == "left out" else int(kind == "first left out")
    names = [""] * min(none, count) + [f"x{i}" for i in range(none, count)]
    node = helper.make_node(
        schema.name, names, [f"y{i}" for i in range(min(schema.max_output, 3))], domain=schema.domain
    )
    if filling != "without":
        node.attribute.extend(_attribute(name, int(a.type), filling) for name, a in schema.attributes.items())
    inputs = [] if kind == "unknown" else [_value(name, kind) for name in names if name]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    imports = [helper.make_opsetid(schema.domain, schema.since_version)]
    imports += [helper.make_opsetid("", 17)] if schema.domain else []
    return helper.make_model(helper.make_graph([node], "g", inputs, outputs), opset_imports=imports, ir_version=9)


def _value(name: str, kind: str) -> onnx.ValueInfoProto:
    if kind == "without a type":
        return onnx.ValueInfoProto(name=name)
    if kind == "sequence":
        return helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, None)
    shape = {"scalar": [], "vector": [3]}.get(kind)
    return helper.make_tensor_value_info(name, TensorProto.INT64 if kind == "vector" else TensorProto.FLOAT, shape)


def _attribute(name: str, kind: int, filling: str) -> onnx.AttributeProto:
    found = onnx.AttributeProto(name=name, type=kind)
    field = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}.get(kind, "")
    if kind in (4, 5):
        getattr(found, field).SetInParent()
        if filling == "full" and kind == 4:
            found.t.CopyFrom(helper.make_tensor("v", TensorProto.INT64, [1], [1]))
        elif filling == "full":
            results = [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)]
            found.g.CopyFrom(helper.make_graph([helper.make_node("Identity", ["q"], ["r"])], "b", [], results))
    elif kind in (1, 2, 3):
        setattr(found, field, {1: 1.0, 2: 1, 3: b"SAME_UPPER"}[kind])
    elif field and filling == "full":
        getattr(found, field).extend({6: [1.0], 7: [1, 1], 8: [b"a"]}[kind])
    return found


def ends_the_process(work: Callable[[], object]) -> bool:
    """Whether a process that does the work is ended by a signal."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def through_roofline() -> int:
    """Analyse every model; return how many there were."""
    import roofline
    from roofline.errors import RooflineError

    count = 0
    for name, model in models():
        print(name, flush=True)  # the last line is where it ended
        with contextlib.suppress(RooflineError):
            roofline.analyze(model.SerializeToString())
        count += 1
    return count


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--own", action="store_true")
    if parser.parse_args().own:
        print(f"{through_roofline()} models, and no end")
        return
    tried, found = 0, Counter[str]()
    for name, model in models():
        tried += 1
        if ends_the_process(lambda model=model: onnx.shape_inference.infer_shapes(model)):  # type: ignore[misc]
            found[name] += 1
    print(f"onnx {onnx.__version__}: {tried} models")
    for name, count in sorted(found.items()):
        print(f"{name:32} {count:3} models end the process")


if __name__ == "__main__":
    main()
