"""``roofline report``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import device_options, merged, model_options


@click.command("report")
@model_options
@device_options
@click.option("--levels", is_flag=True, help="Open with two memory levels: what fits the last-level cache stays there.")
@click.option("-o", "--output", metavar="FILE", required=True, help="The page to write (.html); '-' is stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No line that says how far it is.")
@click.option("-v", "--verbose", count=True, help="Log what is done, to stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, output: str, quiet: bool,
    verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Write one page about MODEL on a device: roofline, layers and totals, in any power mode.

    It works without a network. In the page: mode, clocks, precision, traffic; sort, filter, save, print.

    \b
    roofline report resnet50.onnx --device orin-agx -o report.html
    """
    if output != "-" and not output.lower().endswith((".html", ".htm")):
        raise click.UsageError(f"-o {output}: a report is a page; use a name that ends in .html")
    if options["device"] is None:
        raise click.UsageError("a report is about a model on a device: add --device (see: roofline devices list)")
    from roofline.analysis import analyze
    from roofline.choices import loose
    from roofline.cli.output import log, write
    from roofline.cli.progress import Waiting
    from roofline.report.page import report_html
    from roofline.report.variants import variants

    log(verbose)
    carried = {name: options[name] for name in ("precision", "calibration", "ops", "optimizer", "recompute")}
    with Waiting("writing the page", quiet or verbose):
        analysis = analyze(model, bindings=merged(bind), shapes=merged(shapes), **options)
        page = report_html(analysis, variants(analysis, **carried))
    gate = loose(analysis.findings, analysis.graph.path) if strict else None
    write(page, output)
    if gate is not None:
        raise gate
    return 0
