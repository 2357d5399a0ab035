"""Damage to bytes, to lines of text, and to what YAML and JSON hold."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml

NUMBERS = [
    "0", "-1", "-0.0", "1e308", "1e309", "-1e309", "nan", "NaN", "inf", "-inf", ".nan", ".inf", "Infinity", "1e-320",
    "18446744073709551616", "9" * 40, "9" * 5000, "0x10", "0b1", "1_000", "1,000", "12:30", "1e3", "+5", "5 %", "٣",
]  # fmt: skip
TEXTS = [
    "", " ", "=1+1", "@SUM(A1)", "-", "<script>alert(1)</script>", "</script><!--", "\x1b[31mred\x1b[0m",
    "\x1b]0;t\x07",
    "two\nlines", "cr\rlf", "tab\there", "\x00", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "ünï", "\ud800",
    "a" * 3000,
    "../../etc/passwd", "/dev/zero", "~/.ssh/id", "file:///etc/passwd", "${HOME}", "$(touch pwned)", "`touch pwned`",
    "; touch pwned", "%s%n", "{0.__class__}", "__import__('os')", "9**9**9**9", "(" * 60, "null", "true", "no",
    "!!python/object/apply:os.system [touch pwned]", "&a [*a]", "30W", "5 GB/s", "1 furlong", "10 ms", "MAXN", "fp16",
]  # fmt: skip


def bytes_of(data: bytes, rng: random.Random) -> bytes:
    """Return `data` damaged in one to twenty places."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(8)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 2:
            del out[at : at + rng.choice([1, 3, 50, 1000])]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 12))
        elif kind == 4:
            out[at:at] = rng.choice([b"\xff" * 9 + b"\x01", b"\xff" * 11, b"\x80" * 30, b"\xff\xff\xff\xff\x07"])
        elif kind == 5:
            piece = out[at : at + rng.choice([2, 20, 400])]
            out[at:at] = piece * rng.choice([1, 2, 30])
        elif kind == 6:
            start = rng.randrange(len(out) + 1)
            out[at:at] = out[start : start + rng.randrange(1, 200)]
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out[:200_000])


def text_of(text: str, rng: random.Random) -> str:
    """Return text damaged line by line and word by word."""
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(lines))
        kind = rng.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines[at:at] = [lines[at]] * rng.choice([1, 2, 200])
        elif kind == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines[at] = rng.choice(TEXTS)
        elif kind == 4:
            lines[at] += rng.choice([",", '"', ":", " &a", " *a", "{", "]", "\\", "\r", "\x00", " #", ",,,,", " !!set"])
        elif kind == 5:
            lines = lines[: at + 1]
        else:
            lines[at] = _word(lines[at], rng)
        lines = lines or [""]
    return "\n".join(lines)


def _word(line: str, rng: random.Random) -> str:
    """Return a line with one of its cells or words exchanged."""
    separator = next((s for s in (",", "\t", " ", ":", "=") if s in line and rng.random() < 0.7), " ")
    words = line.split(separator)
    words[rng.randrange(len(words))] = rng.choice(rng.choice([NUMBERS, TEXTS]))
    return separator.join(words)


def tree_of(data: Any, rng: random.Random) -> Any:
    """Return nested data with one to three of its values, keys or branches exchanged."""
    out = copy.deepcopy(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        holders = [out] if isinstance(out, (dict, list)) and out else []
        for holder in holders:
            inside = holder.values() if isinstance(holder, dict) else holder
            holders.extend(value for value in inside if isinstance(value, (dict, list)) and value)
        if not holders:
            return _odd(rng)
        leaves = [(h, key) for h in holders for key, value in _items(h) if isinstance(value, (str, int, float))]
        if leaves and rng.random() < 0.6:
            holder, key = rng.choice(leaves)
            holder[key] = _near(holder[key], rng)
            continue
        holder = rng.choice(holders)
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        kind = rng.randrange(7)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice([*TEXTS, f"{key}x", str(key).upper()])] = holder.pop(key)
        elif kind == 2:
            other = rng.choice(holders)
            holder[key] = copy.deepcopy(other)
        elif kind == 3 and isinstance(holder, list):
            holder *= rng.choice([2, 100])
        elif kind == 4:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {str(key): holder[key]}
        else:
            holder[key] = _odd(rng)
    return out


def _items(holder: Any) -> list[tuple[Any, Any]]:
    return list(holder.items() if isinstance(holder, dict) else enumerate(holder))


def _near(value: Any, rng: random.Random) -> Any:
    """Return a value of the same kind: a number with another size, text with another number in it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return rng.choice([0, 1, -value, value * 1000, value / 1000, value + 1, 1e300, 1e-300, 10**18, int(value)])
    number = rng.choice(["0", "1", "3", "1e9", "1e-9", "1e300", "1e-300", "999999999999999999", "-1", "0.5"])
    return re.sub(r"\d+(\.\d+)?", number, value, count=1) if re.search(r"\d", value) else rng.choice(TEXTS)


def _odd(rng: random.Random) -> Any:
    nested: Any = 1
    for _ in range(rng.choice([1, 5, 200])):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    number = rng.choice([0, -1, 2**63, -(2**64), 10**40, 0.0, -0.5, 1e308, 1e-320, float("nan"), float("inf")])
    return rng.choice([None, True, False, number, number, [], {}, nested, rng.choice(TEXTS), rng.choice(NUMBERS)])


def yaml_file(seed: bytes, rng: random.Random) -> bytes:
    """Return a YAML file damaged as bytes, as text, or as data."""
    return _file(
        seed, rng, lambda text: yaml.safe_dump(tree_of(yaml.load(text, yaml.CSafeLoader), rng), sort_keys=False)
    )


def json_file(seed: bytes, rng: random.Random) -> bytes:
    """Return a JSON file damaged as bytes, as text, or as data."""
    return _file(seed, rng, lambda text: json.dumps(tree_of(json.loads(text), rng)))


def text_file(seed: bytes, rng: random.Random) -> bytes:
    """Return a text file damaged as bytes or as text."""
    return _file(seed, rng, lambda text: text_of(text, rng))


def _file(seed: bytes, rng: random.Random, as_data: Callable[[str], str]) -> bytes:
    kind = rng.choice(["bytes", "text", "data", "data", "data"])
    if kind == "bytes":
        return bytes_of(seed, rng)
    text = seed.decode()
    try:
        changed = text_of(text, rng) if kind == "text" else as_data(text)
    except (ValueError, RecursionError, yaml.YAMLError):  # what was made cannot be written down
        changed = text_of(text, rng)
    return changed.encode("utf-8", "surrogatepass")
