"""Read YAML without its surprises.

YAML 1.1 turns ``on`` and ``NO`` into booleans, ``12:30`` into 750, leaves ``1e3`` a string and lets the
second of two equal keys win silently. Here a plain scalar is an int, a float, ``true``, ``false``, ``null``
or text, a repeated key is an error, and so are anchors, aliases and tags (an alias can expand without end).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from roofline import cache
from roofline.errors import SpecError
from roofline.files import read_text

_INT = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?")
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
"""What YAML resolves plain text to by itself; every other tag was written on purpose."""
_MAX_DEPTH = 30


def load_file(path: Path) -> Any:
    """Return the content of a YAML file as dicts, lists and scalars.

    Raises:
        SpecError: it cannot be read, is no YAML, repeats a key, or uses anchors, aliases or tags.
    """
    where = str(path)
    text = read_text(path, expected="a small YAML file", error=SpecError)
    key = cache.key_of(text.encode())
    parsed = cache.load(key)
    if parsed is None:
        parsed = loads(text, where)
        cache.store(key, parsed)
    return parsed


def dumps(data: Any) -> str:
    """Return plain data as YAML, keys in their order."""
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=116)
    return text


def loads(text: str, where: str) -> Any:
    """Return the content of YAML `text`; `where` names it in errors."""
    return _value(compose(text, where), where, set(), 0)


def compose(text: str, where: str) -> Any:
    """Return YAML `text` as PyYAML's nodes, which know their places in it; `where` names it in errors."""
    import yaml  # late: a parsed file comes from the cache, and this import is most of the cost

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_depth(yaml.parse(text, Loader=loader), yaml, where)
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise SpecError(f"not valid YAML: {problem}", where=place) from None
    except RecursionError:
        raise SpecError("nested too deeply", where=where) from None
    if root is None:
        raise SpecError("the file is empty", where=where)
    return root


def _refuse_depth(events: Iterable[Any], yaml: Any, where: str) -> None:
    """Raise for text nested too deeply before it is composed: libyaml composes by recursion, on the machine's stack."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise SpecError("nested too deeply", where=f"{where}:{event.start_mark.line + 1}")


def _value(node: Any, where: str, seen: set[int], depth: int) -> Any:
    place = f"{where}:{node.start_mark.line + 1}"
    if id(node) in seen:
        raise SpecError("anchors and aliases are not allowed", where=place, hint="write the value out")
    if depth > _MAX_DEPTH:
        raise SpecError("nested too deeply", where=place)
    seen.add(id(node))
    if node.tag not in _TAGS:
        raise SpecError(f"the tag {node.tag} is not allowed", where=place)
    if node.id == "scalar":
        return node.value if node.style else _scalar(node.value)
    if node.id == "sequence":
        return [_value(item, where, seen, depth + 1) for item in node.value]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if key_node.id == "scalar" else None
        line = f"{where}:{key_node.start_mark.line + 1}"
        if key is None:
            raise SpecError("a key must be plain text", where=line)
        if key in result:
            raise SpecError(f"the key {key!r} is there twice", where=line, hint="keep one of them")
        result[key] = _value(value_node, where, seen, depth + 1)
    return result


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
