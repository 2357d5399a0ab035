"""Inputs for a run, made from shapes: seeded random numbers, and whole numbers that are valid where they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.graph.nodes import Graph, Node, TensorInfo

_PASSES_ON = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand",
                        "Slice", "Split", "Concat", "Clip", "Where"})  # fmt: skip
"""Operators whose result holds values of their first input, or of any."""
_INDICES = {"Gather": (0, 1), "GatherElements": (0, 1), "GatherND": (0, 1), "Embedding": (0, 1)}
"""Operator -> (input of the table, input of the indices)."""
_EMBED = {0: 2, 1: 4, 6: 3}
"""EmbedLayerNormalization: input of ids -> input of the table."""
_IMAGES = (0, 256)


class Feeds(NamedTuple):
    """Values by input name, and what was guessed about them."""

    values: dict[str, NDArray[Any]]
    findings: tuple[Finding, ...]


def make_feeds(graph: Graph, given: Mapping[str, NDArray[Any]] | None = None, seed: int = 0) -> Feeds:
    """Return one value per input of the model.

    Floats are standard normal; indices of a table are drawn from its rows (token ids < vocabulary); masks and
    booleans are ones; lengths of attention are the whole length; 8-bit unsigned numbers are drawn from 0 to 255.
    Other whole numbers are ones, with a finding.

    Args:
        graph: the model with its shapes bound.
        given: values of the user's own, by input name.

    Raises:
        MeasurementError: an input has a shape or type that no value can be made for, or a given value does not fit.
    """
    rng = np.random.default_rng(seed)
    readers = _readers(graph)
    values, findings = {}, []
    for name in given or {}:
        if name not in graph.inputs:
            raise MeasurementError(f"the model has no input {name!r}", where="--inputs", expected=str(graph.inputs))
    for name in graph.inputs:
        info = graph.tensors[name]
        if given and name in given:
            refuse_other(given[name].shape, str(given[name].dtype), info)
            values[name] = given[name]
            continue
        value, guess = _value(info, graph, readers, rng)
        values[name] = value
        if guess:
            findings.append(
                Finding(
                    code="input-guessed",
                    where=name,
                    message=f"the values of {name} ({info.dtype}) are {guess}: nothing in the graph tells their range",
                    hint="give your own with --inputs FILE.npz if the time depends on them",
                )
            )
    return Feeds(values, tuple(findings))


def refuse_other(shape: Sequence[int], dtype: str, info: TensorInfo, where: str = "--inputs") -> None:
    """Raise where an array of `shape` and `dtype` is not what an input takes.

    Raises:
        MeasurementError: names the input, and what it takes.
    """
    if info.shape is not None and tuple(shape) != tuple(info.shape):
        raise MeasurementError(f"{info.name} has shape {tuple(shape)}", where=where, expected=str(info.shape))
    if info.dtype is not None and dtype != info.dtype:
        raise MeasurementError(f"{info.name} has type {dtype}", where=where, expected=info.dtype)


def _readers(graph: Graph) -> dict[str, list[tuple[Node, int]]]:
    found: dict[str, list[tuple[Node, int]]] = {}
    for node in graph.nodes:
        for position, tensor in enumerate(node.inputs):
            if tensor is not None:
                found.setdefault(tensor.name, []).append((node, position))
    return found


def _value(
    info: TensorInfo, graph: Graph, readers: Mapping[str, list[tuple[Node, int]]], rng: np.random.Generator
) -> tuple[NDArray[Any], str]:
    """Return the value of an input, and in words what was guessed about it."""
    if not info.is_known or info.dtype is None or info.shape is None:
        raise MeasurementError(
            f"the input {info.name} has no known type and shape", hint="give it with --shapes, or --inputs FILE.npz"
        )
    shape, dtype = info.shape, info.dtype
    if dtype in ("float32", "float16", "float64"):
        return rng.standard_normal(shape, dtype=np.float32).astype(dtype), ""
    if dtype == "bool":
        return np.ones(shape, np.bool_), ""
    if dtype in ("uint8", "int8") and len(shape) >= 3:
        return rng.integers(*_IMAGES, size=shape).astype(dtype), ""
    if not dtype.startswith(("int", "uint")) or dtype in ("int4", "uint4", "int2", "uint2"):
        raise MeasurementError(
            f"no value can be made for the input {info.name} ({dtype})", hint="use --inputs FILE.npz"
        )
    length = _length(info.name, readers)
    if length is not None:
        return np.full(shape, length, dtype), ""
    rows = _rows(info.name, readers, set())
    if rows:
        return rng.integers(0, max(1, min(rows)), size=shape).astype(dtype), ""
    if "mask" in info.name.lower():
        return np.ones(shape, dtype), ""
    return np.ones(shape, dtype), "ones"


def _rows(name: str, readers: Mapping[str, list[tuple[Node, int]]], seen: set[str]) -> list[int]:
    """Return the number of rows of every table that `name`, or what is copied from it, is an index of."""
    found = []
    seen.add(name)
    for node, position in readers.get(name, ()):
        table, indices = _INDICES.get(node.op_type, (0, -1))
        if node.op_type == "EmbedLayerNormalization" and position in _EMBED:
            table, indices = _EMBED[position], position
        rows = node.input(table)
        if position == indices and rows is not None and rows.shape:
            axis = 0 if node.op_type == "EmbedLayerNormalization" else int(node.attributes.get("axis", 0))
            found.append(rows.shape[axis])
        elif node.op_type in _PASSES_ON:
            for result in node.results:
                if result.name not in seen:
                    found += _rows(result.name, readers, seen)
    return found


def _length(name: str, readers: Mapping[str, list[tuple[Node, int]]]) -> int | None:
    """Return what a length of GroupQueryAttention has to be: past and new tokens, or one less for `seqlens_k`."""
    for node, position in readers.get(name, ()):
        if node.op_type == "GroupQueryAttention" and position in (5, 6):
            query, past = node.input(0), node.input(3)
            if query is None or not query.shape:
                return None
            total = query.shape[1] + (past.shape[2] if past is not None and past.shape else 0)
            return total - 1 if position == 5 else total
    return None
