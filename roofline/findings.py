"""What the tool noticed and the user should know, as data."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One observation. Codes are stable and appear in every output format."""

    code: str
    """Short stable name, such as ``batch-assumed``."""
    where: str
    """The node, tensor, dimension or device entry it concerns."""
    message: str
    """What was noticed, in one sentence."""
    hint: str = ""
    """What the user can do about it."""
    strict: bool = False
    """Whether ``--strict`` refuses a result that carries this finding."""

    def to_dict(self) -> dict[str, str]:
        """Return the four public fields."""
        fields = self._asdict()
        del fields["strict"]
        return fields
