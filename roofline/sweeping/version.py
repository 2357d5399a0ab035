"""What results depend on besides model and options: this package's own code, and the library that infers shapes."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import roofline
from roofline import __version__
from roofline.ops.table import RULES
from roofline.plugins import GROUP

_PACKAGE = Path(roofline.__file__).parent


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the version of the tool, of its source text and of onnx: ``0.1.0+3f2a...,onnx-1.23.2``.

    Results of another version are never mixed with those of this one.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode())
        digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]},onnx-{metadata.version('onnx')}"


def own_operators() -> str:
    """Return what stands for the operators that are not of this package: plugins, and ``@roofline.operator``.

    Another text means that results can differ; equal texts, that the same rules were there.
    """
    plugins = [
        f"{point.name}={point.value} {point.dist.version if point.dist else ''}"
        for point in metadata.entry_points(group=GROUP)
    ]
    rules = [
        f"{rule.domain}.{rule.op_type} {rule.since} {rule.op_class} {rule.operands} {_code(rule.function)}"
        for rule in RULES
        if not str(getattr(rule.function, "__module__", "")).startswith("roofline.")
    ]
    return hashlib.sha256(repr((sorted(plugins), rules)).encode()).hexdigest()


def _code(function: Any) -> str:
    code = getattr(function, "__code__", None)
    if code is None:
        return type(function).__qualname__
    plain = [value for value in code.co_consts if isinstance(value, (int, float, str, bytes, tuple, type(None)))]
    return repr((code.co_code, code.co_names, plain))
