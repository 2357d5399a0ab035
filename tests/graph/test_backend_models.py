"""ONNX's own node tests: no exception, and the shapes of the test data, but for what only the data can tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import roofline

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))
from backend_models import cases

DATA_DEPENDENT = {
    # as many rows or columns as the text has words
    "test_string_split_basic",
    "test_string_split_maxsplit",
    "test_string_split_consecutive_delimiters",
    "test_string_split_empty_string_delimiter",
    "test_string_split_no_delimiter",
    "test_string_split_empty_tensor",
    "test_strnormalizer_nostopwords_nochangecase",
    "test_strnormalizer_export_monday_casesensintive_nochangecase",
    "test_strnormalizer_export_monday_casesensintive_lower",
    "test_strnormalizer_export_monday_casesensintive_upper",
    "test_strnormalizer_export_monday_empty_output",
    "test_strnormalizer_export_monday_insensintive_upper_twodim",
    # as large as the image is: an image decoder runs programs, so none is run on a file's behalf
    *(
        f"test_image_decoder_decode_{form}"
        for form in (
            "jpeg_rgb",
            "jpeg_grayscale",
            "jpeg_bgr",
            "jpeg2k_rgb",
            "bmp_rgb",
            "png_rgb",
            "tiff_rgb",
            "webp_rgb",
            "pnm_rgb",
        )
    ),
    # a slice whose ends are the loop's counter
    "test_loop11",
}


def test_every_shape_that_can_be_known_is_known() -> None:
    wrong = set()
    for name, model, want in cases():
        tensors = roofline.analyze(model).graph.tensors
        if {tensor: tensors[tensor].shape if tensor in tensors else None for tensor in want} != want:
            wrong.add(name)
    assert wrong == DATA_DEPENDENT


@pytest.mark.parametrize("name", sorted(DATA_DEPENDENT)[:3])
def test_what_only_the_data_can_tell_is_said(name: str) -> None:
    model = next(model for found, model, _ in cases() if found == name)
    assert "unknown-shape" in {finding.code for finding in roofline.analyze(model).findings}


@pytest.mark.slow
def test_no_operator_of_an_unknown_type_takes_the_process_along() -> None:
    """Each version of each operator, its inputs absent or unknown: the C++ rules of some end the process."""
    script = Path(__file__).parents[1] / "reports" / "fragile_operators.py"
    done = subprocess.run([sys.executable, str(script), "--own"], capture_output=True, text=True, timeout=300)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0 and last.endswith("models, and no end"), f"{last}: {done.stderr[-500:]}"
    assert int(last.split()[0]) > 15_000
