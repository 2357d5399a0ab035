"""``roofline measure``."""

from __future__ import annotations

from typing import Any

import click

from roofline.cli.options import chosen_format, merged, model_options, output_options

_RUNTIMES = {"ort-cpu": "cpu", "ort-cuda": "cuda", "tensorrt": "tensorrt"}


@click.command("measure")
@model_options
@click.option("--runs", default=10, show_default=True, type=click.IntRange(min=1), metavar="N",
              help="Least number of timed runs.")  # fmt: skip
@click.option("--warmup", default=3, show_default=True, type=click.IntRange(min=0), metavar="N",
              help="Runs before the first that is timed.")  # fmt: skip
@click.option("--min-time", default="2s", show_default=True, metavar="T", help="Least time of all timed runs.")
@click.option("--provider", metavar="P", help="cpu, cuda or tensorrt; default: --runtime's, else cpu.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Default: every CPU this process may use.")
@click.option("--layers/--no-layers", default=True, help="Also time every node, in a second pass.")
@click.option("--inputs", metavar="FILE.npz", help="Values of inputs, by name; default: made from the shapes.")
@click.option("--device", metavar="ID|FILE", help="The board this is: its name in the rows, its power rails.")
@click.option("--mode", metavar="MODE", help="The power mode it is in, for the rows.")
@click.option("--clocks", type=click.Choice(("locked", "stock")), help="For the rows; default: by the CPU's governor.")
@click.option("--power-sensors", metavar="PATH",
              help="A sysfs tree with energy counters; default: ROOFLINE_POWER_SENSORS, or /sys.")  # fmt: skip
@click.option("--top", default=20, show_default=True, metavar="N", type=click.IntRange(min=0),
              help="Nodes to show; 0 shows all.")  # fmt: skip
@output_options
def command(
    model: str, bind: tuple[Any, ...], shapes: tuple[Any, ...], precision: str | None, phase: str,
    runtime: str | None, ops: str | None, strict: bool, provider: str | None, layers: bool, min_time: str, top: int,
    optimizer: str | None, recompute: bool, traffic: str, calibration: str,
    format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Run MODEL on this machine with onnxruntime: whole and node by node, and its energy where a counter tells.

    Weights that are not on disk are made up, and so are the inputs. Options that only change how a model is counted
    change nothing here.

    \b
    roofline measure resnet50.onnx --threads 4 -o resnet50.csv
    roofline measure bert.onnx --bind batch=1,seq=128 --provider cuda --format json
    """
    import sys

    from roofline.bench.measure import measure
    from roofline.choices import check_options, loose
    from roofline.cli.output import log, write, write_blocks
    from roofline.cli.progress import Progress
    from roofline.errors import UsageError
    from roofline.export import as_measurement
    from roofline.units import parse

    log(verbose)
    form = chosen_format(format_, output)
    check_options(precision, phase, traffic, runtime, "locked", calibration, optimizer, recompute)
    if phase != "inference":
        raise UsageError("onnxruntime runs inference", where=f"--phase {phase}", expected="inference")
    with Progress("measuring", quiet) as progress:
        run = measure(
            sys.stdin.buffer.read() if model == "-" else model,
            bindings=merged(bind), shapes=merged(shapes), precision=precision, ops=ops, per_node=layers,
            provider=_provider(provider, runtime), min_time_s=parse(min_time, "time", where="--min-time"),
            tick=progress.tick, say=progress.say, **options,
        )  # fmt: skip
    gate = loose(run.findings, run.analysis.graph.path) if strict else None
    if form == "csv":
        from roofline.measured.table import table_text

        write(table_text(run.rows()), output)
    elif form == "json":
        from roofline.export.as_json import json_text

        write(json_text(as_measurement.run_dict(run)), output)
    else:
        write_blocks(as_measurement.blocks(run, top, quiet), form, output)
    if gate is not None:
        raise gate
    return 0


def _provider(provider: str | None, runtime: str | None) -> str:
    """Return the provider asked for, by its own name or by the runtime's."""
    from roofline.errors import UsageError

    implied = _RUNTIMES.get(runtime or "ort-cpu")
    if implied is None:
        raise UsageError(f"{runtime} is not onnxruntime", where="--runtime", expected=", ".join(_RUNTIMES))
    if provider is None:
        return implied
    if runtime is not None and provider != implied:
        raise UsageError(f"--provider {provider} and --runtime {runtime} contradict each other", expected="one of them")
    return provider
