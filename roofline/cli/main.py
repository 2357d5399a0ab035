"""Entry point: finds the command, and turns every error into one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from roofline import __version__
from roofline.errors import RooflineError, one_line

_COMMANDS = {
    "analyze": ("roofline.cli.analyze", "Count a model, and put it on the rooflines of a device."),
    "select": ("roofline.cli.select", "The power mode that costs least energy without losing latency."),
    "sweep": ("roofline.cli.sweep", "Many models, devices, modes, batch sizes and precisions into one table."),
    "compare": ("roofline.cli.compare", "Two models, precisions, modes or devices side by side."),
    "report": ("roofline.cli.report", "One page about a model on a device, to read and try modes in."),
    "plot": ("roofline.cli.plot", "Draw rooflines, modes, layers: .png, .svg, .pdf or interactive .html."),
    "formula": ("roofline.cli.formula", "FLOPs and bytes as formulas in the free dimensions."),
    "measure": ("roofline.cli.measure", "Run a model here with onnxruntime: its time, its nodes, its energy."),
    "import": ("roofline.cli.imports", "Read measured runs out of other tools' files into one table."),
    "validate": ("roofline.cli.validate", "Predictions against measured runs."),
    "calibrate": ("roofline.cli.calibrate", "Fit predictions to a few measured runs; say which to measure."),
    "devices": ("roofline.cli.devices", "List, show and check devices; exchange power modes with nvpmodel.conf."),
}
ISSUES = "please report it, with --debug's output, at the project's issue tracker"


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(_COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="roofline")
def cli() -> None:
    """Time and energy of an ONNX model on edge devices, layer by layer and power mode by power mode.

    Start with: roofline analyze model.onnx --device orin-agx
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 1 error, 2 wrong usage, 3 a gate not met."""
    gc.disable()  # one short run: collecting cycles costs a tenth of it and frees nothing
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        result: Any = cli.main(args=arguments, prog_name="roofline", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except RooflineError as error:
        return _fail(str(error), error.exit_code, debug)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "roofline"
        return _fail(f"{one_line(error.format_message())} (see {command} --help)", 2, debug)
    except click.ClickException as error:
        return _fail(one_line(error.format_message()), 1, debug)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(f"cannot write: {error.strerror or error}", 1, debug)
    except MemoryError:
        return _fail("not enough memory; is the input as large as it should be?", 1, debug)
    except (Exception, RecursionError) as error:
        return _fail(f"unexpected {type(error).__name__}: {one_line(str(error))}; {ISSUES}", 1, debug)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"roofline: {message}", file=sys.stderr)
    return code


def run() -> None:
    """Console script. The process ends at once: taking down every object takes a tenth of a short run."""
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the reader of a pipe has gone
        pass
    os._exit(code)
