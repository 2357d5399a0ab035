"""Options that commands share, and the types that read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
if TYPE_CHECKING:
    _ParamType = click.ParamType[dict[str, Any]]
    _NumberType = click.ParamType[float]
    _TupleType = click.ParamType[tuple[int, ...]]
else:
    _ParamType = _NumberType = _TupleType = click.ParamType  # generic from click 8.5 on
FORMATS = ("table", "json", "csv", "markdown")
_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".txt": "table"}
_OTHER_SUFFIXES = (".yaml", ".yml", ".sh", ".html", ".png", ".svg", ".pdf", ".parquet", ".onnx")


class BindingsType(_ParamType):
    """``batch=8,seq=128`` -> {"batch": 8, "seq": 128}."""

    name = "NAME=SIZE,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, dict):
            return value
        found: dict[str, int] = {}
        for part in filter(None, (p.strip() for p in str(value).split(","))):
            name, equals, size = part.rpartition("=")
            if not equals or not name.strip() or not re.fullmatch(r"\d{1,18}", size.strip()):
                self.fail(f"{part!r} is no NAME=SIZE with a whole number, such as batch=8", param, ctx)
            if found.get(name.strip(), int(size)) != int(size):
                self.fail(f"{name.strip()!r} is bound twice", param, ctx)
            found[name.strip()] = int(size)
        return found


class ShapesType(_ParamType):
    """``input:1x3x224x224`` -> {"input": (1, 3, 224, 224)}; several are separated by commas."""

    name = "INPUT:AxBxC,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, dict):
            return value
        found: dict[str, tuple[int, ...]] = {}
        for part in filter(None, (p.strip() for p in str(value).split(","))):
            name, colon, shape = part.rpartition(":")
            if not colon or not name or not re.fullmatch(r"\d{1,18}(x\d{1,18})*", shape):
                self.fail(f"{part!r} is no INPUT:SHAPE, such as input:1x3x224x224", param, ctx)
            found[name] = tuple(int(size) for size in shape.split("x"))
        return found


class QuantityType(_NumberType):
    """``20ms``, ``30W``, ``60/s`` -> a float in SI units."""

    name = "NUMBER UNIT"

    def __init__(self, dimension: str) -> None:
        self._dimension = dimension

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        from roofline import units
        from roofline.errors import UnitError

        try:
            return units.parse(value, self._dimension)
        except UnitError as error:
            self.fail(f"{error.what}; expected {error.expected}", param, ctx)


class ShareType(_NumberType):
    """``1%`` or ``0.01`` -> 0.01; ``none`` -> infinity."""

    name = "SHARE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        if str(value).strip().lower() == "none":
            return float("inf")
        found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(%?)", str(value).strip())
        if not found or (not found[2] and float(found[1]) >= 1):
            self.fail(f"{value!r} is no share, such as 1%, 0.01 or none", param, ctx)
        return float(found[1]) / (100 if found[2] else 1)


class BatchesType(_TupleType):
    """``1,2,4`` -> (1, 2, 4)."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(re.fullmatch(r"[1-9]\d{0,8}", part) for part in parts) or len(set(parts)) != len(parts):
            self.fail(f"{value!r} is no list of different batch sizes, such as 1,2,4", param, ctx)
        return tuple(int(part) for part in parts)


def merged(values: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return several options of one kind as one; a name that is given two values is wrong usage."""
    result: dict[str, Any] = {}
    for value in values:
        for name, size in value.items():
            if result.setdefault(name, size) != size:
                raise click.UsageError(f"{name!r} is given two values: {result[name]} and {size}")
    return result


def _apply(function: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def model_options(function: F) -> F:
    """MODEL and every option that says how to read and count it."""
    return _apply(click.argument("model")(function), _COUNTING)


def models_options(function: F) -> F:
    """MODELS, one or more, and every option that says how to read and count them."""
    return _apply(click.argument("models", nargs=-1, required=True)(function), _COUNTING)


_COUNTING: list[Callable[[Any], Any]] = [
    click.option("--bind", "bind", type=BindingsType(), multiple=True,
                 help="Sizes of free dimensions: batch=8,seq=128 or input[0]=8."),
    click.option("--shapes", type=ShapesType(), multiple=True,
                 help="Whole shapes of inputs: input:1x3x224x224."),
    click.option("--precision", metavar="P",
                 help="fp32, tf32, fp16, bf16, fp8, int8 or int4; default: what the file says."),
    click.option("--phase", default="inference", show_default=True, metavar="P",
                 help="inference, or training: forward, backward, optimiser."),
    click.option("--optimizer", metavar="O", help="Training: sgd, momentum, adam (default) or adamw."),
    click.option("--recompute", is_flag=True,
                 help="Training: make what lies inside fused groups again; do not keep it."),
    click.option("--traffic", default="fused", show_default=True, metavar="T",
                 help="How bytes are counted: fused, unfused, ideal or pagoda."),
    click.option("--runtime", metavar="R",
                 help="tensorrt, ort-cuda, ort-cpu or torch: decides where tf32 is used."),
    click.option("--calibration", default="auto", show_default=True, metavar="C",
                 help="auto, none, or a calibration's NAME or FILE."),
    click.option("--ops", metavar="FILE", help="Formulas for operators of your own (roofline.ops/1)."),
    click.option("--strict", is_flag=True,
                 help="Exit 3 if anything is uncounted, unknown or assumed."),
]  # fmt: skip


def device_options(function: F) -> F:
    """Which device, in which mode."""
    return _apply(
        function,
        [
            click.option("--device", metavar="ID|FILE", help="A device (see: roofline devices list)."),
            click.option("--mode", metavar="MODE",
                         help="Power mode, and knobs on top: 30W,gpu_freq=816MHz. Default: the device's."),
            click.option("--processor", metavar="P", help="gpu or cpu."),
            click.option("--clocks", default="locked", show_default=True, metavar="C",
                         help="locked (jetson_clocks) or stock governor."),
        ],
    )  # fmt: skip


def output_options(function: F) -> F:
    """Where the result goes, in which form."""
    return _apply(
        function,
        [
            click.option("--format", "format_", type=click.Choice(FORMATS), help="Default: table."),
            click.option("-o", "--output", metavar="FILE",
                         help="Write to FILE; its suffix (.json .csv .md .txt) sets the format. '-' is stdout."),
            click.option("-q", "--quiet", is_flag=True, help="Leave out the findings."),
            click.option("-v", "--verbose", count=True, help="Log what is done, to stderr."),
            click.option("--debug", is_flag=True, help="Show the traceback of an error."),
        ],
    )  # fmt: skip


def refuse_other_suffix(output: str | None, what: str, *suffixes: str) -> None:
    """Raise where the output file's suffix names another format than `what` is in; any that names none is fine."""
    suffix = PurePath(output or "").suffix.lower()
    if suffix in {*_SUFFIXES, *_OTHER_SUFFIXES} - {*suffixes}:
        raise click.UsageError(f"-o {output}: {what} is no {suffix} file; use {suffixes[0]}")


def chosen_format(format_: str | None, output: str | None) -> str:
    """Return the format asked for, by option or by the suffix of the output file."""
    if format_:
        return format_
    if output and output != "-":
        suffix = "." + output.rpartition(".")[2].lower() if "." in output else ""
        if suffix not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            raise click.UsageError(f"-o {output}: the suffix names no format; use {known}, or --format")
        return _SUFFIXES[suffix]
    return "table"
