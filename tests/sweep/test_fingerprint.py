"""Rules that compute something else have another text; what cannot be told is not taken for the same."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import build_model
from onnx import helper

import roofline
from roofline.graph.contrib_shapes import RULES as SHAPE_RULES
from roofline.ops.table import RULES, cost_of
from roofline.sweeping import version
from roofline.sweeping.fingerprint import UnsureError, fingerprint
from roofline.sweeping.plan import make_plan
from roofline.sweeping.version import own_operators
from sweep.helpers import ENVIRONMENT

MODULE = """
import math, random, os
K = {k}
TABLE = {{"a": [1, {k}], "b": {{"x", "y", "z"}}}}
class Own: pass
OWN = Own()
def helper(x): return x * {k}
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - {k})
def made(k):
    return lambda x: x * k
def constant(x): return x * {k}
def default(x, by={k}): return x * by
def keyword(x, *, by={k}): return x * by
def of_global(x): return x * K
def of_table(x): return TABLE["a"]
def of_function(x): return helper(x)
def of_circle(x): return even(x)
def nested(x): return [(lambda y: y * {k})(y) for y in x]
closure = made({k})
def attribute(x): return attribute.k
attribute.k = {k}
def same(x): return math.prod(x) + len(x)
def late(x): return math.prod(x) + not_there
def by_object(x): return OWN
def by_class(x): return Own()
def by_module(x): return random.random()
def by_import(x):
    import os
    return os.environ
def by_file(x): return open(x)
def by_state(x):
    global K
    K = x
"""


def module(k: int) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "mine"}
    exec(compile(MODULE.format(k=k), "mine.py", "exec"), found)
    return found


CHANGED = ("constant", "default", "keyword", "of_global", "of_table", "of_function", "of_circle", "nested", "closure",
           "attribute")  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_what_a_function_refers_to_is_part_of_it(name: str) -> None:
    first, again, other = (fingerprint(module(k)[name]) for k in (2, 2, 5))
    assert first == again != other


def test_what_it_does_not_refer_to_is_not() -> None:
    assert fingerprint(module(2)["same"]) == fingerprint(module(5)["same"])


@pytest.mark.parametrize("name", ["late", "by_object", "by_class", "by_module", "by_import", "by_file", "by_state"])
def test_what_cannot_be_told(name: str) -> None:
    with pytest.raises(UnsureError):
        fingerprint(module(2)[name])
    with pytest.raises(UnsureError):
        fingerprint({"in a table": [module(2)[name]]})


def test_it_is_the_same_in_every_process() -> None:
    said = {own_operators()}
    for seed in ("1", "2"):
        command = "from roofline.sweeping.version import own_operators; print(own_operators())"
        environment = {**ENVIRONMENT, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
        said.add(done.stdout.strip())
    assert len(said) == 1 and None not in said


def rows(folder: Path, shapes: Callable[..., Any], cache: Path, output: Path | None = None) -> Any:
    """Sweep x -> Mine -> y, x of 1 x 4 in fp32, with this rule for the shape of y."""
    model = build_model([helper.make_node("Mine", ["x"], ["y"], domain="my.sweep")], {"x": [1, 4]}, ["y"])
    model.opset_import.append(helper.make_opsetid("my.sweep", 1))
    path = folder / "mine.onnx"
    path.write_bytes(model.SerializeToString())

    def mine(node: Any) -> Any:
        """No work, all traffic. Source: this test."""
        return cost_of(node)

    try:
        roofline.operator("my.sweep.Mine", op_class="elementwise", shapes=shapes)(mine)
        if output is not None:
            return roofline.sweep([path], "orin-agx", output=output, cache=cache)
        return {row["bytes"] for row in roofline.sweep([path], "orin-agx", cache=cache)}
    finally:
        RULES._rules.pop(("my.sweep", "Mine"))
        SHAPE_RULES.pop(("my.sweep", "Mine"))


def by(factor: int) -> Callable[..., Any]:
    return lambda shapes, _: [[size * factor for size in shapes[0]]]


def test_a_changed_shape_rule_finds_nothing_in_a_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for factor in (2, 5, 2):  # 4 bytes x (4 read + 4 factor^2 written)
        assert rows(tmp_path, by(factor), cache) == {16 + 16 * factor**2}
    assert len(list(cache.iterdir())) == 2
    assert rows(tmp_path, by(2), cache, tmp_path / "o.csv").cached == 1


def test_a_rule_that_cannot_be_told_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"

    def shapes(of: Any, _: Any) -> Any:
        return [[size * random.choice([3]) for size in of[0]]]

    for _ in range(2):
        assert rows(tmp_path, shapes, cache, tmp_path / "o.csv").computed == 1
    assert not cache.exists()
    monkeypatch.setattr(version, "RULES", [RULES.find("", "Relu", 0)._replace(function=shapes)])
    assert own_operators() is None
    first, second = make_plan(["orin-agx"]), make_plan(["orin-agx"])
    assert first.is_unique and first.key != second.key
