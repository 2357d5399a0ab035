"""One file, several variants of a device: another clock table, the modes of another software release.

A variant is a JSON merge patch (RFC 7396) on the rest of the file: mappings are merged key by key, lists and plain
values replaced, and a key given as null is removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.errors import DeviceError, SpecError


def choose_variant(data: Any, where: str, wanted: str) -> tuple[Any, str, tuple[str, ...]]:
    """Return the content of a device file for one variant, that variant's name, and the names of all.

    Args:
        data: the file's content; ``variant`` names what stands in it, ``variants`` maps names to patches.
        wanted: a variant's name; empty for the default one.

    Raises:
        DeviceError: there is no such variant.
        SpecError: ``variants`` without ``variant``, or not a mapping of mappings.
    """
    patches = data.get("variants", {}) if isinstance(data, Mapping) else {}
    if not isinstance(patches, Mapping) or not all(isinstance(patch, Mapping) for patch in patches.values()):
        raise SpecError("expected a mapping of mappings", where=f"{where}: variants")
    default = data.get("variant", "") if isinstance(data, Mapping) else ""
    if patches and not default:
        raise SpecError("the file has variants, but does not name its own", where=f"{where}: variant")
    if default in patches:
        raise SpecError(f"{default!r} is the name of the file's own variant too", where=f"{where}: variants")
    names = (str(default), *patches) if default else ()
    if wanted and wanted not in names:
        raise DeviceError(
            f"no variant {wanted!r}",
            where=where,
            expected=", ".join(names) or "none: the file has none",
        )
    if not names:
        return data, "", ()
    rest = {key: value for key, value in data.items() if key != "variants"}
    if wanted in ("", default):
        return rest, str(default), names
    return _merge(rest, patches[wanted]), wanted, names


def _merge(base: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    result = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result
