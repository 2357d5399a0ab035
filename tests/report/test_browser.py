"""The report in a browser."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import SIZES, Opened
from conftest import build_model, model_path

from roofline import analyze, units
from roofline.cli.main import main
from roofline.report.page import report_html
from roofline.report.variants import variants

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'").expect


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "resnet50.html"
    model = str(model_path("resnet50"))
    assert main(["report", model, "--bind", "batch=1", "--device", "orin-agx", "-o", str(path)]) == 0
    return path


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report)
    yield found
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [url for url in found.requests if url.startswith("file:")] == [report.as_uri()]
    found.context.close()


def shown_time(**options: Any) -> str:
    analysis = analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}, **options)
    return units.text(analysis.totals["time_s"], "s").replace(" us", " µs")


def verdict(**options: Any) -> str:
    found: str = analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}, **options).to_dict()["verdict"]
    return found


def test_every_mode_shows_what_analyze_prints(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    for mode in ("MAXN", "MODE_15W", "MODE_50W", "MODE_30W"):
        opened.page.select_option("#mode", label=mode)
        model = str(model_path("resnet50"))
        assert main(["analyze", model, "--bind", "batch=1", "--device", "orin-agx", "--mode", mode]) == 0
        printed = capsys.readouterr().out
        assert opened.text("#verdict") == printed.splitlines()[0]
        total = opened.text("#total-time dd").replace("µs", "us")
        assert f"roofline {total}," in printed


NANO = ("--device", "orin-nano-8gb", "--bind", "batch=1", "--precision", "tf32", "--runtime", "ort-cuda")
CALIBRATION = "orin-nano-8gb.ort-cuda.tf32.mobilenet_v2.host"


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predicted") / "mobilenet.html"
    command = ["report", str(model_path("mobilenet_v2")), *NANO, "--calibration", CALIBRATION, "-o", str(path)]
    assert main(command) == 0
    return path


def test_predicted_totals_are_those_of_analyze(
    browser: Any, predicted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Opened(browser, predicted)
    model = str(model_path("mobilenet_v2"))
    for mode in ("25W", "7W", "15W", "MAXN_SUPER"):
        found.page.select_option("#mode", label=mode)
        assert main(["analyze", model, *NANO, "--calibration", CALIBRATION, "--mode", mode, "--format", "json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert found.text("#verdict") == said["verdict"] and said["verdict"].startswith("PREDICTED (")
        totals = {key: units.text(said["totals"][key], "s").replace(" us", " µs") for key in (
            "predicted_time_s", "predicted_low_s", "predicted_high_s", "roofline_time_s", "bound_time_s")}  # fmt: skip
        assert found.text("#total-time dt") == "predicted time per run"
        assert found.text("#total-time dd") == totals["predicted_time_s"]
        assert found.text("#total-time .note") == (
            f"{totals['predicted_low_s']} to {totals['predicted_high_s']}; roofline {totals['roofline_time_s']}; "
            f"never below {totals['bound_time_s']}"
        )
    # the calibration's file says 0.977789 to 1.02271
    assert found.text("#basis") == (
        f"Predicted by calibration {CALIBRATION}: 8 of 10 measured times are −2.22 to +2.27 % off."
    )
    with found.page.expect_download() as saved:
        found.page.click("#csv")
    with Path(saved.value.path()).open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for layer in said["layers"]:
        if layer["status"] == "counted":
            for key in ("roofline_time_s", "predicted_time_s", "share"):
                assert float(rows[layer["name"]][key]) == pytest.approx(layer[key], rel=1e-9)
    assert CALIBRATION in found.text("#numbers tbody tr:last-child")
    assert found.complaints == []
    found.context.close()


def test_a_way_that_the_calibration_is_not_for_says_so(browser: Any, predicted: Path) -> None:
    found = Opened(browser, predicted)
    found.page.select_option("#precision", "fp16")
    assert found.text("#verdict").startswith("ROOFLINE ONLY, not calibrated.")
    assert found.text("#basis") == "Roofline only: what the ceilings allow. A real run is slower."
    assert found.text("#total-time dt") == "roofline time per run"
    found.page.click("#reset")
    assert found.text("#verdict").startswith("PREDICTED (")
    assert found.complaints == []
    found.context.close()


def test_sliders_and_switches_work_it_out_again(opened: Opened) -> None:
    slider = opened.page.locator("#knob-gpu_freq")
    slider.focus()
    slider.press("End")
    assert opened.text("#shown-gpu_freq") == "1300.5MHz"
    assert opened.text("#total-time dd") == shown_time(mode="30W,gpu_freq=1300.5MHz")
    assert opened.page.locator("#mode").input_value() == "custom"
    opened.page.locator("#knob-mem_freq").press("Home")
    opened.page.locator("#knob-tpc").press("ArrowRight")
    mode = "30W,gpu_freq=1300.5MHz,mem_freq=204MHz,tpc=5"
    assert opened.text("#verdict") == verdict(mode=mode)
    opened.page.select_option("#precision", "fp16")
    opened.page.select_option("#traffic", "unfused")
    opened.page.select_option("#level", "cache")
    assert opened.text("#verdict") == verdict(mode=mode, precision="fp16", traffic="unfused", levels=True)
    opened.page.click("#reset")
    assert opened.text("#verdict") == verdict()


def test_the_table_sorts(opened: Opened) -> None:
    everything = analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}).layers
    layers = [layer for layer in everything if layer["status"] != "free"]
    by_time = sorted(layers, key=lambda layer: -layer["roofline_time_s"])
    assert opened.column(1) == [layer["name"] for layer in by_time]
    opened.page.click("#layer-table th[data-key=bytes] button")
    by_bytes = sorted(layers, key=lambda layer: -(layer["bytes_read"] + layer["bytes_written"]))
    assert opened.column(1) == [layer["name"] for layer in by_bytes]
    opened.page.click("#layer-table th[data-key=bytes] button")
    assert opened.page.get_attribute("#layer-table th[data-key=bytes]", "aria-sort") == "ascending"
    assert opened.column(1)[0] == min(layers, key=lambda layer: layer["bytes_read"] + layer["bytes_written"])["name"]


def test_the_table_filters_and_the_picture_with_it(opened: Opened) -> None:
    opened.page.fill("#find", "layer4 downsample")
    assert opened.column(1) == ["/layer4/layer4.0/downsample/downsample.0/Conv"]
    assert opened.page.locator("#chart .point").count() == 1
    assert opened.text("#count").startswith("1 of 55 layers, 3.6 %")
    opened.page.fill("#find", "")
    opened.page.uncheck("#classes input[value=convolution]")
    assert "convolution" not in set(opened.column(7))
    assert set(opened.column(7)) == {"MaxPool", "GlobalAveragePool", "Gemm"}
    opened.page.check("#classes input[value=convolution]")
    slider = opened.page.locator("#share")
    slider.fill("50")
    shares = [layer["share"] for layer in analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}).layers]
    largest, reached = 0, 0.0
    for share in sorted((share or 0.0 for share in shares), reverse=True):
        if reached >= 0.5:
            break
        largest, reached = largest + 1, reached + share
    assert len(opened.column(1)) == largest


def test_row_and_point_show_each_other(opened: Opened) -> None:
    row = opened.page.locator("#layer-table tbody tr").nth(2)
    row.hover()
    number = row.get_attribute("data-i")
    name = opened.column(1)[2]
    expect(opened.page.locator("#chart .ring circle")).to_have_count(1)
    assert opened.text("#tip strong") == name
    opened.page.locator(f"#chart .point[data-i='{number}']").focus()
    opened.page.keyboard.press("ArrowRight")
    marked = opened.page.locator("#layer-table tr.marked")
    expect(marked).to_have_count(1)  # waits: the mark comes with the next frame
    assert marked.get_attribute("data-i") != number
    assert opened.text("#tip strong") == marked.locator("th").text_content()
    opened.page.keyboard.press("Enter")
    assert opened.text("#detail h3") == opened.text("#tip strong")
    opened.page.keyboard.press("Escape")
    expect(marked).to_have_count(0)


def test_what_is_shown_can_be_saved(opened: Opened) -> None:
    opened.page.fill("#find", "layer4")
    with opened.page.expect_download() as saved:
        opened.page.click("#csv")
    with Path(saved.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == opened.column(1)
    analysis = analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1})
    layers = {layer["name"]: layer for layer in analysis.layers}
    for row in rows:
        layer = layers[row["name"]]
        for key in ("flops", "bytes_read", "roofline_time_s", "energy_j", "intensity_flop_per_byte"):
            assert float(row[key]) == pytest.approx(layer[key], rel=1e-9)
        assert (row["limited_by"], row["ceiling"]) == (layer["limited_by"], layer["ceiling"])
    assert saved.value.suggested_filename == "resnet50-orin-agx-MODE_30W-tf32.csv"
    with opened.page.expect_download() as saved:
        opened.page.click("#json")
    data = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert [layer["name"] for layer in data["layers"]] == opened.column(1)
    assert data["verdict"] == verdict()
    assert data["totals"]["energy_j"] == pytest.approx(analysis.totals["energy_j"], rel=1e-9)
    opened.requests[:] = [url for url in opened.requests if not url.startswith("blob:")]


def test_energy_picture_and_mode_table(opened: Opened) -> None:
    opened.page.select_option("#kind", "energy")
    assert opened.page.locator("#chart .roof").count() == 2
    assert "pagoda" in opened.text("#caption")
    opened.page.click("#mode-table button:has-text('MAXN')")
    assert opened.text("#verdict") == verdict(mode="MAXN")
    assert "over the module's 60.0 W" in opened.text("#total-power")
    opened.page.select_option("#precision", "int8")
    assert opened.text("#total-energy dd") == "-"
    assert "no coefficients" in opened.text("#caption")


def test_everything_can_be_reached_by_keyboard(opened: Opened) -> None:
    seen = []
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        seen.append(opened.page.evaluate("(document.activeElement.closest('[id]') || document.body).id"))
    for place in ("mode", "precision", "traffic", "level", "reset", "knob-gpu_freq", "kind", "chart", "find", "share",
                  "csv", "json", "print", "classes", "layer-table", "mode-table"):  # fmt: skip
        assert place in seen, place
    unnamed = opened.page.evaluate(
        "[...document.querySelectorAll('input, select, button')]"
        ".filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", ["report", "predicted"])
def test_it_fits_wide_and_narrow_in_light_and_dark(
    browser: Any, request: pytest.FixtureRequest, page: str, size: str, scheme: str, tmp_path: Path
) -> None:
    found = Opened(browser, request.getfixturevalue(page), size, scheme)
    width = SIZES[size][0]
    assert found.page.evaluate("document.documentElement.scrollWidth") == width
    outside = found.page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll, svg, .skip')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id || e.className || e.tagName)"
    )
    assert outside == []
    found.page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    paper = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = found.page.evaluate("getComputedStyle(document.body).color")
    assert (sum(map(int, paper[4:-1].split(","))) > sum(map(int, ink[4:-1].split(",")))) == (scheme == "light")
    assert found.complaints == []
    found.context.close()


def test_it_prints(browser: Any, report: Path, tmp_path: Path) -> None:
    found = Opened(browser, report, scheme="dark")
    found.page.pdf(path=str(tmp_path / "r.pdf"), format="A4")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    found.page.emulate_media(media="print", color_scheme="dark")
    assert not found.page.locator("#settings").is_visible()
    assert found.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    box = found.page.locator("#layer-scroll")
    assert box.evaluate("(e) => e.scrollHeight <= e.clientHeight + 2")
    found.context.close()


def test_names_that_are_script_do_nothing(browser: Any, tmp_path: Path) -> None:
    import numpy as np
    import onnx

    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202eRTL\n"
    shown = bad.replace("\u202e", "\\u202e").replace("\n", "\\u000a")  # not to be read in another order
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name=bad)
    model = build_model([node], {"x": (64, 64)}, ["y"], {"w": np.zeros((64, 64), np.float32)})
    path = tmp_path / "bad.html"
    path.write_text(report_html(analyze(model, "orin-agx")), encoding="utf-8")
    found = Opened(browser, path)
    assert found.column(1) == [shown]
    found.page.locator("#layer-table tbody tr").first.click()
    found.page.locator("#chart .point").first.focus()
    assert found.text("#detail h3") == shown
    assert "roofline time" in found.text("#detail dl") and f"{2 * 64**3 / 1e3:.0f} kFLOP" in found.text("#detail dl")
    assert found.page.locator("img").count() == 0
    assert found.complaints == []
    assert len(found.requests) == 1 + sum(url.startswith("data:") for url in found.requests)
    found.context.close()


def test_a_way_without_layers_that_take_time_still_opens(browser: Any, tmp_path: Path) -> None:
    import onnx

    model = build_model([onnx.helper.make_node("Identity", ["x"], ["y"])], {"x": (2,)}, ["y"])
    analysis = analyze(model, "raspberry-pi-4")
    path = tmp_path / "empty.html"
    path.write_text(report_html(analysis, variants(analysis)), encoding="utf-8")
    found = Opened(browser, path, "narrow")
    assert found.text("#verdict") == analysis.to_dict()["verdict"]
    assert found.complaints == []
    found.context.close()


@pytest.mark.slow
def test_thousands_of_layers_come_in_parts(browser: Any, tmp_path: Path) -> None:
    import numpy as np
    import onnx

    nodes = [onnx.helper.make_node("MatMul", [f"t{i}", "w"], [f"t{i + 1}"], name=f"layer{i}") for i in range(2000)]
    model = build_model(nodes, {"t0": (8, 8)}, ["t2000"], {"w": np.zeros((8, 8), np.float32)})
    path = tmp_path / "many.html"
    path.write_text(report_html(analyze(model, "orin-agx")), encoding="utf-8")
    found = Opened(browser, path)
    rows = found.page.locator("#layer-table tbody tr")
    assert found.text("#count").startswith("2000 of 2000 layers")
    assert rows.count() == 250
    found.page.locator("#chart .point[data-i='1500']").focus()
    assert found.page.locator("#layer-table tr.marked").get_attribute("data-i") == "1500"
    found.page.fill("#find", "layer1999")
    assert found.column(1) == ["layer1999"]
    found.page.fill("#find", "")
    found.page.click("#more")
    assert rows.count() == 2000
    assert found.complaints == []
    found.context.close()


def test_all_rows_are_printed(browser: Any, tmp_path: Path) -> None:
    import numpy as np
    import onnx

    nodes = [onnx.helper.make_node("MatMul", [f"t{i}", "w"], [f"t{i + 1}"], name=f"layer{i}") for i in range(300)]
    model = build_model(nodes, {"t0": (8, 8)}, ["t300"], {"w": np.zeros((8, 8), np.float32)})
    path = tmp_path / "long.html"
    path.write_text(report_html(analyze(model, "orin-agx")), encoding="utf-8")
    found = Opened(browser, path)
    assert found.page.locator("#layer-table tbody tr").count() == 250
    found.page.pdf(path=str(tmp_path / "long.pdf"))
    assert found.page.locator("#layer-table tbody tr").count() == 300
    found.context.close()
