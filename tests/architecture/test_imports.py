"""Imports point one way. The table is the rule: a part may import what is listed, and nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "roofline"

# part -> (parts of roofline it may import, third-party packages it may import)
EVALUATED = ("evaluate", "mode_totals", "task")
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "findings": (set(), set()),
    "cache": (set(), set()),
    "files": ({"errors"}, set()),
    "figures": ({"", "errors", "files", "model.roofline", "units"}, {"matplotlib", "numpy", "plotly"}),
    "plots": (
        {
            *(
                "analysis",
                "comparison",
                "devices",
                "errors",
                *EVALUATED,
                "export.as_comparison",
                "figures",
                "measured",
                "validation",
            ),
            *("model.time", "selection"),
        },
        {"numpy"},
    ),
    "measured": ({"analysis", "devices", "errors", "files", "findings", "units"}, {"numpy"}),
    "units": ({"errors"}, {"pint"}),
    "plugins": ({"errors"}, set()),
    "strict_yaml": ({"cache", "errors", "files"}, {"yaml"}),
    "section": ({"errors", "units"}, set()),
    "formula_ops": ({"graph", "ops", "section", "strict_yaml"}, set()),
    "own_ops": ({"graph", "ops"}, set()),
    "graph": (
        {"plugins", "errors", "findings"},
        {"onnx", "google", "numpy", "sympy", "onnx_ir", "onnx_shape_inference"},
    ),
    "ops": ({"plugins", "errors", "graph.contrib_shapes", "graph.nodes", "graph.shape_math"}, set()),
    "precision": ({"graph.nodes"}, set()),
    "counting": ({"graph.nodes", "ops", "precision"}, set()),
    "workload": ({"counting", "ops"}, {"numpy"}),
    "devices": ({"", "errors", "files", "findings", "section", "strict_yaml", "units"}, {"numpy"}),
    "model": (set(), {"numpy"}),
    "prediction": ({"model"}, {"numpy"}),
    "task": ({"devices", "model", "prediction", "workload"}, {"numpy"}),
    "mode_totals": ({"devices", "model", "prediction", "task", "workload"}, {"numpy"}),
    "evaluate": ({"devices", "mode_totals", "model", "prediction", "task", "workload"}, {"numpy"}),
    "calibration": (
        {
            *(
                "",
                "analysis",
                "counting",
                "devices",
                "errors",
                *EVALUATED,
                "findings",
                "graph.nodes",
                "measured",
                "model",
            ),
            *("prediction", "section", "strict_yaml", "units"),
        },
        {"numpy", "scipy"},
    ),
    "notes": ({"training", "counting", "analysis", "device_notes", "findings", "units"}, set()),
    "device_notes": ({"analysis", "calibration", "devices", "findings", "units"}, {"numpy"}),
    "verdict": ({"units"}, set()),
    "memory": ({"training", "counting", "fusion", "graph.nodes", "precision"}, set()),
    "training": ({"counting", "fusion", "graph.nodes", "ops", "precision"}, set()),
    "levels": ({"fusion", "counting", "graph.nodes", "memory"}, set()),
    "fusion": ({"counting", "graph.nodes", "ops"}, set()),
    "traffic": ({"ops", "counting", "fusion", "graph.nodes", "precision"}, {"sympy"}),
    "choices": ({"training", "traffic", "devices", "errors", "findings", "formula_ops", "ops", "precision"}, set()),
    "analysis": (
        {
            "calibration",
            "levels",
            "reader",
            "training",
            "memory",
            "traffic",
            "choices",
            "counting",
            "devices",
            "errors",
            *EVALUATED,
            "export",
            "figures",
            "findings",
            "graph",
            "notes",
            "plots",
            "workload",
        },
        {"pandas"},
    ),
    "reader": ({"counting", "findings", "graph", "memory", "ops", "precision", "traffic"}, set()),
    "sweeping": (
        {
            *(
                "",
                "analysis",
                "calibration",
                "choices",
                "devices",
                "errors",
                *EVALUATED,
                "export.as_csv",
                "files",
                "findings",
            ),
            *("graph.bind", "graph.contrib_shapes", "graph.load", "ops", "plugins", "reader", "selection.candidates"),
            *("strict_yaml", "workload"),
        },
        {"distributed", "numpy", "onnx", "pyarrow"},
    ),
    "selection": (
        {
            "analysis",
            "device_notes",
            "devices",
            "errors",
            *EVALUATED,
            "export",
            "files",
            "findings",
            "graph.bind",
            "model",
            "units",
        },
        {"numpy"},
    ),
    "validation": (
        {"analysis", "errors", *EVALUATED, "export", "figures", "findings", "measured", "plots"},
        {"numpy", "scipy"},
    ),
    "measured_runs": ({"analysis", "calibration", "devices", "errors", "measured", "validation"}, set()),
    "joining": ({"analysis", "counting"}, set()),
    "comparison": ({"analysis", "choices", "devices", "errors", "export", "findings", "joining"}, set()),
    "budget": ({"errors", "findings", "section", "strict_yaml", "units"}, set()),
    "formulas": (set(), {"numpy", "sympy"}),
    "crossover": ({"choices", "counting", "devices", "formulas", "workload"}, {"numpy", "sympy"}),
    "expressions": (
        {
            "notes",
            "fusion",
            "traffic",
            "choices",
            "counting",
            "crossover",
            "devices",
            "errors",
            "export",
            "findings",
            "formulas",
            "graph",
        },
        {"numpy", "sympy"},
    ),
    "export": (
        {
            "budget",
            "comparison",
            "findings",
            "joining",
            "graph",
            "ops",
            "formulas",
            "calibration",
            "figures.theme",
            "model.predicted",
            "selection",
            "sweeping.summary",
            "expressions",
            "validation",
            "analysis",
            "bench",
            "counting",
            "devices",
            "errors",
            "units",
            "verdict",
            "workload",
        },
        {"numpy", "rich"},
    ),
    "report": (
        {
            "analysis",
            "calibration.record",
            "devices",
            "model.predicted",
            "prediction",
            "units",
            "errors",
            *EVALUATED,
            "export",
            "figures.theme",
            "findings",
            "notes",
            "",
            "workload",
            "selection.candidates",
            "validation",
        },
        {"numpy"},
    ),
    "bench": (
        {"analysis", "devices", "errors", "export", "findings", "graph.load", "graph.nodes", "measured", "units"},
        {"numpy", "onnx", "onnxruntime", "yaml", "zeus"},
    ),
    "cli": (
        {
            *("", "bench", "budget", "calibration", "comparison", "figures", "formulas", "plots", "selection"),
            *("expressions", "analysis", "choices", "report", "sweeping", "validation"),
            *("devices", "errors", "export", "files", "measured", "units"),
        },
        {"click", "rich"},
    ),
    "__main__": ({"cli"}, set()),
    "__init__": (
        {
            *(
                "comparison",
                "figures",
                "graph",
                "ops",
                "own_ops",
                "plots",
                "selection",
                "sweeping",
                "expressions",
                "analysis",
                "devices",
            ),
            *("bench", "calibration.record", "errors", "findings", "measured_runs", "validation"),
        },
        set(),
    ),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """``roofline.graph.load`` -> ``graph``."""
    return module.partition(".")[2].partition(".")[0]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module in ("roofline", "roofline.devices", "roofline.export", "roofline.graph", "roofline.model"):
                found += [f"{module}.{a.name}" if (PACKAGE.parent / module.replace(".", "/") / f"{a.name}.py").exists()
                          or (PACKAGE.parent / module.replace(".", "/") / a.name).is_dir() else module
                          for a in node.names]  # fmt: skip
            else:
                found.append(module)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    part = relative.parts[0].removesuffix(".py")
    inner, outer = ALLOWED[part]
    for module in imports(path):
        if module == "roofline" or module.startswith("roofline."):
            own = part_of(module)
            fits = own == part or own in inner or any(module.startswith(f"roofline.{i}") for i in inner if "." in i)
            assert fits, f"{relative} may not import {module}"
        else:
            top = module.partition(".")[0]
            assert top in outer or top in sys.stdlib_module_names, f"{relative} may not import {module}"


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules loaded after running `code` in a new process."""
    script = f"{code}\nimport sys; print(' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    environment = {**os.environ, "COLUMNS": "100"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    return set(result.stdout.splitlines()[-1].split())


