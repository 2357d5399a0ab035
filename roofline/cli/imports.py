"""``roofline import``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from roofline.cli.options import BindingsType, ShapesType, merged

if TYPE_CHECKING:
    from roofline.measured.formats.common import Imported, Options

FORMATS = ("trtexec", "ort", "ncu", "nsys", "tegrastats", "jtop", "zeus", "mlperf", "csv")
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4")
_TEXTS = ("workload", "precision", "runtime", "runtime_version", "input_shape", "source", "l4t", "notes")


@click.command("import")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", required=True, metavar="FILE.csv", help="The table to write; '-' is stdout.")
@click.option("--workload", metavar="NAME", help="The model that ran; default: the name of --model.")
@click.option("--model", metavar="MODEL", help="Join the layers to this model's, and say how many fit.")
@click.option("--bind", type=BindingsType(), multiple=True, help="Sizes of the model's free dimensions.")
@click.option("--shapes", type=ShapesType(), multiple=True, help="Whole shapes of the model's inputs.")
@click.option("--device", metavar="ID|FILE", help="What it ran on: clocks are checked against it.")
@click.option("--mode", metavar="M", help="Power mode: 30W, or 30W,gpu_freq=816MHz.")
@click.option("--clocks", type=click.Choice(["locked", "stock"]), help="locked (jetson_clocks) or stock governor.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Batch size.")
@click.option("--precision", type=click.Choice(PRECISIONS), metavar="P", help=f"{', '.join(PRECISIONS)}.")
@click.option("--runtime", metavar="R", help="tensorrt, ort-cuda, ort-cpu or torch; default: what the files say.")
@click.option("--runtime-version", metavar="V", help="Its version.")
@click.option("--phase", type=click.Choice(["inference", "training"]), help="Default: inference.")
@click.option("--input-shape", metavar="AxB", help="Shape of the model's input, as it ran.")
@click.option("--power-boundary", type=click.Choice(["module", "dc_in", "ac", "gpu_rail", "board", "package"]),
              help="What the power is of; default: what the files say.")  # fmt: skip
@click.option("--source", metavar="TEXT", help="Where the figures come from; default: the files.")
@click.option("--l4t", metavar="V", help="Release of Jetson Linux, such as 36.4.")
@click.option("--notes", metavar="TEXT", help="Anything else.")
@click.option("--layers/--whole", "layers", default=None, help="Only rows of layers, or of whole runs; default: both.")
@click.option("--warmup", type=click.IntRange(min=0), metavar="N", help="Runs at the start to leave out (ort: 1).")
@click.option(
    "--iterations", type=click.IntRange(min=1), metavar="N", help="How often the model ran in the file or window."
)
@click.option("--window", metavar="A..B", help="Part of a log: seconds from its start, or times of day.")
@click.option("--interval", metavar="T", help="Time between two lines of a log, such as 100ms.")
@click.option("--map", "mapping", multiple=True, metavar="OURS=THEIRS[:UNIT]",
              help="csv: their column for ours, such as latency_ms=elapsed:us.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Leave out the findings.")
@click.option("-v", "--verbose", count=True, help="Log what is done, to stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    form: str, files: tuple[str, ...], output: str, model: str | None, bind: tuple[Any, ...], shapes: tuple[Any, ...],
    quiet: bool, verbose: int, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Read the files that FORMAT's tool wrote about one run, and write the table of measured runs.

    Formats: trtexec (times, profile and layer info; a log of tegrastats beside them adds power), ort, ncu, nsys,
    tegrastats, jtop, zeus, mlperf, csv. Nothing is written unless everything can be read.

    \b
    roofline import trtexec times.json profile.json --workload resnet50 --device orin-agx --mode 30W -o r.csv
    roofline import tegrastats log.txt --workload resnet50 --device orin-agx --window 5..35 --iterations 900 -o p.csv
    """
    from roofline.cli.output import log
    from roofline.measured.against import against_device
    from roofline.measured.formats import import_files
    from roofline.measured.table import table_text

    log(verbose)
    given = options_of(model, **options)
    found = import_files(form, files, given)
    findings = list(found.findings)
    if given.device is not None:
        findings += against_device(found.rows, given.device, where=", ".join(files))[1]
    if model is not None:
        findings += joined(found, model, merged(bind), merged(shapes), ", ".join(files)).findings
    text = table_text(found.rows)
    _write(text, found, findings, output, quiet)
    return 0


def options_of(model: str | None, **given: Any) -> Options:
    """Return what the command line says about a run."""
    from pathlib import Path

    from roofline import units
    from roofline.devices.load import load_device
    from roofline.devices.modes import find_mode
    from roofline.measured.formats.common import Options
    from roofline.measured.record import Measurement

    device = load_device(given["device"]) if given["device"] else None
    mode = given["mode"] or ""
    if device is not None and mode:
        mode = find_mode(device, mode).name
    workload = given["workload"] or (Path(model).stem if model else "")
    texts: dict[str, Any] = {name: given[name] or "" for name in _TEXTS}
    template = Measurement(**{**texts, "workload": workload})
    window = None
    if given["window"]:
        start, dots, end = given["window"].partition("..")
        if not dots or not start or not end:
            raise click.UsageError(f"--window {given['window']}: write A..B, such as 5..35 or 10:36:27..10:36:57")
        window = start, end
    return Options(
        template=template._replace(
            device=device.id if device else "", power_mode=mode, clocks=given["clocks"] or "",
            batch_size=given["batch"], phase=given["phase"] or "", power_boundary=given["power_boundary"] or "",
        ),
        device=device,
        layers=given["layers"] is not False,
        whole=given["layers"] is not True,
        warmup=given["warmup"],
        iterations=given["iterations"],
        window=window,
        interval_s=units.parse(given["interval"], "time", where="--interval") if given["interval"] else None,
        columns=_columns(given["mapping"]),
    )  # fmt: skip


def joined(found: Imported, model: str, bind: dict[str, Any], shapes: dict[str, Any], where: str) -> Any:
    """Return the layers of a run joined to a model's."""
    from roofline.analysis import analyze
    from roofline.measured.join import join_layers

    return join_layers(found.rows, analyze(model, bindings=bind, shapes=shapes), where)


def _columns(mapping: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in mapping:
        ours, equals, theirs = text.partition("=")
        if not equals or not ours.strip() or not theirs.strip():
            raise click.UsageError(f"--map {text}: write OURS=THEIRS or OURS=THEIRS:UNIT")
        if ours.strip() in found:
            raise click.UsageError(f"--map {text}: {ours.strip()} is mapped twice")
        found[ours.strip()] = theirs.strip()
    return found


def _write(text: str, found: Imported, findings: list[Any], output: str, quiet: bool) -> None:
    from roofline.cli.output import write
    from roofline.errors import one_line

    layers = sum(1 for row in found.rows if row.layer)
    whole = len(found.rows) - layers
    name = found.rows[0].workload
    summary = f"{name}: {whole} {'row' if whole == 1 else 'rows'} of whole runs, {layers} of layers"
    lines = [summary if output == "-" else f"{summary}, written to {output}"]
    if not quiet:
        lines += [f"{f.where}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in findings]
    write(text, output)
    for line in lines:
        click.echo(one_line(line), err=output == "-")
