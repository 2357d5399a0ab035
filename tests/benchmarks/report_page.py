"""Size of a report page of 2,000 layers with every way of counting, and the time that Chromium takes to open it.

python tests/benchmarks/report_page.py [--layers 2000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import build_model

from roofline import analyze
from roofline.report.page import report_html
from roofline.report.variants import variants


def page(layers: int) -> str:
    """Return the page of a chain of matrix products on AGX Orin."""
    nodes = [
        onnx.helper.make_node(
            "MatMul", [f"t{i}", "w"], [f"t{i + 1}"], name=f"/a/rather/long/name/of/a/layer/{i}/MatMul"
        )
        for i in range(layers)
    ]
    model = build_model(nodes, {"t0": (8, 8)}, [f"t{layers}"], {"w": np.zeros((8, 8), np.float32)})
    analysis = analyze(model, "orin-agx")
    return report_html(analysis, variants(analysis))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    start = time.process_time()
    text = page(options.layers)
    made = time.process_time() - start
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    seconds = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=executable, args=sandbox)
        for _ in range(options.rounds + 1):
            opened = browser.new_page()
            before = time.perf_counter()
            opened.goto(path.as_uri())  # until the load event: the script has drawn everything by then
            seconds.append(time.perf_counter() - before)
            rows = opened.locator("#layer-table tbody tr").count()
            assert rows > 0, "nothing is drawn"
            opened.close()
        browser.close()
    print(f"{options.layers} layers: {len(text.encode()) / 1e6:.2f} MB, made in {made:.1f} s of CPU time;")
    print(f"Chromium opens it in {statistics.median(seconds[1:]):.2f} s (median of {options.rounds})")


if __name__ == "__main__":
    main()
