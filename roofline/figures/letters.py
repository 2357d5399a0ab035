"""How much room text takes, without asking a renderer, and text broken into lines.

Advance widths of DejaVu Sans (the font that Matplotlib ships) in em, rounded up to 0.02.
"""

from __future__ import annotations

MM_PER_PT = 25.4 / 72
_BY_WIDTH = {
    0.28: "'ijl", 0.30: "IJ", 0.32: " ,.·", 0.34: "/:;\\|", 0.36: "f", 0.38: "-", 0.40: "()[]t", 0.42: "!r",
    0.46: '"', 0.50: "*_`–", 0.54: "?sz", 0.56: "Lc", 0.58: "Fk", 0.60: "vxy", 0.62: "PTYaeo",
    0.64: "$0123456789ESbdghnpqu{}µ", 0.66: "K", 0.70: "ABCRVXZ", 0.74: "U", 0.76: "HN", 0.78: "&DG", 0.80: "OQ",
    0.82: "w", 0.84: "#+<=>^~×±→≤≥", 0.88: "M", 0.96: "%", 0.98: "m", 1.00: "@W…",
}  # fmt: skip
_WIDTHS = {letter: width for width, letters in _BY_WIDTH.items() for letter in letters}
_UNKNOWN = 1.0
_BOLD = 1.13
"""Bold letters of ordinary text are about this much wider."""
_GRID = 1.04
"""Renderers put letters on whole pixels, which widens some."""
LINE = 1.2
"""Height of a line, in em."""


def width_mm(text: str, size_pt: float, bold: bool = False) -> float:
    """Return the width of a line of text."""
    em = sum(_WIDTHS.get(letter, _UNKNOWN) for letter in text)
    return em * size_pt * MM_PER_PT * _GRID * (_BOLD if bold else 1.0)


def height_mm(size_pt: float, lines: int = 1) -> float:
    """Return the height of lines of text."""
    return lines * LINE * size_pt * MM_PER_PT


def wrapped(text: str, size_pt: float, room_mm: float, bold: bool = False) -> list[str]:
    """Return `text` in lines of at most `room_mm`; a word that is longer is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width_mm(longer, size_pt, bold) <= room_mm:
            line = longer
            continue
        if line:
            lines.append(line)
        line = shortened(word, size_pt, room_mm, bold)
    return [*lines, line] if line else lines


def shortened(text: str, size_pt: float, room_mm: float, bold: bool = False) -> str:
    """Return `text`, its middle left out if it is wider than `room_mm`."""
    if width_mm(text, size_pt, bold) <= room_mm:
        return text
    for kept in range(len(text) - 1, 0, -1):
        front = kept // 2
        cut = f"{text[:front]}…{text[len(text) - (kept - front) :]}"
        if width_mm(cut, size_pt, bold) <= room_mm:
            return cut
    return "…"
