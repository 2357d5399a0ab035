"""The polynomial with whole coefficients through values at chosen points."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import Any

import sympy

_SPREAD = 13
"""Number of sizes to draw from, from the smallest on."""
_CHECKS = 1
"""Points beyond those that a polynomial needs."""
_DEGREE = 3
"""Largest total degree: batch * height * width."""

Expr = Any


class Fit:
    """Finds the polynomial through values at chosen points."""

    def __init__(self, symbols: Sequence[sympy.Symbol], first: int, step: int) -> None:
        self.symbols, self.step = symbols, step
        self.certain = 0
        """Number of leading points at which a polynomial has to hold; beyond them a library's expression is better."""
        self.doubtful = False
        """Whether a polynomial was found that does not hold at every point."""
        self.powers = [p for p in product(range(_DEGREE), repeat=len(symbols)) if sum(p) <= _DEGREE]
        random = Random(20250920)  # noqa: S311 - any fixed number: the same formula every time
        while True:
            self.points = [
                tuple(first + step * random.randrange(_SPREAD) for _ in symbols)
                for _ in range(len(self.powers) + (_CHECKS if symbols else 0))
            ]
            self._rows = [self._row(point) for point in self.points]
            square = sympy.Matrix(self._rows[: len(self.powers)]).to_DM().to_field()
            if square.rank() == len(self.powers):
                break
        inverse = square.inv().to_Matrix().tolist()
        self._inverse = [[Fraction(int(x.p), int(x.q)) for x in row] for row in inverse]

    def _row(self, point: Sequence[int]) -> list[int]:
        return [prod(x**e for x, e in zip(point, p, strict=True)) for p in self.powers]

    def add_check(self, point: tuple[int, ...]) -> None:
        """Add a point at which every expression must hold too."""
        self.points.append(point)
        self._rows.append(self._row(point))

    def keep(self, which: Sequence[int]) -> None:
        """Drop all points but these."""
        self.certain = sum(1 for i in which if i < self.certain)
        self.points = [self.points[i] for i in which]
        self._rows = [self._rows[i] for i in which]

    def polynomial(self, values: Sequence[int]) -> Expr | None:
        """Return the polynomial with these values at the points, or None if there is none with whole coefficients.

        At points that are all multiples of the step the coefficients are whole after the step is taken out.
        """
        used = values[: len(self.powers)]
        terms = [sum((a * v for a, v in zip(row, used, strict=True)), Fraction(0)) for row in self._inverse]
        if any((c * self.step ** sum(p)).denominator != 1 for c, p in zip(terms, self.powers, strict=True)):
            return None
        for place, (row, value) in enumerate(zip(self._rows, values, strict=True)):
            if sum(c * x for c, x in zip(terms, row, strict=True)) != value:
                self.doubtful = True
                if place < self.certain:
                    return None
        monomials = (prod((s**e for s, e in zip(self.symbols, p, strict=True)), start=sympy.Integer(1))
                     for p in self.powers)  # fmt: skip
        return sympy.Add(*(sympy.Rational(c.numerator, c.denominator) * m
                           for c, m in zip(terms, monomials, strict=True)))  # fmt: skip

    def agrees(self, expression: Expr, values: Sequence[int]) -> bool:
        """Whether an expression has these values at the points."""
        for point, value in zip(self.points, values, strict=True):
            if expression.subs(dict(zip(self.symbols, point, strict=True))) != value:
                return False
        return True
