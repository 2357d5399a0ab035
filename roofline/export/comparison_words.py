"""A comparison in words: what the sides are, and its first line."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from roofline.units import significant, text

_SAME = 0.005
"""Ratios closer to one than this are called the same."""
_ALWAYS = frozenset({"precision", "batch", "sizes"})
"""What is said even where both sides have it in common."""
LIMITS = ("memory", "compute", "overhead")


def comparison_verdict(data: dict[str, Any]) -> str:
    """Return one sentence about a comparison in its dict form."""
    a, b = data["a"], data["b"]
    lost = [f"{side['nodes_unsupported']} of {side['nodes']} nodes of {name}"
            for name, side in (("A", a), ("B", b)) if side["nodes_unsupported"]]  # fmt: skip
    incomplete = f" INCOMPLETE: {' and '.join(lost)} are not counted." if lost else ""
    parts = [subject(a, b) + ":"]
    if data["totals"]["time_s"]["a"] and data["totals"]["time_s"]["b"]:
        parts = [f"{parts[0]} {_speed(data)}{_energy(data)}; {_layers(data)}."]
        if data["basis"] != "prediction":
            parts.insert(0, "ROOFLINE ONLY, not calibrated.")
    else:
        parts.append(_counts(data["totals"]) + ".")
    return " ".join(parts) + incomplete


def subject(a: dict[str, Any], b: dict[str, Any]) -> str:
    """Return what is compared: what both have in common once, what differs as ``a -> b``."""
    of_a, of_b = aspects(a, b), aspects(b, a)

    def both(key: str) -> str:
        return of_a[key] if of_a[key] == of_b[key] else f"{of_a[key] or 'none'} -> {of_b[key] or 'none'}"

    place = f" on {both('device')}" if a["device"] or b["device"] else ""
    mode = f" in {both('mode')}" if a["mode"] or b["mode"] else ""
    rest = [key for key in of_a if key not in ("name", "device", "mode")]
    shown = [both(key) for key in rest if of_a[key] != of_b[key] or (key in _ALWAYS and of_a[key])]
    if "phase" not in [key for key in rest if of_a[key] != of_b[key]] and a["phase"] == "training":
        shown.append("training")
    return f"{both('name')}{place}{mode} ({', '.join(shown)})"


def aspects(side: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    """Return what describes a side, in words: aspect -> text, empty where there is nothing to say."""
    name = PurePath(side["model"]).stem
    if side["model"] != other["model"] and name == PurePath(other["model"]).stem:
        name = side["model"]
    sizes = ", ".join(f"{n}={size}" for n, size in side["bindings"].items() if not _is_batch(n))
    return {
        "name": name,
        "device": side["device_name"] or "",
        "mode": (side["mode"] or "") + (", over the module's power limit" if side["power_limited"] else ""),
        "precision": side["precision"],
        "batch": "batch unknown" if side["batch"] is None else f"batch {side['batch']}",
        "sizes": sizes,
        "phase": side["phase"],
        "optimizer": (side["optimizer"] or "") if other["optimizer"] else "",
        "traffic": side["traffic"],
        "runtime": side["runtime"] or "any runtime",
        "processor": side["processor"] or "",
        "clocks": f"{side['clocks']} clocks" if side["clocks"] else "",
        "levels": "two memory levels" if side["levels"] else "one memory level",
    }


def _is_batch(name: str) -> bool:
    return "batch" in name.lower() or name.lower() in ("n", "b", "bs")


def label(side: dict[str, Any], other: dict[str, Any]) -> str:
    """Return what tells a side from the other, shortly; the model's name where nothing does."""
    mine, theirs = aspects(side, other), aspects(other, side)
    mine["mode"], theirs["mode"] = side["mode"] or "", other["mode"] or ""
    mine["device"], theirs["device"] = side["device"] or "no device", other["device"] or "no device"
    return ", ".join(text for key, text in mine.items() if text and text != theirs[key]) or mine["name"]


def pair(a: float | None, b: float | None, unit: str) -> str:
    """Return ``5.2 -> 2.5 ms``: the unit once where both have the same."""
    first, second = text(a, unit), text(b, unit)
    if first == second:
        return first
    number, _, own = first.partition(" ")
    return f"{number} -> {second}" if own == second.partition(" ")[2] else f"{first} -> {second}"


def _speed(data: dict[str, Any]) -> str:
    per_sample = data["a"]["batch"] != data["b"]["batch"] and None not in (data["a"]["batch"], data["b"]["batch"])
    key = "time_per_sample_s" if per_sample else "time_s" if data["basis"] != "mixed" else "roofline_time_s"
    row = data["totals"][key]
    shown = pair(row["a"], row["b"], "s")
    unit = " per sample" if per_sample else ""
    if abs(row["ratio"] - 1) < _SAME:
        return f"equally fast{unit} ({shown})"
    word, factor = ("faster", 1 / row["ratio"]) if row["ratio"] < 1 else ("slower", row["ratio"])
    return f"{significant(factor)}x {word}{unit} ({shown})"


def _energy(data: dict[str, Any]) -> str:
    per_sample = data["totals"]["energy_per_sample_j"]
    differs = data["a"]["batch"] != data["b"]["batch"]
    row = per_sample if differs and per_sample["ratio"] else data["totals"]["energy_j"]
    ratio = row["ratio"]
    if ratio is None:
        unknown = [name for name, value in (("A", row["a"]), ("B", row["b"])) if value is None]
        return f", energy of {' and '.join(unknown)} unknown" if unknown else ", energies not comparable"
    shown = pair(row["a"], row["b"], "J")
    if abs(ratio - 1) < _SAME:
        return f", the same energy ({shown})"
    if ratio < 1:
        return f", {100 * (1 - ratio):.0f} % less energy ({shown})"
    more = f"{significant(ratio)}x the energy" if ratio >= 2 else f"{100 * (ratio - 1):.0f} % more energy"
    return f", {more} ({shown})"


def _layers(data: dict[str, Any]) -> str:
    joined, changed = len(data["layers"]), data["changed_bounds"]
    alone = len(data["only_in_a"]), len(data["only_in_b"])
    turned = {limit: sum(row["limited_by_b"] == limit for row in changed) for limit in LIMITS}
    limits = [(number, limit) for limit, number in turned.items() if number]
    kind = "joined layer" if any(alone) else "layer"
    if limits:
        words = [f"{number} {limit}-bound" for number, limit in limits[1:]]
        number, limit = limits[0]
        first = f"{number} of {joined} {kind}s {'turns' if number == 1 else 'turn'} {limit}-bound"
        found = " and ".join([first, *words])
    else:
        found = f"no {kind} changes its bound"
    rest = f"{alone[0]} only in A, {alone[1]} only in B"
    return f"{found} ({rest if limits else f'{joined} joined, {rest}'})" if any(alone) else found


def _counts(totals: dict[str, Any]) -> str:
    found = []
    for key, unit, name in (("macs", "MAC", ""), ("flops", "FLOP", ""), ("bytes", "B", " moved"),
                            ("peak_memory_bytes", "B", " at once")):  # fmt: skip
        row = totals[key]
        ratio = "" if row["ratio"] is None or abs(row["ratio"] - 1) < _SAME else f" ({significant(row['ratio'])}x)"
        found.append(f"{pair(row['a'], row['b'], unit)}{name}{ratio}")
    return ", ".join(found)
