"""Take a nested dict apart with errors that name the path inside the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from roofline import units
from roofline.errors import SpecError, UnitError

T = TypeVar("T")
_MISSING = object()
_SMALLEST, _LARGEST = 1e-30, 1e30
"""Between these lie all numbers of a file, in SI units."""


class Section:
    """One mapping of a file. Every key must be asked for: `close` refuses what nobody asked for."""

    def __init__(self, data: Any, where: str, path: str = "") -> None:
        self._where, self.path = where, path
        if not isinstance(data, Mapping):
            raise self.error(f"expected a mapping, found {_kind(data)}")
        self._data = dict(data)
        self._asked: set[str] = set()

    def error(self, what: str, key: str = "", hint: str = "") -> SpecError:
        """Return an error that names the file and the path of `key`."""
        path = ".".join(filter(None, (self.path, key)))
        return SpecError(what, where=f"{self._where}: {path}" if path else self._where, hint=hint)

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def has(self, key: str) -> bool:
        """Whether an optional key is there; it counts as asked for."""
        self._asked.add(key)
        return key in self._data

    def close(self) -> None:
        """Raise if a key was never asked for; a near miss is suggested."""
        for key in self._data:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, 1)
                known = ", ".join(sorted(self._asked))
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {known}"
                raise self.error(f"unknown key {key!r}", hint=hint)

    def _get(self, key: str, kind: type[T] | tuple[type, ...], default: Any) -> Any:
        self._asked.add(key)
        value = self._data.get(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                near = difflib.get_close_matches(key, set(self._data) - self._asked, 1)
                if near:
                    raise self.error(f"unknown key {near[0]!r}", hint=f"did you mean {key!r}?")
                raise self.error(f"{key!r} is missing", hint="add it; every key of the format is in CONTRIBUTING.md")
            return default
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_NAMES.get(k, k.__name__) for k in kinds)
            raise self.error(f"expected {wanted}, found {_kind(value)}", key)
        return value

    def text(self, key: str, default: Any = _MISSING) -> str:
        """Return a text value."""
        value: str = self._get(key, str, default)
        return value

    def integer(self, key: str, default: Any = _MISSING) -> int:
        """Return a whole number."""
        value: int = self._get(key, int, default)
        return value

    def number(self, key: str, default: Any = _MISSING) -> float:
        """Return a plain number (a ratio or a count, never a quantity)."""
        return self._sane(float(self._get(key, (int, float), default)), key)

    def _sane(self, value: float, key: str) -> float:
        """Refuse what overflows when it is multiplied: no machine has such figures."""
        if value != 0 and not _SMALLEST < abs(value) < _LARGEST:
            raise self.error(f"{value:g} is beyond anything that is built", key)
        return value

    def formula(self, key: str) -> str:
        """Return text or a whole number, as text; empty when absent."""
        return str(self._get(key, (str, int), ""))

    def flag(self, key: str) -> bool:
        """Return true or false; false when absent."""
        value: bool = self._get(key, bool, False)
        return value

    def texts(self, key: str, default: Any = _MISSING) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self._get(key, list, default)
        for value in values:
            if not isinstance(value, str):
                raise self.error(f"expected a list of text, found {_kind(value)} in it", key)
        return tuple(values)

    def items(self, key: str) -> list[Any]:
        """Return a list as it is; empty when absent."""
        value: list[Any] = self._get(key, list, [])
        return value

    def quantity(self, key: str, dimension: str) -> float:
        """Return the SI value of a quantity with a unit."""
        return self.parse(self._get(key, (str, int, float), _MISSING), dimension, key)

    def parse(self, value: Any, dimension: str, key: str) -> float:
        """Return the SI value of `value`, found under `key`."""
        path = ".".join(filter(None, (self.path, key)))
        try:
            found = units.parse(value, dimension, where=f"{self._where}: {path}")
        except UnitError as error:
            raise SpecError(error.what, where=error.where, expected=error.expected) from None
        if found < 0:
            raise self.error(f"{value!r} is negative", key)
        return self._sane(found, key)

    def section(self, key: str) -> Section:
        """Return a mapping below this one."""
        return Section(self._get(key, dict, _MISSING), self._where, ".".join(filter(None, (self.path, key))))

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        """Yield (name, mapping) for each entry of a mapping of mappings."""
        parent = self.section(key)
        for name in parent._data:
            yield name, parent.section(name)

    def rows(self, key: str) -> Iterator[Section]:
        """Yield each mapping of a list of mappings; nothing when absent."""
        for index, item in enumerate(self.items(key)):
            path = ".".join(filter(None, (self.path, f"{key}[{index}]")))
            yield Section(item, self._where, path)

    def names(self) -> tuple[str, ...]:
        """Return the keys, in the file's order, and count them as asked for."""
        self._asked.update(self._data)
        return tuple(self._data)


_NAMES: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
                          list: "a list", dict: "a mapping"}  # fmt: skip


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{_NAMES.get(type(value), type(value).__name__)} ({value!r})"[:80]
