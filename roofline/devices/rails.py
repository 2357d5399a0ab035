"""Which measured supply rails of a board add up to its module."""

from __future__ import annotations

from pathlib import Path

from roofline.devices.spec import DeviceSpec
from roofline.strict_yaml import load_file


def total_rails(spec: DeviceSpec) -> tuple[str, ...]:
    """Return ``power.rails.total`` of a device's file, which was checked when the device was read; () without."""
    power = load_file(Path(spec.path)).get("power", {})
    return tuple(power.get("rails", {}).get("total", ()))
