"""The page as text: what is in it, what cannot get out of it, and the command that writes it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import build_model, model_path

from roofline import analyze
from roofline.analysis import Analysis
from roofline.cli.main import main
from roofline.errors import UsageError
from roofline.figures.theme import OP_CLASSES, THEMES
from roofline.report.page import SCRIPTS, part, report_html, script_safe
from roofline.report.variants import variants

BAD = "</script><script>alert(1)</script><!-- ]]> {{data}} \u2028 &lt; ' \" <img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Elements(page).scripts[0])
    return found


def made(name: str = "resnet50", **options: Any) -> Analysis:
    return analyze(model_path(name), "orin-agx", bindings={"batch": 1}, **options)


def test_the_page_is_one_file_that_asks_for_nothing() -> None:
    page = report_html(made())
    elements = Elements(page)
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert [tag for tag, _ in elements.tags].count("script") == 2
    places = [a.get(key) for _, a in elements.tags for key in ("src", "href", "action", "data", "srcset") if key in a]
    assert sorted(filter(None, places)) == ["#layers", "data:,"]
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style.replace("url(#", "") and "@import" not in style
    script = elements.scripts[1]
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|WebSocket|eval|innerHTML|sendBeacon)\b", script)


def test_the_policy_lets_only_this_script_and_style_run() -> None:
    page = report_html(made())
    policy = next(a["content"] for _, a in Elements(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    for text in (Elements(page).scripts[1], style):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in (policy or "")
    assert (policy or "").startswith("default-src 'none'")
    assert "unsafe" not in (policy or "")


def test_labels_and_ids_hold_together() -> None:
    page = report_html(made())
    elements = Elements(page)
    ids = elements.ids()
    assert len(ids) == len(set(ids))
    for _, attributes in elements.tags:
        for key in ("aria-labelledby", "for"):
            if key in attributes:
                assert attributes[key] in ids
    script = elements.scripts[1]
    asked = set(re.findall(r'\$\("([\w-]+)"\)', script))
    assert asked <= set(ids) | {"total-power"}, asked - set(ids)
    assert ("html", {"lang": "en"}) in elements.tags


def test_what_the_page_says_first_is_what_analyze_says_first() -> None:
    analysis = made(precision="fp16", mode="50W")
    verdict = analysis.to_dict()["verdict"]
    page = report_html(analysis)
    assert f'<p id="verdict" role="status">{verdict}</p>'.replace("'", "&#x27;") in page
    assert data_of(page)["verdict"] == verdict


def test_numbers_in_the_page_are_those_of_analyze() -> None:
    analysis = made()
    others = variants(analysis)
    data = data_of(report_html(analysis, others))
    columns = data["columns"]

    def counted(way: dict[str, Any], column: list[Any]) -> list[Any]:
        """Leave out free nodes that Pagoda's convention charges."""
        return [value for value, status in zip(column, columns[way["status"]], strict=True) if status != "free"]

    assert len(data["ways"]) == 1 + len(others) == 16
    for way, of in zip(data["ways"], (analysis, *others), strict=True):
        shown = of.to_dict()
        layers = [layer for layer in shown["layers"] if layer["status"] == "counted"]
        assert (way["precision"], way["traffic"], way["levels"]) == (of.precision, of.traffic, of.levels is not None)
        for key, column in (("name", "name"), ("bytes_read", "bytes_read"), ("bytes_written", "bytes_written"),
                            ("macs", "layer_macs"), ("nodes", "nodes"), ("class", "class")):  # fmt: skip
            assert counted(way, columns[way[column]]) == [layer[key] for layer in layers]
        flops = np.sum([columns[place] for place in way["flop"]], axis=0)
        assert counted(way, flops.tolist()) == [layer["flops"] for layer in layers]
        assert counted(way, columns[way["moved_byte"]]) == [
            layer["bytes_read"] + layer["bytes_written"] for layer in layers
        ]
        assert columns[way["findings"]] == shown["findings"]
        assert (way["energy"] is None) == (shown["totals"]["energy_j"] is None)
    assert [mode["name"] for mode in data["modes"]] == ["MAXN", "MODE_15W", "MODE_30W", "MODE_50W"]
    assert data["start"] == data["modes"][2]
    assert data["device"]["seen"] == ["gpu_freq", "mem_freq", "tpc"]


