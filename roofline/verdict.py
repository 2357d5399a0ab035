"""The first line of every answer: what came out, in words."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from roofline.units import text


def verdict(data: dict[str, Any], device_name: str | None, modes: list[dict[str, Any]]) -> str:
    """Return one sentence or two about an analysis in its dict form.

    Args:
        data: the analysis without its verdict.
        device_name: the device in words, or None.
        modes: every named mode with time and energy.
    """
    totals, model = data["totals"], data["model"]
    name = PurePath(model["path"]).stem
    lost = data["coverage"]["nodes_unsupported"]
    incomplete = f" INCOMPLETE: {lost} of {model['nodes']} nodes are not counted, totals are too low." if lost else ""
    batch = f", batch {data['batch']}" if data["batch"] is not None else ""
    if device_name is None:
        return (
            f"{name}{batch}: {text(totals['macs'], 'MAC')} = {text(totals['flops'], 'FLOP')}, "
            f"{text(totals['bytes'], 'B')} moved ({data['traffic']}), {text(model['parameters'], '')} parameters."
            f"{incomplete}"
        )
    if not totals["time_s"]:
        return f"{name} on {device_name}: nothing that takes time is counted.{incomplete}"
    energy = f", {text(totals['energy_j'], 'J')}" if totals["energy_j"] is not None else ", energy unknown"
    line = (
        f"{name} on {device_name} in {data['mode']} ({data['precision']}{batch}): "
        f"{text(totals['time_s'], 's')}{energy} per run, {totals['limited_by']}-bound."
    )
    if data["basis"] == "roofline":
        line = f"ROOFLINE ONLY, not calibrated. {line}"
    else:
        low, high = totals["predicted_low_s"], totals["predicted_high_s"]
        line = f"PREDICTED ({text(low, 's')} to {text(high, 's')} in 8 of 10 cases). {line}"
    return line + _best_modes(modes) + incomplete


def _best_modes(modes: list[dict[str, Any]]) -> str:
    if len(modes) < 2:
        return ""
    fastest = min(modes, key=lambda mode: mode["time_s"])
    limited = " (over the module's power limit)" if fastest["power_limited"] else ""
    priced = [mode for mode in modes if mode["energy_j"] is not None]
    if not priced:
        return f" Fastest mode: {fastest['mode']}."
    cheapest = min(priced, key=lambda mode: mode["energy_j"])
    if cheapest["mode"] == fastest["mode"]:
        return f" {fastest['mode']}{limited} is the fastest mode and takes least energy."
    return f" Fastest mode: {fastest['mode']}{limited}; least energy: {cheapest['mode']}."
