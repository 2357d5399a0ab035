"""`report_html`: the page itself, from its template, its script and its style. It needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from roofline import __version__
from roofline.analysis import Analysis
from roofline.devices.spec import DeviceSpec
from roofline.errors import UsageError
from roofline.figures.theme import OP_CLASSES, THEMES
from roofline.report.data import report_data
from roofline.report.origins import origin_rows, source_lines

SCRIPTS = ("model.js", "words.js", "table.js", "chart.js", "picture.js", "summary.js", "roving.js", "page.js")
"""In the order in which they are put together; the first two work without a page."""


def report_html(analysis: Analysis, others: Sequence[Analysis] = ()) -> str:
    """Return a page about a model on a device: roofline, layers and totals in any power mode.

    Everything is in the text: no request leaves the page, and its content security policy allows none. What comes
    from files (names of layers, above all) is data in it, never markup or script.

    Args:
        analysis: what the page opens with.
        others: the same model on the same device counted in other ways, as `variants` returns them: what the
            page's switches of precision, traffic and memory level offer.

    Raises:
        UsageError: the analysis is without a device.
    """
    if analysis.device is None or analysis.evaluation is None:
        raise UsageError("a report is about a model on a device", expected="--device as well")
    analyses = (analysis, *others)
    data = report_data(analyses)
    script, style = "\n".join(part(name) for name in SCRIPTS), part("report.css") + _class_styles()
    rows = origin_rows(analyses)
    values = {
        "policy": f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        "title": escape(f"{data['model']['name']} on {data['device']['name']}"),
        "verdict": escape(data["verdict"]),
        "basis": escape(f"Predicted by calibration {analysis.calibration.name}." if analysis.calibration else ""),
        "facts": escape(_facts(data)),
        "numbers": "".join(_row(row) for row in rows),
        "sources": "".join(
            f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in source_lines(analysis.device, rows)
        ),
        "remarks": _remarks(analysis.device),
        "version": escape(__version__),
        "style": style,
        "data": script_safe(json.dumps(data, separators=(",", ":"), allow_nan=False)),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], part("template.html"))


def _class_styles() -> str:
    """Return the colours of op classes, those of the pictures, on either background."""
    rules = "".join(f".class-{name} {{ fill: var(--{name}); }}\n" for name in OP_CLASSES)
    variables = {
        theme.name: " ".join(f"--{name}: {theme.look('layer', name).colour};" for name in OP_CLASSES)
        for theme in THEMES.values()
    }
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {variables['dark']} }} }}\n"
    return f":root {{ {variables['light']} }}\n{dark}{rules}"


def part(name: str) -> str:
    """Return the text of a file that ships with this package."""
    return (files("roofline.report") / name).read_text(encoding="utf-8")


def script_safe(text: str) -> str:
    r"""Return JSON text that cannot end the script element it stands in: ``<`` becomes ``\u003c``."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    """Return the source expression that lets an inline element with this text run, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _facts(data: dict[str, Any]) -> str:
    model, device = data["model"], data["device"]
    bound = "".join(f", {name}={size}" for name, size in model["bindings"].items())
    return (
        f"{model['path']}: opset {model['opset']}, {model['nodes']} nodes{bound}; {data['phase']}; "
        f"{device['id']}{'@' + device['variant'] if device['variant'] else ''}, {device['processor']}, "
        f"{data['clocks']} clocks{', ' + data['runtime'] if data['runtime'] else ''}"
    )


def _row(row: dict[str, Any]) -> str:
    cells = (row["where"], row["shown"], row["kind"], row["source"], row["formula"] or row["note"])
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _remarks(device: DeviceSpec) -> str:
    """Return what sources disagree about, and what nobody knows."""
    found = ""
    for title, lines in (("Where sources disagree", device.conflicts), ("What is not known", device.unknown)):
        if lines:
            found += f"<h3>{title}</h3><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
    return found
