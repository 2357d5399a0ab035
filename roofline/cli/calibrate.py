"""``roofline calibrate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from roofline.cli.measured_options import measured_options
from roofline.cli.options import device_options, merged, models_options, refuse_other_suffix

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.devices.spec import PowerMode


@click.command("calibrate")
@models_options
@device_options
@measured_options
@click.option(
    "--suggest", type=click.IntRange(min=2, max=100), metavar="K", help="Say which K modes to measure instead."
)
@click.option("--grid", default="full", show_default=True, metavar="G", help="Modes to suggest from: see select.")
@click.option("--emit", type=click.Choice(("script",)), help="With --suggest: a shell script that measures them.")
@click.option("-o", "--output", metavar="FILE.yaml", help="Write the calibration there. '-' is stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the fit.")
@click.option("-v", "--verbose", count=True, help="Log what is done, to stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    models: tuple[str, ...], bind: tuple[Any, ...], shapes: tuple[Any, ...], strict: bool, mode: str | None,
    measured: str | None, workloads: tuple[str, ...], only: tuple[str, ...], suggest: int | None, grid: str,
    emit: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, calibration: str, **options: Any,
) -> int:  # fmt: skip
    """Fit predictions to measured runs.

    One MODEL: its time and power across power modes, from runs in a few of them, best five. Five MODELS or more, timed
    layer by layer: factors per class of layers, which hold for other models too.

    \b
    roofline calibrate resnet50.onnx --device orin-agx --runtime tensorrt --suggest 5 --emit script > measure.sh
    roofline calibrate resnet50.onnx --device orin-agx --runtime tensorrt --measured runs.csv -o resnet50.yaml
    roofline select resnet50.onnx --device orin-agx --runtime tensorrt --calibration resnet50.yaml --grid full
    roofline calibrate *.onnx --device host.yaml --processor cpu --runtime ort-cpu --measured runs.csv -o mine.yaml
    """
    from roofline.analysis import analyze
    from roofline.calibration.across import calibrate_across
    from roofline.calibration.calibrate import calibrate
    from roofline.calibration.file import as_yaml
    from roofline.cli.measured_options import names_of, read_rows
    from roofline.cli.output import log, write, write_blocks
    from roofline.cli.progress import Waiting
    from roofline.errors import UsageError

    log(verbose)
    if mode is not None:
        raise click.UsageError("--mode has no place here: the rows say in which mode each ran")
    if (measured is None) == (suggest is None):
        raise click.UsageError("give --measured FILE.csv to fit, or --suggest K to learn what to measure")
    if emit is not None and suggest is None:
        raise click.UsageError("--emit goes with --suggest")
    if emit is not None:
        refuse_other_suffix(output, "a script", ".sh")
    elif suggest is not None:
        refuse_other_suffix(output, "a list of modes to measure", ".txt", ".md", ".markdown")
    else:
        refuse_other_suffix(output, "a calibration", ".yaml", ".yml")
    rows = read_rows(measured, only) if measured is not None else []
    names = names_of(models, workloads, rows) if rows else {models[0]: models[0]}
    with Waiting("counting", quiet or verbose):
        analyses = {
            name: analyze(model, bindings=merged(bind), shapes=merged(shapes), calibration="none", **options)
            for name, model in names.items()
        }
    analysis = next(iter(analyses.values()))
    if analysis.device is None:
        raise UsageError("a calibration is for a device", expected="--device as well")
    if suggest is not None:
        _suggest(analysis, suggest, grid, emit, output, models[0], options["device"])
        return 0
    left_out: Mapping[str, float] = {}
    with Waiting("fitting", quiet or verbose):
        if len(models) > 1:
            found, left_out = calibrate_across(analyses, rows, measured or "")
        else:
            found = calibrate(analysis, [row for row in rows if row.workload in names], measured or "")
    write(as_yaml(found), output)
    if not quiet and output not in (None, "-"):
        from roofline.export.as_calibration import blocks

        whole = {row.workload: row.time_s for row in rows if not row.layer}
        write_blocks(blocks(found, output or "", {n: (whole[n] or 0.0, t) for n, t in left_out.items()}), "table", None)
    return 0


def _suggest(
    analysis: Analysis, count: int, grid: str, emit: str | None, output: str | None, model: str, device: str
) -> None:
    """Say which modes to measure, or write the script that measures them."""
    from roofline.calibration.calibrate import task_of
    from roofline.calibration.script import measuring_script
    from roofline.calibration.suggest import suggest_modes, with_default_host, without_reboot
    from roofline.cli.output import write, write_blocks
    from roofline.export.as_calibration import suggestion
    from roofline.selection.candidates import as_mode, candidates

    task = task_of(analysis)
    found = candidates(task, grid)
    usable = without_reboot(task.device, found.modes)
    chosen = suggest_modes(task, found.modes.take(usable), count)
    modes: list[PowerMode] = [as_mode(task.device, found, int(usable[i])) for i in chosen]
    if grid in ("full", "full+tpc"):
        modes = [with_default_host(task.device, mode, found.unseen) for mode in modes]
    if emit is not None:
        write(measuring_script(analysis, modes, model, device), output)
        return
    form = "markdown" if (output or "").lower().endswith((".md", ".markdown")) else "table"
    write_blocks(suggestion(analysis, modes, count), form, output)
