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


command.add_command(nvpmodel.import_)
command.add_command(nvpmodel.export)
