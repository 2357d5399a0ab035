"""``roofline select``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import (
    BatchesType,
    QuantityType,
    ShareType,
    chosen_format,
    device_options,
    merged,
    model_options,
    output_options,
)


@click.command("select")
@model_options
@device_options
@click.option(
    "--grid",
    default="named",
    show_default=True,
    metavar="G",
    help="named, full, full+tpc, or a FILE with one mode per line.",
)
@click.option(
    "--slack",
    type=ShareType(),
    metavar="1%",
    help="How much slower than the fastest mode the answer may be. Default: 1% for energy.",
)
@click.option("--max-latency", type=QuantityType("time"), metavar="20ms", help="Limit on the time of one run.")
@click.option(
    "--max-power", type=QuantityType("power"), metavar="30W", help="Limit on the power (the average one with --rate)."
)
@click.option("--max-energy", type=QuantityType("energy"), metavar="1J", help="Limit on the energy of one run.")
@click.option("--min-throughput", type=QuantityType("throughput"), metavar="60/s", help="Samples per second, at least.")
@click.option(
    "--objective", metavar="O", help="energy (default), energy-delay, time, or power (the default with --rate)."
)
@click.option(
    "--batch", "batches", type=BatchesType(), default=(), metavar="1,2,4", help="Batch sizes to choose from too."
)
@click.option(
    "--rate",
    "rate_per_s",
    type=QuantityType("throughput"),
    metavar="30/s",
    help="Samples arrive at this rate: least average power, idle time included.",
)
@click.option("--current", metavar="MODE", help="The mode the device is in. Default: its default mode.")
@click.option("--allow-power-limited", is_flag=True, help="Also take modes that need more than the module can take.")
@output_options
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, mode: str | None,
    max_latency: float | None, max_power: float | None, max_energy: float | None, min_throughput: float | None,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Choose the power mode in which MODEL costs least energy without losing latency.

    \b
    roofline select resnet50.onnx --device orin-agx
    roofline select resnet50.onnx --device orin-agx --grid full --slack 5% --max-power 30W
    roofline select detector.onnx --device orin-agx --rate 30/s --batch 1,2,4
    """
    from roofline.choices import loose
    from roofline.cli.output import log, write_blocks, write_data
    from roofline.errors import GateError
    from roofline.export import as_selection
    from roofline.selection.select import select

    log(verbose)
    form = chosen_format(format_, output)
    if mode is not None:
        raise click.UsageError("--mode has no place here: the mode is what is chosen; --current says where you are")
    answer = select(
        model, bindings=merged(bind), shapes=merged(shapes), max_latency_s=max_latency, max_power_w=max_power,
        max_energy_j=max_energy, min_throughput_per_s=min_throughput, **options,
    )  # fmt: skip
    gate = GateError(f"no feasible mode: {answer.reason}", where=answer.device.id) if answer.choice is None else None
    gate = gate or (loose(answer.findings, answer.analysis.graph.path) if strict else None)
    if form == "json":
        write_data(answer.to_dict(), form, output, gate)
    elif form == "csv":
        from roofline.cli.output import write
        from roofline.export.as_csv import rows_csv

        write(rows_csv(as_selection.rows(answer)), output)
    else:
        write_blocks(as_selection.blocks(answer, quiet), form, output)
    if gate is not None:
        raise gate
    return 0