HEAVY = {"onnx", "onnxruntime", "sympy", "pint", "matplotlib", "plotly", "scipy", "onnx_ir", "distributed", "pyarrow"}


def test_help_loads_nothing_heavy() -> None:
    commands = ("analyze", "devices", "import", "measure", "plot", "report", "select", "sweep")
    for arguments in (["--help"], ["--version"], *([name, "--help"] for name in commands)):
        code = f"from roofline.cli.main import main; assert main({arguments!r}) == 0"
        assert not loaded_by(code) & HEAVY, arguments


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import roofline") & (HEAVY | {"numpy", "yaml", "click"})


def test_plot_libraries_are_imported_by_their_renderer_alone() -> None:
    for library, renderer in (("matplotlib", "to_matplotlib.py"), ("plotly", "to_plotly.py")):
        users = [path.name for path in FILES if any(m.partition(".")[0] == library for m in imports(path))]
        assert set(users) <= {renderer, "figure.py"}, library  # figure.py names their types


def test_one_file_loads_rich_and_only_on_a_terminal() -> None:
    users = {path.relative_to(PACKAGE).as_posix() for path in FILES
             if any(module.partition(".")[0] == "rich" for module in imports(path))}  # fmt: skip
    assert users == {"cli/output.py", "cli/sweep_progress.py", "export/terminal.py"}


def test_building_and_placing_a_figure_loads_no_plot_library() -> None:
    model = Path(__file__).parents[1] / "data" / "models" / "resnet18.onnx"
    code = f"import roofline; roofline.analyze({str(model)!r}, 'orin-agx').plot('roofline').lay_out()"
    assert not loaded_by(code) & {"matplotlib", "plotly"}


def test_the_common_path_needs_only_onnx_and_numpy() -> None:
    model = Path(__file__).parents[1] / "data" / "models" / "resnet18.onnx"
    code = f"from roofline.cli.main import main; assert main(['analyze', {str(model)!r}, '--device', 'orin-agx']) == 0"
    loaded = loaded_by(code)
    assert not loaded & (HEAVY - {"onnx"} | {"rich", "pandas"})
    assert "onnx" in loaded
    unused = {"roofline.budget", "roofline.comparison", "roofline.figures", "roofline.plots"}
    code += f"\nimport sys; assert not {unused} & set(sys.modules)"
    loaded_by(code)


def test_no_public_name_is_that_of_a_module() -> None:
    """Importing the module would put it in the name's place: `roofline.name(...)` would then call a module."""
    import roofline

    parts = {path.stem if path.suffix else path.name for path in PACKAGE.iterdir()}
    assert not parts & set(roofline.__all__)
