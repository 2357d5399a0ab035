"""``roofline formula``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import chosen_format, merged, model_options, output_options


@click.command("formula")
@model_options
@click.option("--device", metavar="ID|FILE", help="Also show where layers turn compute-bound on this device.")
@click.option("--mode", metavar="MODE", help="Power mode for that; default: the device's.")
@click.option("--processor", metavar="P", help="gpu or cpu.")
@click.option("--latex", is_flag=True, help="Write the formulas in LaTeX's notation.")
@click.option("--top", default=20, show_default=True, metavar="N", type=click.IntRange(min=0),
              help="Distinct formulas to show; 0 shows all.")  # fmt: skip
@output_options
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, latex: bool, top: int, calibration: str,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """FLOPs, bytes and parameters of MODEL as formulas in its free dimensions.

    Dimensions given with --bind become numbers; all others stay symbols.

    \b
    roofline formula bert.onnx
    roofline formula bert.onnx --bind batch=1 --device orin-agx    # from which seq on is it compute-bound?
    """
    from roofline.choices import loose
    from roofline.cli.output import log, write_blocks, write_data
    from roofline.cli.progress import Waiting
    from roofline.export import as_formula
    from roofline.expressions import symbolic
    from roofline.formulas import latex as in_latex
    from roofline.formulas import text

    log(verbose)
    form = chosen_format(format_, output)
    with Waiting("working out formulas", quiet or verbose):
        formulas = symbolic(model, bindings=merged(bind), shapes=merged(shapes), **options)
    gate = loose(formulas.findings, formulas.graph.path) if strict else None
    if form in ("json", "csv"):
        write_data(as_formula.formula_dict(formulas, in_latex if latex else text), form, output, gate)
    else:
        write_blocks(as_formula.blocks(formulas, top, latex, quiet), form, output)
    if gate is not None:
        raise gate
    return 0
