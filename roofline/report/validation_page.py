"""`validation_html`: what was compared, as one page without a script that needs no network."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from roofline import __version__
from roofline.errors import one_line
from roofline.export.as_html import blocks_html
from roofline.export.as_validation import SCHEMA, all_rows, blocks, verdict
from roofline.report.page import part

if TYPE_CHECKING:
    from roofline.validation import Validation

_QUANTITIES = ("time", "power", "energy")


def validation_html(found: Validation) -> str:
    """Return a page: the verdict, measured over predicted as pictures (light and dark), tables, every row.

    Names from files are text in it, never markup; its content security policy allows no script and no request.
    """
    points = found.runs or found.layers
    drawn = [q for q in _QUANTITIES if found.errors(q, points).n]
    _, *rest = blocks(found)
    title = "Measured against predicted: " + ", ".join(dict.fromkeys(p.workload for p in points))
    return "\n".join([
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="generator" content="roofline {escape(__version__)}, {SCHEMA}">',
        f'<title>{escape(one_line(title))}</title><link rel="icon" href="data:,">',
        f"<style>{part('validation.css')}</style></head><body>",
        f"<h1>{escape(one_line(title))}</h1>",
        f'<p id="verdict">{escape(verdict(found))}</p>',
        *(_picture(found, quantity) for quantity in drawn),
        blocks_html(rest),
        f"<details><summary>All {len(found.runs) + len(found.layers)} rows</summary>",
        blocks_html([all_rows(found)]),
        "</details>",
        f"<footer>roofline {escape(__version__)}</footer></body></html>",
    ]) + "\n"  # fmt: skip


def _picture(found: Validation, quantity: str) -> str:
    def source(theme: str) -> str:
        figure = found.plot(quantity, theme=theme)
        return "data:image/svg+xml;base64," + b64encode(figure.to_bytes(".svg")).decode()

    errors = found.errors(quantity, found.runs or found.layers)
    tau = "" if np.isnan(errors.kendall_tau) else f", rank correlation {errors.kendall_tau:.2f}"
    words = f"Measured over predicted {quantity}: {errors.n} points, mean error {errors.mape:.1%}{tau}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{source("dark")}">'
        f'<img alt="{escape(words, quote=True)}" src="{source("light")}"></picture>'
    )
