"""``roofline plot``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import BatchesType, ShareType, device_options, merged, model_options


@click.command("plot")
@model_options
@click.argument("other", required=False, metavar="[MODEL_B]")
@device_options
@click.option("--kind", default="roofline", show_default=True, metavar="K",
              help="roofline, energy, modes, power, pareto, layers, classes, heatmap, batch, compare, memory or "
                   "measured.")  # fmt: skip
@click.option("-o", "--output", required=True, metavar="FILE",
              help="The picture; its suffix (.png .svg .pdf .html) says how. .html is interactive.")  # fmt: skip
@click.option("--theme", default="light", show_default=True, metavar="T", help="light or dark.")
@click.option("--size", default="slide", show_default=True, metavar="S",
              help="column (83 mm wide, for a paper) or slide (254 x 143 mm).")  # fmt: skip
@click.option(
    "--batch", "batches", type=BatchesType(), default=(), metavar="1,2,4", help="Batch sizes, for --kind batch."
)
@click.option("--measured", metavar="FILE.csv", help="Measured runs (roofline.measurement/1), for --kind measured.")
@click.option("--vs", multiple=True, metavar="KEY=VALUE", help="What is different on side B, for --kind compare.")
@click.option("--grid", default="full", show_default=True, metavar="G",
              help="Modes of --kind pareto: named, full, full+tpc, or a FILE.")  # fmt: skip
@click.option("--value", metavar="V", help="time or energy, for --kind heatmap. Default: energy, where it is known.")
@click.option("--slack", type=ShareType(), default=0.01, show_default="1%", metavar="1%",
              help="How much slower is still as fast, for --kind pareto and heatmap.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No line that says how far it is.")
@click.option("-v", "--verbose", count=True, help="Log what is done, to stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], vs: tuple[str, ...], output: str, quiet: bool,
    verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Draw MODEL on a device: rooflines, modes, layers.

    \b
    roofline plot resnet50.onnx --device orin-agx -o roofline.svg
    roofline plot resnet50.onnx --device orin-agx --kind pareto --precision fp16 --size column -o pareto.pdf
    roofline plot resnet50.onnx --device orin-agx --kind compare --vs precision=fp16 -o fp16.html
    """
    from roofline.cli.compare import changes_of
    from roofline.cli.output import log
    from roofline.cli.progress import Waiting
    from roofline.figures.figure import check_suffix
    from roofline.figures.theme import find_size, find_theme
    from roofline.plots.plot import plot

    log(verbose)
    _refuse_idle(options["kind"])
    check_suffix(output)
    find_theme(options["theme"])
    find_size(options["size"])
    with Waiting("drawing", quiet or verbose):
        figure = plot(model, bindings=merged(bind), shapes=merged(shapes), vs=changes_of(vs), **options)
        figure.save(output)
    return 0


_OF_KINDS = {"grid": ("pareto",), "value": ("heatmap",), "slack": ("pareto", "heatmap")}
"""Options that only some kinds of picture have a use for."""


def _refuse_idle(kind: str) -> None:
    """Raise for an option that would change nothing."""
    context = click.get_current_context()
    for name, kinds in _OF_KINDS.items():
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and kind not in kinds:
            raise click.UsageError(f"--{name} is for --kind {' and '.join(kinds)}, and changes nothing in {kind}")
