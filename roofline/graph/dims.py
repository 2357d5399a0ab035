"""Dimensions that exporters write as expressions: ``batch*seq``, ``floor(h/2) + 1``, ``past + seq``.

Text from a file is never evaluated by Python or sympy: a small parser with a list of allowed forms reads it.
Grammar: sums and products of whole numbers, names, brackets, ``floor ceil max min`` calls, with ``+ - * / // % **``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Union

_TOKEN = re.compile(r"\s*(?:(\d{1,18})|([A-Za-z_][\w.]*)|(//|\*\*|[-+*/%(),]))")
_FUNCTIONS = {"floor": 1, "ceil": 1, "ceiling": 1, "max": 2, "min": 2}
_MAX_DEPTH = 50
_MAX_LENGTH = 500

Tree = Union[int, str, tuple[str, tuple["Tree", ...]]]  # noqa: UP007 - a forward reference cannot be or-ed in 3.10
"""A number, a name, or (operator, operands)."""


class NotAnExpressionError(ValueError):
    """The text is no expression of this grammar; it is then a plain name."""


def parse_dim(text: str) -> Tree:
    """Return the expression tree of a dimension's text.

    Raises:
        NotAnExpressionError: it is written in another way.
    """
    if len(text) > _MAX_LENGTH:
        raise NotAnExpressionError(text[:40])
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotAnExpressionError(text)
        tokens.append(match)
        at = match.end()
    return _Parser(tokens, text).whole()


class _Parser:
    def __init__(self, tokens: list[re.Match[str]], text: str) -> None:
        self._tokens, self._at, self._text = tokens, 0, text

    def _peek(self) -> str:
        return self._tokens[self._at].group().strip() if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        found = self._peek()
        if found not in wanted:
            raise NotAnExpressionError(self._text)
        self._at += 1
        return found

    def whole(self) -> Tree:
        tree = self._sum(0)
        if self._at != len(self._tokens):
            raise NotAnExpressionError(self._text)
        return tree

    def _sum(self, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise NotAnExpressionError(self._text)
        tree = self._product(depth)
        while self._peek() in ("+", "-"):
            tree = (self._take("+", "-"), (tree, self._product(depth)))
        return tree

    def _product(self, depth: int) -> Tree:
        tree = self._power(depth)
        while self._peek() in ("*", "/", "//", "%"):
            tree = (self._take("*", "/", "//", "%"), (tree, self._power(depth)))
        return tree

    def _power(self, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise NotAnExpressionError(self._text)
        if self._peek() == "-":
            self._take("-")
            return "-", (0, self._power(depth + 1))
        tree = self._atom(depth)
        if self._peek() == "**":
            self._take("**")
            return "**", (tree, self._power(depth + 1))
        return tree

    def _atom(self, depth: int) -> Tree:
        if self._peek() == "(":
            self._take("(")
            tree = self._sum(depth + 1)
            self._take(")")
            return tree
        if self._at >= len(self._tokens):
            raise NotAnExpressionError(self._text)
        number, name, _ = self._tokens[self._at].groups()
        if number is None and name is None:
            raise NotAnExpressionError(self._text)
        self._at += 1
        if number is not None:
            return int(number)
        if self._peek() != "(":
            return name
        return self._call(name.lower(), depth)

    def _call(self, name: str, depth: int) -> Tree:
        if name not in _FUNCTIONS:
            raise NotAnExpressionError(self._text)
        self._take("(")
        operands = [self._sum(depth + 1)]
        while self._peek() == ",":
            self._take(",")
            operands.append(self._sum(depth + 1))
        self._take(")")
        if len(operands) < _FUNCTIONS[name] or (_FUNCTIONS[name] == 1 and len(operands) > 1):
            raise NotAnExpressionError(self._text)
        return name, tuple(operands)


def names_in(tree: Tree) -> set[str]:
    """Return the free names of an expression."""
    if isinstance(tree, str):
        return {tree}
    return set() if isinstance(tree, int) else set().union(*(names_in(part) for part in tree[1]))


def evaluate(tree: Tree, values: Mapping[str, int]) -> int:
    """Return the size that an expression stands for.

    Raises:
        KeyError: a name has no value.
        ValueError: the result is no whole number, or the expression divides by zero or grows without end.
    """
    result = _value(tree, values)
    if result.denominator != 1:
        raise ValueError(f"{float(result):g} is no whole number")
    return int(result)


def _value(tree: Tree, values: Mapping[str, int]) -> Fraction:
    if isinstance(tree, int):
        return Fraction(tree)
    if isinstance(tree, str):
        return Fraction(values[tree])
    operator, parts = tree
    operands = [_value(part, values) for part in parts]
    if operator in ("max", "min"):
        return max(operands) if operator == "max" else min(operands)
    if operator in ("floor", "ceil", "ceiling"):
        return Fraction(floor(operands[0]) if operator == "floor" else ceil(operands[0]))
    a, b = operands
    if operator in ("/", "//", "%") and b == 0:
        raise ValueError("division by zero")
    if operator == "**" and not (0 <= b <= 8 and b.denominator == 1 and abs(a) < 2**40):
        raise ValueError("a power beyond what a dimension can be")
    results = {
        "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b,
        "//": lambda: Fraction(a // b), "%": lambda: a % b, "**": lambda: a ** int(b),
    }  # fmt: skip
    return Fraction(results[operator]())