def test_ways_are_what_the_device_has_rates_for() -> None:
    def found(analysis: Analysis, **options: Any) -> set[tuple[str, str, bool]]:
        return {(a.precision, a.traffic, a.levels is not None) for a in (analysis, *variants(analysis, **options))}

    everything = found(made())
    assert {p for p, _, _ in everything} == {"fp32", "tf32", "fp16", "int8"}
    assert {t for _, t, _ in everything} == {"fused", "unfused"}
    assert found(made(precision="fp16"), precision="fp16") == everything
    assert found(made(levels=True)) == everything
    pagoda = found(made(traffic="pagoda")) - everything
    assert {(t, levels) for _, t, levels in pagoda} == {("pagoda", False)}
    training = found(made("resnet18", phase="training", optimizer="sgd"), optimizer="sgd")
    assert {p for p, _, _ in training} == {"fp32", "tf32", "fp16"}
    assert not any(levels for _, _, levels in training)
    cpu = found(analyze(model_path("resnet18"), "raspberry-pi-4", bindings={"batch": 1}))
    assert {p for p, _, _ in cpu} == {"fp32"}


def test_a_way_is_what_analyze_gives_for_those_options() -> None:
    first = made("mobilenet_v2")
    asked = {"precision": "fp16", "traffic": "unfused", "levels": True}
    way = {(v.precision, v.traffic, v.levels is not None): v for v in variants(first)}["fp16", "unfused", True]
    assert way.to_dict() == made("mobilenet_v2", **asked).to_dict()


def test_what_was_asked_for_is_kept_in_other_ways() -> None:
    first = made("resnet18", precision="fp32", mode="30W,gpu_freq=816MHz", runtime="torch")
    way = next(v for v in variants(first, precision="fp32") if (v.precision, v.traffic) == ("fp32", "unfused"))
    assert way.evaluation is not None and first.evaluation is not None
    assert way.evaluation.modes[0] == first.evaluation.modes[0]
    assert way.runtime == "torch"


def test_a_graph_that_is_read_has_its_sizes() -> None:
    with pytest.raises(UsageError, match="sizes already"):
        analyze(made().graph, "orin-agx", bindings={"batch": 2})


def named(layer: str) -> onnx.ModelProto:
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name=layer)
    return build_model([node], {"x": (8, 8)}, ["y"], {"w": np.zeros((8, 8), np.float32)})


def test_names_from_files_are_never_markup_or_script() -> None:
    page = report_html(analyze(named(BAD), "orin-agx"))
    plain = report_html(analyze(named("plain"), "orin-agx"))
    assert [tag for tag, _ in Elements(page).tags] == [tag for tag, _ in Elements(plain).tags]
    assert Elements(page).scripts[1] == Elements(plain).scripts[1]
    data = data_of(page)
    assert data["columns"][data["ways"][0]["name"]] == [BAD]
    assert "alert(1)</script" not in page


def test_names_in_the_text_of_the_page_are_escaped() -> None:
    analysis = analyze(named("plain"), "orin-agx")
    assert analysis.device is not None
    device = analysis.device._replace(
        name=BAD, unknown=(BAD,), conflicts=(BAD,), sources=dict.fromkeys(analysis.device.sources, BAD)
    )
    page = report_html(analyze(named("plain"), device))
    tags = [tag for tag, _ in Elements(page).tags if tag != "li"]
    plain = [tag for tag, _ in Elements(report_html(analysis)).tags if tag != "li"]
    assert tags == plain
    assert "<img" not in page


