"""Values of small tensors that are known before the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INT64 = 7
_EXTERNAL = 1
"""``TensorProto.EXTERNAL``."""


class Values:
    """Values of small tensors that are known before the run; decoded when first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def only(self, names: Iterable[str]) -> Values:
        """Return the values of `names`, to which others can be added apart."""
        other = Values()
        other._known = {name: self._known[name] for name in names if name in self._known}
        return other

    def add(self, name: str, value: Any) -> None:
        """Remember an array, or a ``TensorProto`` to decode later; one whose data is in another file stays unknown."""
        if isinstance(value, np.ndarray) or value.data_location != _EXTERNAL:
            self._known[name] = value

    def array(self, name: str) -> NDArray[Any] | None:
        """Return the value, or None where it is unknown."""
        value = self._known.get(name)
        if value is not None and not isinstance(value, np.ndarray):
            from onnx.numpy_helper import to_array

            try:
                if value.data_type == _INT64 and value.raw_data:  # nearly all of them; four times as fast
                    value = np.frombuffer(value.raw_data, dtype="<i8").reshape(tuple(value.dims))
                else:
                    value = to_array(value)
            except (ValueError, TypeError, KeyError):  # the data does not fit its dimensions
                value = None
            self._known[name] = value
        return value
