"""``roofline analyze``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import QuantityType, chosen_format, device_options, merged, model_options, output_options


@click.command("analyze")
@model_options
@device_options
@click.option("--top", default=20, show_default=True, metavar="N", type=click.IntRange(min=0),
              help="Layers to show; 0 shows all.")  # fmt: skip
@click.option("--sort", type=click.Choice(("time", "graph")), default="time", show_default=True,
              help="Order of the layers.")  # fmt: skip
@click.option("--explain", metavar="LAYER", help="Show one layer's arithmetic instead.")
@click.option(
    "--levels", is_flag=True, help="Two memory levels: what fits the last-level cache stays there for the next layer."
)
@click.option("--rate", "rate_per_s", type=QuantityType("throughput"), metavar="30/s",
              help="Samples arrive at this rate: adds the average power, idle time included.")  # fmt: skip
@click.option("--budget", metavar="FILE", help="Limits to keep (roofline.budget/1); exit 3 if one is not kept.")
@click.option("--tensors", is_flag=True, help="Add type and shape of every tensor (JSON only).")
@output_options
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, top: int, sort: str,
    tensors: bool, explain: str | None, budget: str | None,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Count MODEL (a .onnx file, or - for stdin), and put it on the rooflines of a device.

    \b
    roofline analyze resnet50.onnx --device orin-agx
    roofline analyze bert.onnx --bind batch=1,seq=128 --device orin-agx --mode 50W --format json
    """
    from roofline.analysis import analyze
    from roofline.choices import loose
    from roofline.cli.output import log, write_blocks, write_data
    from roofline.cli.progress import Waiting
    from roofline.export import as_table

    log(verbose)
    form = chosen_format(format_, output)
    bindings = merged(bind)
    limits = None
    if budget is not None:
        if explain is not None:
            raise click.UsageError("--explain is about one layer, --budget about the model: ask for one of them")
        from roofline.budget import load_budget, with_options  # late: most runs have none

        limits = load_budget(budget)
        options, bindings, overruled = with_options(limits, options, bindings)
    with Waiting("counting", quiet or verbose):
        analysis = analyze(model, bindings=bindings, shapes=merged(shapes), **options)
    gate = loose(analysis.findings, analysis.graph.path) if strict else None
    data = analysis.to_dict(tensors)
    tables = []
    if limits is not None:
        from roofline.budget import check_budget, over_budget
        from roofline.export.as_budget import budget_table, put_into

        checks = check_budget(limits, data)
        put_into(data, limits, checks, overruled)
        gate = over_budget(limits, checks, gate)
        tables = [budget_table(limits, checks)]
    if explain is not None:
        from roofline.export import as_explanation

        if form in ("json", "csv"):
            raise click.UsageError("--explain writes a table or markdown")
        write_blocks(as_explanation.blocks(analysis, explain), form, output)
    elif form in ("json", "csv"):
        write_data(data, form, output, gate)
    else:
        write_blocks((*as_table.blocks(data, top, sort, quiet), *tables), form, output)
    if gate is not None:
        raise gate
    return 0
