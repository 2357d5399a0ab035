"""``roofline compare``."""

from __future__ import annotations

import difflib
from typing import Any

import click

from roofline.cli.options import (
    BindingsType,
    ShapesType,
    chosen_format,
    device_options,
    merged,
    model_options,
    output_options,
)

_SIZES = {"bind": ("bindings", BindingsType()), "shapes": ("shapes", ShapesType())}
_FLAGS = ("recompute", "levels")
_TEXTS = (
    "device", "mode", "precision", "traffic", "runtime", "processor", "clocks", "phase", "optimizer", "calibration",
    "ops",
)  # fmt: skip


def changes_of(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return ``("precision=fp16", "bind=batch=8")`` as keyword options of `analyze`; an empty value is None."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise click.UsageError(f"--vs {setting}: expected KEY=VALUE, such as precision=fp16")
        name = _SIZES[key][0] if key in _SIZES else key
        new = _converted(key, value)
        if key in _SIZES and new is not None and found.get(name) is not None:
            new = merged((found[name], new))
        elif name in found and found[name] is not None and found[name] != new:
            raise click.UsageError(f"--vs {key} is given two values")
        found[name] = new
    return found


def _converted(key: str, value: str) -> Any:
    if key not in (*_TEXTS, *_FLAGS, *_SIZES):
        near = difflib.get_close_matches(key, (*_TEXTS, *_FLAGS, *_SIZES), 1)
        known = ", ".join((*_TEXTS, *_SIZES, *_FLAGS))
        raise click.UsageError(
            f"--vs {key}: no such key; " + (f"did you mean {near[0]}?" if near else f"keys: {known}")
        )
    if not value:
        return None
    if key in _SIZES:
        return _SIZES[key][1].convert(value, None, None)
    if key in _FLAGS:
        if value.lower() not in ("true", "false"):
            raise click.UsageError(f"--vs {key}={value}: expected true or false")
        return value.lower() == "true"
    return value


@click.command("compare")
@model_options
@click.argument("other", required=False, metavar="[MODEL_B]")
@device_options
@click.option("--vs", multiple=True, metavar="KEY=VALUE",
              help="What is different on side B; repeat it. Keys: device, mode, precision, traffic, runtime, "
                   "processor, clocks, phase, optimizer, calibration, ops, bind, shapes; recompute and levels take "
                   "true or false. KEY= takes the common option back.")  # fmt: skip
@click.option("--levels", is_flag=True, help="Two memory levels on both sides.")
@click.option("--top", default=20, show_default=True, metavar="N", type=click.IntRange(min=0),
              help="Layers to show in each table; 0 shows all.")  # fmt: skip
@output_options
def command(
    model: str, other: str | None, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, vs: tuple[str, ...],
    top: int, format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Two models, precisions, traffic models, modes or devices side by side.

    All options are for both sides; --vs says what is different on side B.

    \b
    roofline compare resnet50.onnx mobilenet_v2.onnx --device orin-agx
    roofline compare resnet50.onnx --device orin-agx --vs precision=fp16 --vs mode=MAXN,gpu_freq=816MHz
    roofline compare bert.onnx --bind seq=128 --device orin-agx --vs bind=batch=8
    """
    changes = changes_of(vs)
    if other is None and not changes:
        raise click.UsageError("give a second model, or say what is different on side B: --vs precision=fp16")
    from roofline.choices import loose
    from roofline.cli.output import log, write_blocks, write_data
    from roofline.cli.progress import Waiting
    from roofline.comparison import compare
    from roofline.export import comparison_tables

    log(verbose)
    form = chosen_format(format_, output)
    with Waiting("comparing", quiet or verbose):
        comparison = compare(model, other, bindings=merged(bind), shapes=merged(shapes), vs=changes, **options)
    gate = loose(comparison.findings, f"{model} and {other or model}") if strict else None
    data = comparison.to_dict()
    if form in ("json", "csv"):
        from roofline.export.as_comparison import csv_rows

        write_data(data, form, output, gate, csv_rows(comparison))
    else:
        write_blocks(comparison_tables.blocks(data, top, quiet), form, output)
    if gate is not None:
        raise gate
    return 0
