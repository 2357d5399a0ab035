"""``roofline plot``: files, one line per error, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from roofline.cli.main import main

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "tests" / "data" / "models" / "resnet18.onnx")
ORIN = ("--device", "orin-agx", "--precision", "fp16")


@pytest.mark.parametrize(
    "options",
    [
        ("--kind", "roofline", "--theme", "dark"),
        ("--kind", "pareto", "--grid", "named", "--slack", "5%"),
        ("--kind", "heatmap", "--value", "time", "--size", "column"),
        ("--kind", "batch", "--batch", "1,2"),
        ("--kind", "compare", "--vs", "mode=MAXN"),
        ("--kind", "compare", str(ROOT / "tests" / "data" / "models" / "resnet50.onnx")),
    ],
)
def test_pictures(options: tuple[str, ...], tmp_path: Path) -> None:
    output = tmp_path / "picture.svg"
    assert main(["plot", MODEL, *ORIN, *options, "-o", str(output)]) == 0
    assert output.read_text().startswith("<?xml")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.svg"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((*ORIN, "--kind", "pie"), 2, "--kind: no picture 'pie'; expected roofline, energy, modes, power, pareto"),
        (("--kind", "roofline"), 2, "--kind roofline: this picture needs a device; expected --device as well"),
        (("--device", "orin-agx", "--precision", "int8", "--kind", "energy"), 1, "no coefficients for int8"),
        ((*ORIN, "--theme", "sepia"), 2, "--theme: no theme 'sepia'; expected light, dark"),
        ((*ORIN, "--size", "a4"), 2, "--size: no size 'a4'; expected column, slide"),
        ((*ORIN, "--kind", "heatmap", "--value", "power"), 2, "--value: no map of 'power'; expected time, energy"),
        ((*ORIN, "--kind", "compare"), 2, "both sides are the same; expected a second model"),
        ((*ORIN, "--vs", "mode=MAXN"), 2, "a second side is for one kind only; expected --kind compare"),
        ((*ORIN, "--kind", "measured"), 2, "measured runs and the picture of them go together"),
        ((*ORIN, "--slack", "5%"), 2, "--slack is for --kind pareto and heatmap, and changes nothing in roofline"),
        ((*ORIN, "--kind", "heatmap", "--grid", "named"), 2, "--grid is for --kind pareto"),
        ((*ORIN, "--batch", "1,2"), 2, "batch sizes are for one kind only; expected --kind batch"),
        ((*ORIN, "--kind", "measured", "--measured", "no.csv"), 1, "no.csv: no such file"),
        (("--device", "nowhere"), 1, "nowhere"),
    ],
)
def test_errors_are_one_line(
    options: tuple[str, ...], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", MODEL, *options, "-o", str(tmp_path / "a.png")]) == code
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_suffix_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "no-such-model.onnx", *ORIN, "-o", "picture.gif"]) == 2  # before the model is looked for
    assert "-o picture.gif: the suffix names no form of a picture; expected .png, .svg" in capsys.readouterr().err
    assert main(["plot", MODEL, *ORIN, "-o", str(tmp_path / "no" / "a.png")]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert main(["plot", MODEL, *ORIN]) == 2
