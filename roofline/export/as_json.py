"""Plain data as JSON text: one line per key, and per row of a list of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_text(data: Mapping[str, Any]) -> str:
    """Return JSON. Rows go on one line each: easier to read, to ``grep`` and to compare, and quicker to write."""
    parts = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n    ".join(_compact(row) for row in value)
            parts.append(f"{_compact(key)}: [\n    {rows}\n  ]")
        elif isinstance(value, dict) and len(value) > 1:
            rows = ",\n    ".join(f"{_compact(str(name))}: {_compact(inner)}" for name, inner in value.items())
            parts.append(f"{_compact(key)}: {{\n    {rows}\n  }}")
        else:
            parts.append(f"{_compact(key)}: {_compact(value)}")
    return "{\n  " + ",\n  ".join(parts) + "\n}"


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
