"""Change parts of a device file as text, so that its comments and layout stay.

Places come from YAML's own parser; every edit replaces whole lines, and the result is read again by the caller.
"""

from __future__ import annotations

import json
import re
from typing import Any

from roofline.errors import SpecError, one_line
from roofline.strict_yaml import compose

_PLAIN = re.compile(r"[A-Z][A-Z0-9_]*|\d+W[A-Z0-9_]*", re.ASCII)


def scalar(text: str) -> str:
    """Return `text` as a YAML scalar that is read back as the same text."""
    return text if _PLAIN.fullmatch(text) else json.dumps(one_line(text), ensure_ascii=False)


class YamlText:
    """The text of a YAML file whose top level is a mapping in block style."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self.lines = text.splitlines(keepends=True)
        if self.lines and not self.lines[-1].endswith("\n"):
            self.lines[-1] += "\n"

    def _node(self) -> Any:
        root = compose("".join(self.lines), self.where)
        if root.id != "mapping" or root.flow_style:
            raise SpecError("cannot be edited as text", where=self.where, expected="one key per line at the top level")
        return root

    def _span(self, parent: Any, key: str) -> tuple[Any, int, int] | None:
        """Return (value, first line, line after the last) of a key of a block mapping, without trailing comments."""
        for index, (key_node, value) in enumerate(parent.value):
            if key_node.value == key:
                first = key_node.start_mark.line
                after = [k.start_mark.line for k, _ in parent.value[index + 1 : index + 2]]
                last = after[0] if after else self._end(value)
                return value, first, self._without_trailing(first, last)
        return None

    def _end(self, node: Any) -> int:
        """Return the line after a node that nothing of its own parent follows."""
        mark = node.end_mark
        return min(len(self.lines), int(mark.line) + (1 if mark.column else 0))

    def _without_trailing(self, first: int, last: int) -> int:
        """Return `last` moved up over blank lines and comments, which belong to what follows."""
        while last > first + 1 and not self.lines[last - 1].partition("#")[0].strip():
            last -= 1
        return last

    def replace(self, key: str, text: str) -> None:
        """Replace a top-level key and its value by `text`; with empty text the key goes. No such key: no change."""
        span = self._span(self._node(), key)
        if span is not None:
            self.lines[span[1] : span[2]] = text.splitlines(keepends=True)

    def drop_rows(self, path: tuple[str, str], rows: list[int]) -> None:
        """Remove rows of the list at ``path[0].path[1]``; a list without rows is written ``[]``."""
        outer = self._span(self._node(), path[0])
        if not rows or outer is None:
            return
        if outer[0].flow_style:
            raise SpecError(f"{path[0]!r} cannot be edited as text", where=self.where, expected="one key per line")
        found = self._span(outer[0], path[1])
        if found is None:
            return
        value, first, last = found
        if len(rows) == len(value.value):
            indent = " " * value_column(outer[0])
            self.lines[first:last] = [f"{indent}{path[1]}: []\n"]
            return
        if value.flow_style:
            raise SpecError(f"{'.'.join(path)} cannot be edited as text", where=self.where, expected="one row per line")
        starts = [item.start_mark.line for item in value.value] + [last]
        for row in sorted(rows, reverse=True):
            del self.lines[starts[row] : self._without_trailing(starts[row], starts[row + 1])]

    def sources(self, drop: list[str], key: str, text: str) -> None:
        """Remove entries of the top-level ``sources`` and add one."""
        span = self._span(self._node(), "sources")
        if span is None or span[0].id != "mapping" or span[0].flow_style:
            raise SpecError("'sources' cannot be edited as text", where=self.where, expected="one source per line")
        value, _, last = span
        new = f"{' ' * value_column(value)}{key}: {scalar(text)}\n"
        starts = [k.start_mark.line for k, _ in value.value] + [last]
        self.lines[last:last] = [new]
        for index in reversed(range(len(value.value))):
            if value.value[index][0].value in drop:
                del self.lines[starts[index] : self._without_trailing(starts[index], starts[index + 1])]

    def __str__(self) -> str:
        return "".join(self.lines)


def value_column(mapping: Any) -> int:
    """Return the column in which the keys of a block mapping start."""
    column: int = mapping.value[0][0].start_mark.column
    return column
