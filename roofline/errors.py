"""Every error the library raises on purpose.

Each error says where it happened, what is wrong, what was expected and what to do, in one line.
All derive from `RooflineError` and from a builtin, so ordinary ``except ValueError`` works, and all
survive pickling (worker processes hand them back whole).
"""

from __future__ import annotations

from typing import Any


def one_line(text: str) -> str:
    """Return `text` with every control character shown as an escape, so that it stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_LONGEST = 1000


def _shortened(text: str) -> str:
    """Return text that is quoted from a file, its middle left out where it goes on and on."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 100]} ... {text[-80:]}"


class RooflineError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: what is wrong.
        where: file, node, key or option it concerns.
        expected: what would have been right.
        hint: what the user can do about it.
    """

    exit_code = 1
    """Exit status of the command line when this error ends it."""

    def __init__(self, what: str, *, where: str = "", expected: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        parts = [_shortened(self.what)]
        if self.expected:
            parts.append(f"expected {_shortened(self.expected)}")
        if self.hint:
            parts.append(self.hint)
        text = "; ".join(parts)
        return one_line(f"{self.where}: {text}" if self.where else text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(cls: type[RooflineError], fields: dict[str, Any]) -> RooflineError:
    error = cls.__new__(cls)
    Exception.__init__(error, fields["what"])
    error.__dict__.update(fields)
    return error


class UsageError(RooflineError, ValueError):
    """An option or argument that cannot be understood, or options that contradict each other."""

    exit_code = 2


class BindingError(RooflineError, ValueError):
    """A free dimension of the model has no value, or a binding names none of its dimensions."""

    exit_code = 2

    def __init__(self, what: str, *, names: tuple[str, ...] = (), **parts: str) -> None:
        super().__init__(what, **parts)
        self.names = names
        """The dimensions that need a value."""


class ModelFileError(RooflineError, ValueError):
    """The model cannot be read: no such file, not ONNX, truncated, too new."""


class ShapeError(RooflineError, ValueError):
    """The graph contradicts itself: shapes that do not fit, a cycle, a missing producer."""


class SpecError(RooflineError, ValueError):
    """A device file is wrong; `where` holds the file and the path inside it."""


class SpecVersionError(SpecError):
    """A device file is of a format version this tool does not know."""


class DeviceError(RooflineError, LookupError):
    """No such device, power mode, processor or clock."""


class UnitError(RooflineError, ValueError):
    """A quantity without a unit, or with a unit of another dimension."""


class MeasurementError(RooflineError, ValueError):
    """A run cannot be measured here, or the record of one is wrong; `where` holds the file, and the row if any."""


class GateError(RooflineError, ValueError):
    """A check that the user asked for is not met (`--strict`, a budget, no feasible mode)."""

    exit_code = 3