def test_script_safe_text_is_the_same_json() -> None:
    assert json.loads(script_safe(json.dumps({"a": BAD}, ensure_ascii=False))) == {"a": BAD}
    assert not set("<>&\u2028\u2029") & set(script_safe(json.dumps(BAD, ensure_ascii=False)))


def test_every_number_in_use_names_its_source() -> None:
    page = report_html(made())
    numbers = page[page.index('<table id="numbers">') : page.index("<h3>Sources</h3>")]
    for shown in (
        "processors.gpu.pipes.matrix.tf32",
        "1024 FLOP/clk",
        "memory.efficiency",
        "210 B/clk",
        "PAGODA",
        "voltage",
    ):
        assert shown in numbers
    assert "processors.cpu" not in numbers and "fp16-rails" not in numbers
    sources = page[page.index("<h3>Sources</h3>") :]
    assert "arXiv 2509.20189" in sources
    assert "fp16-rails" in report_html(made(), variants(made()))


def test_a_report_needs_a_device() -> None:
    analysis = analyze(model_path("resnet18"), bindings={"batch": 1})
    for call in (report_html, variants):
        with pytest.raises(UsageError, match="on a device"):
            call(analysis)


@pytest.mark.slow
def test_two_thousand_layers_stay_small() -> None:
    names = [f"/a/rather/long/name/of/a/layer/{i}/MatMul" for i in range(2000)]
    nodes = [onnx.helper.make_node("MatMul", [f"t{i}", "w"], [f"t{i + 1}"], name=name) for i, name in enumerate(names)]
    model = build_model(nodes, {"t0": (8, 8)}, ["t2000"], {"w": np.zeros((8, 8), np.float32)})
    analysis = analyze(model, "orin-agx")
    page = report_html(analysis, variants(analysis))
    data = data_of(page)
    assert data["columns"][data["ways"][0]["name"]] == names
    assert len(page.encode()) < 3e6


def test_scripts_are_joined_whole() -> None:
    assert Elements(report_html(made())).scripts[1] == "\n".join(part(name) for name in SCRIPTS)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["report", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


RESNET = str(model_path("resnet18"))


def test_the_command_writes_a_page(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    code, out, err = run(RESNET, "--bind", "batch=1", "--device", "orin-agx", "--mode", "15W", "-o", str(page))
    assert (code, out, err) == (0, "", "")
    data = data_of(page.read_text(encoding="utf-8"))
    assert data["start"]["name"] == "MODE_15W"
    assert len(data["ways"]) == 16


def test_the_command_writes_to_stdout_and_reads_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model = named("only").SerializeToString()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(model)))
    code, out, _ = run("-", "--device", "t4", "-o", "-")
    assert code == 0
    assert data_of(out)["device"]["id"] == "t4"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "r.html"), 2, "--device"),
        (("--device", "orin-agx"), 2, "-o"),
        (("--device", "orin-agx", "-o", "r.pdf"), 2, ".html"),
        (("--device", "nothing", "-o", "r.html"), 1, "nothing"),
        (("--device", "orin-agx", "--mode", "99W", "-o", "r.html"), 1, "99W"),
        (("--device", "orin-agx", "-o", "no/such/folder/r.html"), 1, "folder"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = run(RESNET, "--bind", "batch=1", *arguments)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1 and said in err
    assert list(tmp_path.iterdir()) == []


def test_strict_writes_the_page_and_says_why_not(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    code, _, err = run(RESNET, "--device", "orin-agx", "--strict", "-o", str(page))
    assert code == 3
    assert "batch-assumed" in err
    assert page.exists()


def test_classes_look_as_in_the_pictures() -> None:
    page = report_html(analyze(model_path("resnet18"), "orin-agx", bindings={"batch": 1}))
    for name, (colour, marker) in OP_CLASSES.items():
        for theme in THEMES.values():
            assert f"--{name}: {theme.colour(colour)};" in page
        assert f'"{name}":"{marker}"' in page
