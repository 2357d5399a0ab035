"""ONNX's own node tests (``onnx.backend.test``) through `roofline.analyze`: exceptions, and shapes.

    python tests/reports/backend_models.py [--verbose]

Numeric inputs become initialisers and the declared output shapes are removed, so every shape has to be worked out.
Prints the number of models, of exceptions, and of models whose every tensor output has the shape of the test data;
then the rest by operator, with the reason.
"""

from __future__ import annotations

import argparse
import collections
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import roofline


def cases() -> Iterator[tuple[str, onnx.ModelProto, dict[str, tuple[int, ...]]]]:
    """Yield (name, model with its inputs as initialisers, true shapes of its tensor outputs)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = load_model_tests(kind="node")
    for test in tests:
        if test.model is None or not test.data_sets:
            continue
        model = onnx.ModelProto.FromString(test.model.SerializeToString())
        inputs, outputs = test.data_sets[0]
        for value, data in zip(list(model.graph.input), inputs, strict=False):
            tensor = as_initializer(value, data)
            if tensor is not None:
                model.graph.initializer.append(tensor)
                model.graph.input.remove(value)
        want = {
            value.name: data.shape
            for value, data in zip(model.graph.output, outputs, strict=False)
            if isinstance(data, np.ndarray) and value.type.HasField("tensor_type")
        }
        for value in model.graph.output:
            if value.type.HasField("tensor_type"):
                value.type.tensor_type.ClearField("shape")
        yield test.name, model, want


def as_initializer(value: onnx.ValueInfoProto, data: Any) -> onnx.TensorProto | None:
    """Return the input as an initialiser, or None for text, sequences and optionals."""
    if isinstance(data, np.generic):
        data = np.asarray(data)
    if not isinstance(data, np.ndarray) or data.dtype == object or not value.type.HasField("tensor_type"):
        return None
    try:
        tensor = numpy_helper.from_array(data, value.name)
    except (TypeError, ValueError, KeyError, NotImplementedError):
        return None
    return tensor if tensor.data_type == value.type.tensor_type.elem_type else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    verbose = parser.parse_args().verbose
    total = good = 0
    failures: collections.Counter[str] = collections.Counter()
    wrong: dict[str, list[str]] = collections.defaultdict(list)
    for name, model, want in cases():
        total += 1
        op = model.graph.node[0].op_type
        try:
            analysis = roofline.analyze(model)
        except Exception as error:
            failures[f"{op}: {type(error).__name__} {error}"] += 1
            continue
        tensors = analysis.graph.tensors
        got = {tensor: tensors[tensor].shape if tensor in tensors else None for tensor in want}
        if got == want:
            good += 1
        else:
            reason = next((f.message for f in analysis.findings if f.code == "unknown-shape"), f"{got} for {want}")
            wrong[op].append(f"{name}: {reason}")
    print(f"{total} models, {sum(failures.values())} exceptions, shapes right on {good}")
    for failure, count in failures.most_common():
        print(f"  exception {count} x {failure}")
    for op, reasons in sorted(wrong.items(), key=lambda item: -len(item[1])):
        print(f"  {op}: {len(reasons)}")
        for reason in reasons if verbose else reasons[:1]:
            print(f"      {reason}")


if __name__ == "__main__":
    main()
