"""Find a power mode by what people type: a name in any usual spelling, with knobs on top."""

from __future__ import annotations

import re
from bisect import bisect_left
from types import MappingProxyType

from roofline import units
from roofline.devices.spec import DeviceSpec, Knob, PowerMode
from roofline.errors import DeviceError


def find_mode(device: DeviceSpec, text: str | None, clocks: str = "locked", where: str = "--mode") -> PowerMode:
    """Return a mode such as ``30W``, ``MODE_30W``, ``2`` or ``30W,gpu_freq=816MHz,cpu_cores=8``.

    Knobs without a mode start from the default mode; None is the default mode itself. With ``stock`` clocks a named
    mode has the clocks that the governor reaches, where those are known to differ from the caps.

    Raises:
        DeviceError: no such mode or knob, an ambiguous short form, or a value that cannot be set.
    """
    parts = [part.strip() for part in (text or device.default_mode).split(",") if part.strip()]
    named = [part for part in parts if "=" not in part]
    if len(named) > 1:
        raise DeviceError(f"two modes in one: {' and '.join(named)}", where=where, expected="one mode")
    mode = _named(device, named[0] if named else device.default_mode, where).under(clocks)
    settings = [part for part in parts if "=" in part]
    if not settings:
        return mode
    knobs, given = dict(mode.knobs), set()
    for setting in settings:
        name, _, value = (s.strip() for s in setting.partition("="))
        knob = device.knobs.get(name)
        if knob is None:
            raise DeviceError(f"no knob {name!r}", where=f"{where} {text}", expected=", ".join(device.knobs))
        if name in given:
            raise DeviceError(f"{name} is set twice", where=f"{where} {text}", expected="one value for it")
        given.add(name)
        knobs[name] = _settable(knob, value, f"{where} {text}")
    name = ",".join([mode.name, *(f"{k}={show_knob(k, v)}" for k, v in knobs.items() if v != mode.knobs[k])])
    if knobs == dict(mode.knobs):
        return mode
    return PowerMode(name=name, id=None, knobs=MappingProxyType(knobs), base=mode.name)


def show_knob(name: str, value: float) -> str:
    """Return a knob's value as it is typed: ``816MHz``, ``8``."""
    return f"{value / 1e6:g}MHz" if name.endswith("_freq") else f"{value:g}"


def _named(device: DeviceSpec, text: str, where: str) -> PowerMode:
    wanted = _plain(text)
    for mode in device.modes:
        if wanted == _plain(mode.name) or (mode.id is not None and text == str(mode.id)):
            return mode
    close = [m for m in device.modes if wanted in _parts(m.name)]
    if len(close) == 1:
        return close[0]
    names = ", ".join(mode.name for mode in device.modes)
    if close:
        raise DeviceError(
            f"{text!r} fits {', '.join(m.name for m in close)}", where=where, expected="one of them in full"
        )
    raise DeviceError(f"{device.id} has no mode {text!r}", where=where, expected=f"one of {names}")


def _parts(name: str) -> set[str]:
    """Return the words of a mode's name, and numbers of watts without their W: 30w, 30."""
    words = set(re.split(r"[_\s-]", name.lower()))
    return words | {word[:-1] for word in words if re.fullmatch(r"\d+w", word)}


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).lower()


def _settable(knob: Knob, text: str, where: str) -> float:
    if knob.is_clock:
        value = units.parse(text, "frequency", where=f"{where}: {knob.name}")
    elif text.isdigit():
        value = float(text)
    else:
        raise DeviceError(f"{text!r} is no count", where=f"{where}: {knob.name}")
    return settable(knob, value, where, text)


def settable(knob: Knob, value: float, where: str = "", shown: str = "") -> float:
    """Return the value of the knob that equals `value` but for rounding.

    Raises:
        DeviceError: there is none; the message names both neighbours.
    """
    place = bisect_left(knob.values, value)
    neighbours = knob.values[max(0, place - 1) : place + 1]
    for near in neighbours:
        if abs(near - value) <= 1e-6 * near:
            return near
    raise DeviceError(
        f"{knob.name} cannot be set to {shown or show_knob(knob.name, value)}",
        where=where,
        expected=" or ".join(show_knob(knob.name, near) for near in neighbours),
    )
