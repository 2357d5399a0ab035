"""``python -m roofline``."""

from roofline.cli.main import run

run()
