"""``roofline select``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from roofline.selection.answer import Selection


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
@click.option("--emit", type=click.Choice(("nvpmodel",)), help="Write the chosen mode as an nvpmodel.conf instead.")
@click.option("--base", metavar="FILE", help="The board's own nvpmodel.conf, to which --emit adds the mode.")
@click.option("--emit-name", default="ROOFLINE", show_default=True, metavar="NAME", help="Name of the emitted mode.")
@output_options
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, mode: str | None,
    max_latency: float | None, max_power: float | None, max_energy: float | None, min_throughput: float | None,
    emit: str | None, base: str | None, emit_name: str,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Choose the power mode in which MODEL costs least energy without losing latency.

    \b
    roofline select resnet50.onnx --device orin-agx
    roofline select resnet50.onnx --device orin-agx --grid full --slack 5% --max-power 30W
    roofline select detector.onnx --device orin-agx --rate 30/s --batch 1,2,4
    roofline select model.onnx --device orin-agx --grid full --emit nvpmodel --base /etc/nvpmodel.conf > new.conf
    """
    from roofline.choices import loose
    from roofline.cli.output import log, write_blocks, write_data
    from roofline.cli.progress import Waiting
    from roofline.errors import GateError
    from roofline.export import as_selection
    from roofline.selection.select import select

    log(verbose)
    form = chosen_format(format_, output) if emit is None else "table"
    if base is not None and emit is None:
        raise click.UsageError("--base goes with --emit nvpmodel")
    if emit is not None and format_ is not None:
        raise click.UsageError("--emit writes a configuration, so --format has no place here")
    if mode is not None:
        raise click.UsageError("--mode has no place here: the mode is what is chosen; --current says where you are")
    with Waiting("choosing a mode", quiet or verbose):
        answer = select(
            model, bindings=merged(bind), shapes=merged(shapes), max_latency_s=max_latency, max_power_w=max_power,
            max_energy_j=max_energy, min_throughput_per_s=min_throughput, **options,
        )  # fmt: skip
    gate = GateError(f"no feasible mode: {answer.reason}", where=answer.device.id) if answer.choice is None else None
    gate = gate or (loose(answer.findings, answer.analysis.graph.path) if strict else None)
    if emit is not None:
        if answer.choice is not None:
            _emit(answer, base, emit_name, output, quiet)
    elif form in ("json", "csv"):
        write_data(answer.to_dict(), form, output, gate, as_selection.rows(answer))
    else:
        write_blocks(as_selection.blocks(answer, quiet), form, output)
    if gate is not None:
        raise gate
    return 0


def _emit(answer: Selection, base: str | None, name: str, output: str | None, quiet: bool) -> None:
    """Write the chosen mode as a configuration: that alone to stdout, everything else to stderr."""
    from pathlib import Path

    from roofline.cli.output import write
    from roofline.devices.nvpmodel.conf import read_conf
    from roofline.devices.nvpmodel.emit import emit_mode
    from roofline.devices.nvpmodel.fragment import emit_fragment
    from roofline.errors import one_line
    from roofline.selection.words import verdict

    assert answer.choice is not None
    said = [verdict(answer)]
    if base is None:
        write(emit_fragment(answer.device, answer.choice.mode.knobs, name=name), output)
        said.append("NOT INSTALLABLE BY ITSELF: give the board's own file, --base /etc/nvpmodel.conf")
    else:
        content = "".join(read_conf(Path(base)).lines)
        file = output if output not in (None, "-") else ""
        made = emit_mode(content, answer.device, answer.choice.mode.knobs, name=name, where=base, file=file or "",
                         current=answer.current)  # fmt: skip
        write(made.conf, output)
        said += ["To apply it:", *(f"  {line}" for line in made.apply)]
        said += ["To undo it:", *(f"  {line}" for line in made.undo)]
        said += [f"- {f.code}  {f.where}: {f.message}" for f in (*made.findings, *answer.findings)] if not quiet else []
    click.echo("\n".join(one_line(line) for line in said), err=True)
