"""Tables on a terminal: bars, colours, columns that fit; the same plain text wherever there is no terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminals import on_terminal, plain

import roofline
from roofline.export.tables import Table
from roofline.export.terminal import fitting, rich_table

MODEL = str(Path(__file__).parents[1] / "data" / "models" / "resnet18.onnx")
COMMAND = ("analyze", MODEL, "--device", "orin-agx", "--bind", "batch=1", "--top", "12")
BLUE, VERMILLION = "38;2;0;114;178", "38;2;213;94;0"  # #0072B2 and #D55E00 of Okabe and Ito


def rows_of(text: str, names: list[str]) -> list[str]:
    return [line for line in text.split("\n") if plain(line).startswith(tuple(names))]


def test_bars_are_as_long_as_the_shares_and_coloured_by_the_limit() -> None:
    layers = roofline.analyze(MODEL, "orin-agx", bindings={"batch": 1}).layers
    longest = sorted((layer for layer in layers if layer["share"]), key=lambda layer: -layer["share"])[:12]
    lines = on_terminal(*COMMAND, width=140).split("\n")
    start = next(i for i, line in enumerate(lines) if plain(line).startswith("────")) + 1
    assert {layer["limited_by"] for layer in longest} == {"memory", "compute"}
    for layer, line in zip(longest, lines[start:], strict=False):
        shown = plain(line)
        bar = sum(8 if c == "█" else " ▏▎▍▌▋▊▉".index(c) for c in shown if c in "▏▎▍▌▋▊▉█")
        assert bar == round(64 * layer["share"] / longest[0]["share"]), shown
        assert f"{layer['share']:.1%}" in shown
        colour = {"memory": BLUE, "compute": VERMILLION}[layer["limited_by"]]
        assert line.count(f"\x1b[{colour}m") == 2, line  # the bar and the word


@pytest.mark.parametrize("width", [140, 80, 60, 40])
@pytest.mark.parametrize(
    "arguments",
    [COMMAND, ("select", MODEL, "--device", "orin-agx", "--grid", "full"), ("devices", "show", "raspberry-pi-4"),
     ("compare", MODEL, "--device", "orin-agx", "--vs", "precision=fp16", "--top", "5")],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_no_line_is_wider_than_the_terminal(arguments: tuple[str, ...], width: int) -> None:
    lines = plain(on_terminal(*arguments, width=width)).split("\n")
    words = [line for line in lines if len(line) > width and " " in line.strip()]
    assert words == []
    assert len(lines) > 10


def test_what_a_narrow_terminal_leaves_out_is_said() -> None:
    wide, narrow = (plain(on_terminal(*COMMAND, width=width)) for width in (160, 80))
    assert "no room" not in wide and "ceiling" in wide
    head = next(line for line in narrow.split("\n") if line.startswith("layer "))
    assert {"layer", "time", "share", "limited by"} <= {part.strip() for part in head.split("  ")}
    assert "no room for op, bytes, FLOP/B, ceiling (a wider terminal or a pipe has all)" in narrow.replace("\n", " ")


def test_a_long_name_is_cut_so_that_its_end_stays() -> None:
    names = [f"/a/long/way/down/to/layer{i}/conv/conv.0/conv.0.0/Conv" for i in range(3)]
    table = Table("t", ("layer", "time"), [[name, "1 s"] for name in names], right=frozenset({"time"}))
    shown = [str(cell) for cell in rich_table(table, 40)[0].columns[0].cells]
    assert len(set(shown)) == 3 and all(len(name) <= 35 and name.endswith("conv.0.0/Conv") for name in shown)


def test_elsewhere_it_is_the_same_plain_text() -> None:
    piped = subprocess.run(
        [sys.executable, "-m", "roofline", *COMMAND], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    assert "\x1b" not in piped and "█" not in piped
    assert on_terminal(*COMMAND, TERM="dumb") == piped


def test_no_colour_is_the_same_without_escapes() -> None:
    coloured = on_terminal(*COMMAND, width=80, NO_COLOR="")  # no-color.org: an empty one says nothing
    assert "\x1b[" in coloured
    for value in ("1", "yes"):
        assert on_terminal(*COMMAND, width=80, NO_COLOR=value) == plain(coloured)


def test_without_colours_of_its_own_a_terminal_gets_the_nearest() -> None:
    shown = on_terminal(*COMMAND, width=140, TERM="xterm", COLORTERM="")
    assert "\x1b[" in shown and "38;2;" not in shown


CELLS = st.text("abc█ ", max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), st.integers(10, 120))
def test_columns_fit_or_only_the_first_is_left(rows: list[tuple[str, str, str]], width: int) -> None:
    table = Table("t", ("name", "number", "words"), rows, right=frozenset({"number"}), less=("number",))
    kept, widths = fitting(table, rows, width)
    assert kept[0] == 0 and kept == sorted(kept)
    assert sum(widths.values()) + 2 * (len(kept) - 1) <= width or kept == [0]
    if 1 in kept:
        assert widths[1] == max(6, *(len(row[1]) for row in rows), 0)  # numbers are never cut
