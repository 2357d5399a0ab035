"""``roofline devices``."""

from __future__ import annotations

from pathlib import Path

import click

from roofline.cli import nvpmodel
from roofline.cli.options import chosen_format, output_options


@click.group("devices")
def command() -> None:
    """List, show and check devices; exchange power modes with nvpmodel.conf."""


@command.command("list")
@output_options
def list_(format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool) -> int:
    """List every device that is found: shipped, in your configuration folder, in ROOFLINE_DEVICE_PATH."""
    from roofline.cli.output import write, write_blocks
    from roofline.export import as_csv, as_device

    form = chosen_format(format_, output)
    rows = as_device.list_rows()
    if form == "json":
        import json

        write(json.dumps(rows, indent=2), output)
    elif form == "csv":
        write(as_csv.rows_csv(rows), output)
    else:
        write_blocks([as_device.list_table(rows)], form, output)
    return 0


@command.command("show")
@click.argument("device")
@output_options
def show(device: str, format_: str | None, output: str | None, quiet: bool, verbose: int, debug: bool) -> int:
    """Show a device: modes, ceilings, energy coefficients, and where every number comes from."""
    from roofline.cli.output import write, write_blocks
    from roofline.devices.load import load_device
    from roofline.export import as_csv, as_device

    form = chosen_format(format_, output)
    spec = load_device(device)
    if form == "json":
        import json

        write(json.dumps(as_device.device_dict(spec), indent=2), output)
    elif form == "csv":
        write(as_csv.rows_csv(as_device.number_rows(spec)), output)
    else:
        write_blocks(as_device.blocks(spec), form, output)
    return 0


@command.command("check")
@click.argument("files", nargs=-1, required=True)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def check(files: tuple[str, ...], debug: bool) -> int:
    """Check device files: format, units, sources, values that can be set. Exit 1 if one is wrong."""
    from roofline.devices.load import check_device
    from roofline.errors import SpecError

    failed = 0
    for name in files:
        try:
            spec = check_device(Path(name))
        except SpecError as error:
            failed += 1
            click.echo(f"roofline: {error}", err=True)
        else:
            click.echo(f"{name}: ok, {len(spec.modes)} modes, {len(spec.sources)} sources")
    return 1 if failed else 0


@command.command("measure")
@click.option("-o", "--output", required=True, metavar="FILE.yaml", help="The device file to write.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Default: every CPU this process may use.")
@click.option("--quick", is_flag=True, help="Fewer sizes, shorter runs: a first look, some per cent low.")
@click.option("--provider", default="cpu", show_default=True, metavar="P", help="cpu is the only one so far.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the rates.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def measure(output: str, threads: int | None, quick: bool, provider: str, quiet: bool, debug: bool) -> int:
    """Measure this machine's ceilings with onnxruntime, and write a device file of them.

    \b
    roofline devices measure -o this-machine.yaml
    roofline analyze model.onnx --device this-machine.yaml --processor cpu --runtime ort-cpu
    """
    from roofline.bench.ceilings import measure_ceilings
    from roofline.bench.device_file import device_text
    from roofline.cli.output import write, write_blocks
    from roofline.cli.progress import Progress
    from roofline.export import as_ceilings

    path = Path(output)
    if path.suffix not in (".yaml", ".yml"):
        raise click.UsageError(f"-o {output}: a device file ends in .yaml")
    with Progress("measuring", quiet) as progress:
        found = measure_ceilings(provider=provider, threads=threads, quick=quick, say=progress.say)
    write(device_text(found, path.stem), output)
    if not quiet:
        write_blocks(as_ceilings.blocks(found, output), "table", None)
    return 0


command.add_command(nvpmodel.import_)
command.add_command(nvpmodel.export)
