"""Expressions in free dimensions: written to be read, and evaluated exactly for many sizes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.printing.lambdarepr import LambdaPrinter
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

Expr = Any
"""An int, or a sympy expression with integer values."""


def _over_one_line(expression: Expr) -> tuple[Expr, Expr]:
    numerator, denominator = sympy.fraction(sympy.together(expression))
    return numerator, denominator


class _ExactPrinter(LambdaPrinter):  # type: ignore[misc]
    """Python code without a fraction: all values are whole, so ``//`` is exact on ints of any size."""

    def _print_floor(self, expression: Expr) -> str:
        numerator, denominator = _over_one_line(expression.args[0])
        return f"(({self._print(numerator)})//({self._print(denominator)}))"

    def _print_ceiling(self, expression: Expr) -> str:
        numerator, denominator = _over_one_line(expression.args[0])
        return f"(-((-({self._print(numerator)}))//({self._print(denominator)})))"

    def _print_Max(self, expression: Expr) -> str:  # noqa: N802 - sympy looks for this name
        return self._nested("maximum", [self._print(part) for part in expression.args])

    def _print_Min(self, expression: Expr) -> str:  # noqa: N802 - sympy looks for this name
        return self._nested("minimum", [self._print(part) for part in expression.args])

    @staticmethod
    def _nested(name: str, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"{name}({parts[0]}, {_ExactPrinter._nested(name, parts[1:])})"


class _TextPrinter(StrPrinter):  # type: ignore[misc]
    def _print_floor(self, expression: Expr) -> str:
        return self._rounded("floor", expression)

    def _print_ceiling(self, expression: Expr) -> str:
        return self._rounded("ceil", expression)

    def _rounded(self, name: str, expression: Expr) -> str:
        numerator, denominator = _over_one_line(expression.args[0])
        above = f"({self._print(numerator)})" if numerator.is_Add else self._print(numerator)
        return f"{name}({above}/{self._print(denominator)})"


class _LatexPrinter(LatexPrinter):  # type: ignore[misc]
    def _print_floor(self, expression: Expr, exp: Any = None) -> str:
        return self._rounded("floor", expression, exp)

    def _print_ceiling(self, expression: Expr, exp: Any = None) -> str:
        return self._rounded("ceil", expression, exp)

    def _rounded(self, name: str, expression: Expr, exp: Any) -> str:
        numerator, denominator = _over_one_line(expression.args[0])
        above, below = self._print(numerator), self._print(denominator)
        text = rf"\left\l{name} \frac{{{above}}}{{{below}}} \right\r{name}"
        return rf"{text}^{{{exp}}}" if exp is not None else text

    def _print_Symbol(self, expr: Expr, style: str = "plain") -> str:  # noqa: N802 - sympy looks for this name
        name = str(expr.name)
        return name if len(name) == 1 else r"\mathrm{" + "".join(_TEX.get(c, c) for c in name) + "}"


_TEX = {"_": r"\_", "#": r"\#", "%": r"\%", "&": r"\&", "$": r"\$", "{": r"\{", "}": r"\}", "\\": "/",
        "^": r"\hat{}", "~": r"\sim "}  # fmt: skip


def as_expression(count: Expr) -> Expr:
    """Return an int as a sympy number, an expression as it is."""
    return sympy.Integer(count) if isinstance(count, int) else count


def readable(expression: Expr) -> Expr:
    """Return the shorter of the expanded expression and the one with common factors drawn out."""
    expanded = sympy.expand(as_expression(expression))
    if expanded.is_Atom:
        return expanded
    return min(sympy.factor_terms(expanded), expanded, key=sympy.count_ops)


def text(expression: Expr) -> str:
    """Return an expression as text: ``18432*batch*(seq**2 + 4608*seq)``, ``floor((h - 1)/32)``."""
    return str(_TextPrinter({"order": None}).doprint(as_expression(expression)))


def latex(expression: Expr) -> str:
    """Return an expression in LaTeX's notation."""
    return str(_LatexPrinter({"mul_symbol": "dot"}).doprint(as_expression(expression)))


class Compiled:
    """Expressions turned into one function, evaluated in whole numbers of any size."""

    def __init__(self, expressions: Sequence[Expr], symbols: Sequence[sympy.Symbol]) -> None:
        distinct: dict[Expr, int] = {}
        for expression in expressions:
            distinct.setdefault(expression, len(distinct))
        self._place = [distinct[expression] for expression in expressions]
        self._symbols = tuple(symbols)
        whole = []
        for expression in distinct:
            numerator, denominator = _over_one_line(expression)
            whole.append(numerator if denominator == 1 else sympy.floor(numerator / denominator, evaluate=False))
        modules = [{"maximum": np.maximum, "minimum": np.minimum}, "math"]
        self._function = sympy.lambdify(
            self._symbols, whole, modules=modules, printer=_ExactPrinter, cse=len(whole) > 1
        )

    def __call__(self, sizes: Mapping[str, Any]) -> list[NDArray[Any]]:
        """Return each expression's values, broadcast over the sizes: int64, or Python ints where that is too small.

        Args:
            sizes: symbol name -> a whole number or an array of them.

        Raises:
            KeyError: a symbol has no value.
        """
        given = [np.asarray(sizes[symbol.name]) for symbol in self._symbols]
        shape = np.broadcast_shapes(*(array.shape for array in given))
        values = self._function(*(_objects(array) for array in given))
        found = [_narrow(np.broadcast_to(np.asarray(value, dtype=object), shape)) for value in values]
        return [found[place] for place in self._place]


def _objects(array: NDArray[Any]) -> Any:
    return (
        int(array) if array.ndim == 0 else np.array([int(v) for v in array.ravel()], dtype=object).reshape(array.shape)
    )


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    limit = 2**63
    return values.astype(np.int64) if all(-limit <= v < limit for v in values.ravel()) else values
