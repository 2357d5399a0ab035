"""A text that stands for a function: with the same text it computes the same."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any

PURE = frozenset({
    "abc", "bisect", "builtins", "cmath", "collections", "copy", "decimal", "enum", "fractions", "functools", "heapq",
    "itertools", "math", "numbers", "numpy", "operator", "re", "roofline", "statistics", "string", "typing",
})  # fmt: skip
"""Packages whose name and version say what they compute. Others may look at files, clocks or options."""
_OUTSIDE = frozenset({
    "__import__", "breakpoint", "compile", "dir", "eval", "exec", "globals", "input", "locals", "open", "vars",
})  # fmt: skip
"""Builtins by which a function gets at what its text does not show."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes, EllipsisType)


class UnsureError(Exception):
    """It cannot be told from another that computes something else."""


def fingerprint(value: Any, seen: dict[int, int] | None = None) -> str:
    """Return a text for a function or plain data, the same in every process.

    Of a function it holds the bytecode, constants, nested functions, defaults, closure, attributes, and the globals
    that it names, functions among them to any depth; of what is in `PURE`, the name and version.

    Args:
        value: what to stand for.
        seen: places of what the text holds already, by id: functions may call each other in a circle.

    Raises:
        UnsureError: something in it is neither, such as an object of a class, a file or another module.
    """
    seen = {} if seen is None else seen
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind in (set, frozenset):
        return f"{kind.__name__}{sorted(fingerprint(item) for item in value)}"
    if kind is tuple:
        return f"({', '.join(fingerprint(item, seen) for item in value)})"
    if kind in (list, dict, FunctionType):
        if id(value) in seen:
            return f"<{seen[id(value)]}>"
        seen[id(value)] = len(seen)
    if kind is list:
        return f"[{', '.join(fingerprint(item, seen) for item in value)}]"
    if kind is dict:
        return f"{{{', '.join(f'{fingerprint(k, seen)}: {fingerprint(v, seen)}' for k, v in value.items())}}}"
    if kind is CodeType:
        return _code(value, seen)
    if kind is FunctionType:
        return _function(value, seen)
    return _named(value)


def _named(value: Any) -> str:
    """Return the name of a module, class or builtin function that is known by it."""
    if isinstance(value, ModuleType):
        place, name = value.__name__, str(getattr(value, "__version__", ""))
    elif isinstance(value, (BuiltinFunctionType, FunctionType, type)):
        place, name = str(value.__module__), value.__qualname__
    else:
        raise UnsureError(f"an object of {type(value).__qualname__}")
    if place.lstrip("_").partition(".")[0] not in PURE:
        raise UnsureError(f"{place}.{name}")
    return f"{place}.{name}"


def _function(function: FunctionType, seen: dict[int, int]) -> str:
    try:
        closure = tuple(cell.cell_contents for cell in function.__closure__ or ())
    except ValueError as error:  # a cell that is filled later
        raise UnsureError(function.__qualname__) from error
    kept = fingerprint((closure, function.__defaults__, function.__kwdefaults__, function.__dict__), seen)
    if str(function.__module__).partition(".")[0] in PURE:
        return f"{_named(function)}{kept}"
    names = sorted(set(_globals(function.__code__)))
    found = [f"{name}={_global(function, name, seen)}" for name in names]
    return f"{_code(function.__code__, seen)}{kept}{found}"


def _code(code: CodeType, seen: dict[int, int]) -> str:
    parts = (
        code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags,
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, getattr(code, "co_exceptiontable", b""),
    )  # fmt: skip
    return f"{parts}{fingerprint(code.co_consts, seen)}"


def _globals(code: CodeType) -> Iterator[str]:
    """Yield the globals and builtins that code reads, nested functions included."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield step.argval
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise UnsureError(f"what changes {step.argval}")
        elif step.opname == "IMPORT_NAME" and step.argval.partition(".")[0] not in PURE:
            raise UnsureError(f"import {step.argval}")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)


def _global(function: FunctionType, name: str, seen: dict[int, int]) -> str:
    if name in function.__globals__:
        return fingerprint(function.__globals__[name], seen)
    if name in _OUTSIDE or not hasattr(builtins, name):
        raise UnsureError(name)
    return name
