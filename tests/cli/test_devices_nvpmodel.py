"""``roofline devices import-nvpmodel`` and ``export-nvpmodel``."""

from __future__ import annotations

from pathlib import Path

import pytest

from roofline.cli.main import main

DATA = Path(__file__).parents[1] / "data" / "nvpmodel"
AGX, NANO = str(DATA / "orin_agx.conf"), str(DATA / "nano.conf")
BOARD = str(DATA / "nano.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["devices", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_import_to_stdout_with_findings_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "import-nvpmodel", NANO, "--device", BOARD)
    assert code == 0
    assert "\nid: nano-custom\n" in out and "gpu_freq: 614.4 MHz" in out
    assert err.startswith("Findings\n") and f"- nvpmodel-step  {NANO}:38: 5W: GPU MAX_FREQ 640.000 MHz" in err
    assert run(capsys, "import-nvpmodel", NANO, "--device", BOARD, "-q", "--id", "mine") == (
        0, out.replace("nano-custom", "mine"), "")  # fmt: skip


def test_the_written_file_passes_the_check_and_is_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "my-orin.yaml"
    code, out, _ = run(capsys, "import-nvpmodel", AGX, "--device", "orin-agx", "-o", str(target))
    assert (code, out) == (0, "")
    code, out, _ = run(capsys, "check", str(target))
    assert code == 0 and out.startswith(f"{target}: ok, 4 modes, ")
    _, out, _ = run(capsys, "show", str(target))
    assert "MODE_30W (default)" in out and "MODE_50W" in out


def test_export(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "export-nvpmodel", "orin-agx")
    assert (code, err) == (0, "") and "NOT INSTALLABLE BY ITSELF" in out
    assert [line for line in out.splitlines() if line.startswith("<")] == [
        f"< POWER_MODEL ID={i} NAME={name} >" for i, name in enumerate(("MAXN", "MODE_15W", "MODE_30W", "MODE_50W"))
    ]
    target = tmp_path / "modes.conf"
    assert run(capsys, "export-nvpmodel", "orin-agx", "-o", str(target)) == (0, "", "")
    assert target.read_text() == out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["import-nvpmodel", AGX], 2, "--device"),
        (["import-nvpmodel", "nothing.conf", "--device", "orin-agx"], 1, "nothing.conf: no such file"),
        (["import-nvpmodel", AGX, "--device", "orin-agy"], 1, "did you mean orin-agx"),
        (["import-nvpmodel", BOARD, "--device", "orin-agx"], 1, "there is no POWER_MODEL"),
        (["import-nvpmodel", AGX, "--device", "orin-agx", "--id", "A B"], 2, "no device id"),
        (["import-nvpmodel", AGX, "--device", "orin-agx", "--id", "a", "-o", "b.yaml"], 2, "a.yaml"),
        (["import-nvpmodel", AGX, "--device", "orin-agx", "-o", "/no/such/folder/x.yaml"], 1, "cannot write"),
        (["export-nvpmodel", "orin-agy"], 1, "did you mean orin-agx"),
        (["export-nvpmodel"], 2, "DEVICE"),
    ],
)
def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str) -> None:
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "")
    assert err.count("\n") == 1 and err.startswith("roofline: ") and text in err


def test_a_wrong_conf_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    conf, target = tmp_path / "bad.conf", tmp_path / "new.yaml"
    conf.write_text("< POWER_MODEL ID=0 NAME=A >\nGPU MAX_FREQ fast\n")
    code, _, err = run(capsys, "import-nvpmodel", str(conf), "--device", "orin-agx", "-o", str(target))
    assert code == 1 and err.startswith(f"roofline: {conf}:2: GPU MAX_FREQ 'fast' is no clock")
    assert list(tmp_path.iterdir()) == [conf]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0 and "import-nvpmodel" in out and "export-nvpmodel" in out
    for name in ("import-nvpmodel", "export-nvpmodel"):
        code, out, _ = run(capsys, name, "--help")
        assert code == 0 and f"roofline devices {name}" in out
