"""``roofline devices import-nvpmodel`` and ``export-nvpmodel``."""

from __future__ import annotations

from pathlib import Path

import click

_DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


@click.command("import-nvpmodel")
@click.argument("file")
@click.option("--device", required=True, metavar="ID|FILE", help="The board that FILE comes from.")
@click.option("--id", "id_", metavar="ID", help="Id of the new device. Default: the name of -o, else ID-custom.")
@click.option("-o", "--output", metavar="FILE.yaml", help="Write to FILE.yaml; its name must be the id. '-' is stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out the findings.")
@_DEBUG
def import_(file: str, device: str, id_: str | None, output: str | None, quiet: bool, debug: bool) -> int:
    """Make a device file with the power modes of FILE, a board's nvpmodel.conf.

    Everything else is the file of --device. Caps between two steps of a clock are taken at the nearest step; that,
    and all that was not understood, is said on stderr.

    \b
    roofline devices import-nvpmodel /etc/nvpmodel.conf --device orin-agx -o orin-agx-custom.yaml
    roofline analyze model.onnx --device orin-agx-custom.yaml
    """
    from roofline.cli.output import write
    from roofline.devices.load import load_device
    from roofline.devices.nvpmodel.conf import read_conf
    from roofline.devices.nvpmodel.device_file import import_modes

    stem = Path(output).stem if output and output != "-" else None
    if id_ and stem and stem != id_:
        raise click.UsageError(f"-o {output}: a device file is named by its id, so {id_}.yaml, or leave out --id")
    result = import_modes(read_conf(Path(file)), load_device(device), id=id_ or stem)
    write(result.text, output)
    if not quiet and result.findings:
        from roofline.errors import one_line
        from roofline.export.as_table import finding_table

        shown = finding_table({"findings": [finding.to_dict() for finding in result.findings]})
        click.echo("\n".join(one_line(line) for line in shown.split("\n")), err=True)
    return 0


@click.command("export-nvpmodel")
@click.argument("device")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE. '-' is stdout.")
@_DEBUG
def export(device: str, output: str | None, debug: bool) -> int:
    """Write the named power modes of DEVICE as POWER_MODEL blocks of an nvpmodel.conf.

    The result is a fragment: the PARAM definitions, which differ from board to board and release to release, are
    not in it. A comment at its top says how to use it.

    \b
    roofline devices export-nvpmodel orin-agx -o modes.conf
    """
    from roofline.cli.output import write
    from roofline.devices.load import load_device
    from roofline.devices.nvpmodel.fragment import export_modes

    write(export_modes(load_device(device)), output)
    return 0
