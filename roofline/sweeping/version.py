"""What results depend on besides model and options: this package's own code, and the library that infers shapes."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import roofline
from roofline import __version__
from roofline.graph.contrib_shapes import RULES as SHAPE_RULES
from roofline.ops.table import RULES
from roofline.plugins import GROUP
from roofline.sweeping.fingerprint import UnsureError, fingerprint

_LOG = logging.getLogger(__name__)
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


def own_operators() -> str | None:
    """Return what stands for the rules of operators, a user's own among them: plugins, and ``@roofline.operator``.

    Another text means that results can differ; equal texts, that cost and shape rules are the same ones, together
    with all that they refer to (`fingerprint`); of plugins that are not loaded yet, the version. None where that
    cannot be told: a rule uses objects of a class, modules that look outside, a plugin is installed to be edited.
    """
    try:
        plugins = sorted(_plugin(point) for point in metadata.entry_points(group=GROUP))
        costs = [
            (rule.domain, rule.op_type, rule.since, rule.op_class, rule.operands, fingerprint(rule.function))
            for rule in RULES
        ]
        shapes = [(key, fingerprint(SHAPE_RULES[key])) for key in sorted(SHAPE_RULES)]
    except (UnsureError, ValueError, RecursionError) as error:  # ValueError: an integer too long for text
        _LOG.info("no result is used again, for a rule or plugin cannot be told from another one: %s", error)
        return None
    return hashlib.sha256(repr((plugins, costs, shapes)).encode()).hexdigest()


def _plugin(point: metadata.EntryPoint) -> str:
    if point.dist is None:
        raise UnsureError(point.name)
    origin = json.loads(point.dist.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        raise UnsureError(point.name)
    return f"{point.name}={point.value} {point.dist.version}"
