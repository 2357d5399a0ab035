"""The pictures of examples/gallery: every kind of `roofline plot`, made anew.

    python examples/gallery.py [FOLDER]

Without a folder nothing that is there is touched: a first picture goes to a temporary folder, to show how.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

import roofline
from roofline.figures.figure import Figure
from roofline.figures.marks import Cells

HERE = Path(__file__).parent
MODELS = HERE / "models"
RUNS = HERE.parent / "device_specs" / "measurements" / "orin-nano-emc-gpu-grid" / "measurements.csv"
RESNET: dict[str, Any] = {"device": "orin-agx", "precision": "fp16", "bindings": {"batch": 1}}
NANO: dict[str, Any] = {"device": "orin-nano-8gb", "precision": "tf32", "runtime": "ort-cuda"}
BERT: dict[str, Any] = {**RESNET, "bindings": {"batch": 1, "seq": 128}}
PICTURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "roofline": ("resnet50", RESNET, "Layers under every ceiling of one mode; area is the share of the time."),
    "energy": ("resnet50", RESNET, "The energy roof is an arch: half of it is reached at its own balance point."),
    "modes": ("resnet50", RESNET, "What each power mode does to the roof, and where the model is under it."),
    "power": ("resnet50", RESNET, "Power is highest where pipes and memory are both busy."),
    "pareto": ("resnet50", RESNET, "Every mode of the full grid, and the one that `roofline select` takes."),
    "heatmap": ("resnet50", RESNET, "Energy over the two clocks; inside the line nothing is lost in latency."),
    "layers": ("bert_base", BERT, "The ten longest layers, one after the other; equal ones are one bar."),
    "classes": ("bert_base", BERT, "Time and energy by op class."),
    "batch": ("resnet50", {"device": "orin-agx", "precision": "fp16"}, "What a larger batch buys, and which layers "
              "cross their ridge."),
    "compare": ("resnet50", {**RESNET, "vs": {"mode": "MAXN"}}, "Two modes (or models, precisions, devices), layer "
                "by layer."),
    "memory": ("resnet50", RESNET, "What is held while each layer runs."),
    "measured": ("mobilenet_v2", {**NANO, "measured": RUNS},
                 "24 measured runs against the shipped calibration, which was fitted to them; how it does on runs that "
                 "it has not seen is in [its report](../../device_specs/calibrations/REPORT.md)."),
}  # fmt: skip
"""Kind -> model, options and what there is to see."""


def picture(kind: str) -> Figure:
    """Return one picture."""
    model, options, _ = PICTURES[kind]
    return roofline.plot(MODELS / f"{model}.onnx", kind=kind, **options)


def small_png(figure: Figure) -> bytes:
    """Return the figure as a PNG of 160 colours, 1000 pixels wide: a fifth of the bytes.

    Maximum coverage keeps the colours of small marks, which median cut gives up for shades of the text.
    """
    with Image.open(io.BytesIO(figure.to_bytes(".png"))) as image:
        height = round(1000 * image.height / image.width)
        reduced: Image.Image = image.convert("RGB").resize((1000, height), Image.Resampling.LANCZOS)
    if not any(isinstance(mark, Cells) for panel in figure.panels for mark in panel.marks):  # a map is its shades
        reduced = reduced.quantize(160, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    reduced.save(out, "png", optimize=True)
    return out.getvalue()


def page() -> str:
    """Return the gallery's page."""
    lines = ["# Gallery", "", "Made by `python examples/gallery.py examples/gallery`; each by one command.", ""]
    for kind, (model, options, about) in PICTURES.items():
        words = {key: options[key] for key in ("device", "runtime", "precision") if key in options}
        if len(options.get("bindings", {})) > 1:
            words["bind"] = ",".join(f"{name}={size}" for name, size in options["bindings"].items())
        words |= {"vs": "mode=MAXN"} if "vs" in options else {}
        words |= {"measured": RUNS.relative_to(HERE.parent).as_posix()} if "measured" in options else {}
        said = " ".join(f"--{name} {value}" for name, value in words.items())
        alt = about.replace("[its report](../../device_specs/calibrations/REPORT.md)", "its report")
        lines += [f"## {kind}", "", about, "", "```sh",
                  f"roofline plot examples/models/{model}.onnx {said} --kind {kind} -o {kind}.svg", "```", "",
                  "<picture>", f'  <source media="(prefers-color-scheme: dark)" srcset="{kind}-dark.png">',
                  f'  <img alt="{kind}: {alt}" src="{kind}.png">', "</picture>", ""]  # fmt: skip
    lines += ["The first one at the width of a paper's column (`--size column`):", "",
              '<img alt="Time roofline, one column wide" src="roofline-column.svg" width="420">', ""]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Write every picture and the page, or one picture as a sample."""
    if len(sys.argv) < 2:
        with tempfile.TemporaryDirectory() as folder:
            picture("modes").save(Path(folder) / "modes.svg")
        print(f"{len(PICTURES)} pictures; to make them: python examples/gallery.py FOLDER")
        return
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in PICTURES:
        figure = picture(kind)
        (folder / f"{kind}.png").write_bytes(small_png(figure))
        (folder / f"{kind}-dark.png").write_bytes(small_png(figure.with_look("dark")))
        print(kind)
    picture("roofline").with_look(size="column").save(folder / "roofline-column.svg")
    (folder / "README.md").write_text(page())


if __name__ == "__main__":
    main()
