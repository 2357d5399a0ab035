"""``python -m roofline``, and the console script: as little as can be before Ctrl-C is answered in one line."""

import os
import sys


def run() -> None:
    """Run the command line."""
    try:
        from roofline.cli.main import run as command
    except KeyboardInterrupt:
        sys.stderr.write("roofline: interrupted\n")
        os._exit(130)
    command()


if __name__ == "__main__":
    run()
