"""``roofline validate``."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import click

from roofline.cli.measured_options import measured_options
from roofline.cli.options import chosen_format, device_options, merged, models_options, output_options

_PICTURES = (".html", ".png", ".svg", ".pdf")


@click.command("validate")
@models_options
@device_options
@measured_options
@click.option("--value", default="time", show_default=True, type=click.Choice(("time", "power", "energy")),
              help="What a picture shows.")  # fmt: skip
@output_options
def command(
    models: tuple[str, ...], bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, mode: str | None,
    measured: str | None, workloads: tuple[str, ...], only: tuple[str, ...], value: str,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Hold predictions of MODELS against measured runs: errors, rank correlation, bounds that were beaten.

    -o FILE.html writes a page with pictures and every row; .png, .svg and .pdf the picture alone.

    \b
    roofline validate resnet50.onnx --measured runs.csv --device orin-agx --runtime tensorrt
    roofline validate resnet50.onnx --measured runs.csv --device orin-agx -o validation.html
    """
    from roofline.analysis import analyze
    from roofline.choices import loose
    from roofline.cli.measured_options import names_of, read_rows
    from roofline.cli.output import log, write, write_blocks, write_data
    from roofline.cli.progress import Waiting
    from roofline.export import as_validation
    from roofline.validation import validate

    log(verbose)
    suffix = "" if format_ or output in (None, "-") else PurePath(str(output)).suffix.lower()
    form = suffix[1:] if suffix in _PICTURES else chosen_format(format_, output)
    if measured is None:
        raise click.UsageError("--measured FILE.csv is missing")
    if mode is not None:
        raise click.UsageError("--mode has no place here: the rows say in which mode each ran")
    rows = read_rows(measured, only)
    names = names_of(models, workloads, rows)
    with Waiting("comparing", quiet or verbose):
        analyses = {
            name: analyze(model, bindings=merged(bind), shapes=merged(shapes), **options)
            for name, model in names.items()
        }
        found = validate(analyses, rows, measured)
    gate = loose(found.findings, measured) if strict else None
    if form == "html":
        from roofline.report.validation_page import validation_html

        write(validation_html(found), output)
    elif suffix in _PICTURES:
        found.plot(value).save(str(output))
    elif form in ("json", "csv"):
        write_data(found.to_dict(), form, output, gate, as_validation.rows(found))
    else:
        write_blocks(as_validation.blocks(found, quiet), form, output)
    if gate is not None:
        raise gate
    return 0
