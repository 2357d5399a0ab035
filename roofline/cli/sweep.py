"""``roofline sweep``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import BatchesType, BindingsType, ShapesType, merged


@click.command("sweep")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--device", "devices", multiple=True, metavar="ID|FILE,...", help="Devices; several, or several times.")
@click.option(
    "--grid",
    default="named",
    show_default=True,
    metavar="G",
    help="Power modes: named, full, full+tpc, or a FILE with one mode per line.",
)
@click.option(
    "--batch",
    "batches",
    type=BatchesType(),
    default=(),
    metavar="1,2,4",
    help="Batch sizes. Default: what each model has.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="P,...",
    help="fp32, tf32, fp16, bf16, fp8, int8, int4, or file (the default): what the file says.",
)
@click.option("--traffic", "traffics", multiple=True, metavar="T,...", help="fused (default), unfused, ideal, pagoda.")
@click.option(
    "--bind", type=BindingsType(), multiple=True, help="Sizes of free dimensions, where a model has them: seq=128."
)
@click.option("--shapes", type=ShapesType(), multiple=True, help="Whole shapes of inputs, where a model has them.")
@click.option("--phase", default="inference", show_default=True, metavar="P", help="inference or training.")
@click.option("--optimizer", metavar="O", help="Training: sgd, momentum, adam (default) or adamw.")
@click.option("--recompute", is_flag=True, help="Training: make what lies inside fused groups again.")
@click.option("--runtime", metavar="R", help="tensorrt, ort-cuda, ort-cpu or torch: decides where tf32 is used.")
@click.option("--calibration", default="auto", show_default=True, metavar="C",
              help="auto (needs --runtime), none, or a calibration's NAME or FILE.")  # fmt: skip
@click.option("--processor", metavar="P", help="gpu or cpu.")
@click.option("--clocks", default="locked", show_default=True, metavar="C", help="locked or stock governor.")
@click.option("--ops", metavar="FILE", help="Formulas for operators of your own (roofline.ops/1).")
@click.option(
    "--strict",
    is_flag=True,
    help="A result that is incomplete or assumed is an error row; exit 3 if there are error rows.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help="FILE.parquet or FILE.csv.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes on this machine. Default: one per processor."
)
@click.option("--scheduler", metavar="URL", help="A Dask scheduler, tcp://HOST:PORT: its workers do the work.")
@click.option("--ordered", is_flag=True, help="Rows in the order of the models. Default: as they are done.")
@click.option(
    "--resume/--no-resume", default=True, show_default=True, help="Go on from FILE.parts, where a sweep was cut off."
)
@click.option("--cache", metavar="DIR", help="Keep results by content, options and version, for other sweeps too.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Of the summary.",
)
@click.option("-q", "--quiet", is_flag=True, help="Leave out failures and findings.")
@click.option("-v", "--verbose", count=True, help="Log what is done, to stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    models: tuple[str, ...], devices: tuple[str, ...], precisions: tuple[str, ...], traffics: tuple[str, ...],
    bind: tuple[Any, ...], shapes: tuple[Any, ...], output: str, format_: str, quiet: bool, verbose: int,
    debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Evaluate many MODELs on many devices, in many modes, batch sizes and precisions; write a table.

    \b
    roofline sweep models/*.onnx --device orin-agx,orin-nano-8gb --batch 1,2,4 -o out.parquet
    roofline sweep *.onnx --device orin-agx --grid full --precision fp32,fp16 -o out.csv --jobs 8
    roofline sweep *.onnx --device orin-agx -o out.parquet --scheduler tcp://10.0.0.1:8786

    A model that fails is a row with an error. Exit code: with --strict 3 where any row is one, else 1 where no model
    could be evaluated, else 0. A sweep that is cut off goes on where it stood, and tries models that failed again.
    """
    from roofline.sweeping.threads import one_thread_each

    with one_thread_each():  # before numpy is loaded
        return _sweep(models, devices, precisions, traffics, bind, shapes, output, format_, quiet, verbose, options)


def _sweep(
    models: tuple[str, ...], devices: tuple[str, ...], precisions: tuple[str, ...], traffics: tuple[str, ...],
    bind: tuple[Any, ...], shapes: tuple[Any, ...], output: str, format_: str, quiet: bool, verbose: int,
    options: dict[str, Any],
) -> int:  # fmt: skip
    import gc

    from roofline.cli.output import log, write_blocks, write_data
    from roofline.cli.sweep_progress import SweepProgress
    from roofline.errors import GateError, RooflineError
    from roofline.export.as_sweep import blocks
    from roofline.sweeping.sweep import sweep

    log(verbose)
    gc.enable()  # unlike the other commands, this one can run for hours
    with SweepProgress(quiet) as progress:
        summary = sweep(
            models, _listed(devices), output=output, bindings=merged(bind), shapes=merged(shapes),
            precisions=[None if p == "file" else p for p in _listed(precisions)] or [None],
            traffics=_listed(traffics) or ["fused"], on_part=progress.update, **options,
        )  # fmt: skip
    if format_ == "json":
        write_data(summary.to_dict(), "json", None)
    else:
        write_blocks(blocks(summary, quiet), "table", None)
    if options["strict"] and summary.error_rows:
        raise GateError(f"--strict is not met: rows of errors: {summary.error_rows}", where=output)
    if summary.all_failed:
        raise RooflineError("not one model could be evaluated", where=output, hint="its column error says why")
    return 0


def _listed(values: tuple[str, ...]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
