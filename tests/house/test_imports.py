"""The arrows of the house: imports run downwards only, heavy ones stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ethopose

SOURCE = Path(ethopose.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
LINES = (  # from the top; what stands on one line are peers
    {"cli"},
    {"compat"},
    {"run"},
    {"testing", "about"},
    {"evaluate"},
    {"predict", "train", "reid"},
    {"runtime"},
    {"families"},
    {"models"},
    {"track", "smooth", "metrics", "draw"},
    {"formats"},
    {"store"},
    {"media"},
    {"core"},
)
HEIGHT = {package: len(LINES) - line for line, packages in enumerate(LINES) for package in packages}
WITH_TORCH = {"models", "families", "runtime", "train", "reid"}
HEAVY = {"torch", "torchvision", "openvino", "timm", "lightning"}
ABOVE_ALL = {SOURCE / "__init__.py", SOURCE / "__main__.py"}


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Each name imported, and whether at import of the module; those for type checkers are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they lead"
            yield from ((f"{node.module}.{alias.name}", True) for alias in node.names)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from ((name, early and not inside) for name, early in imports(node))


def package_of(module: Path) -> str:
    return module.relative_to(SOURCE).parts[0].removesuffix(".py")


def wrong_arrows(package: str, tree: ast.AST) -> list[str]:
    """Imports of this package that run upwards or to a peer."""
    wrong = []
    for name, _ in imports(tree):
        if name.split(".")[0] != "ethopose":
            continue
        target = name.split(".")[1] if "." in name else ""
        down = HEIGHT.get(target, 99) < HEIGHT[package] or target == package
        if not down and not (package in ("cli", "compat") and target not in HEIGHT):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("module", sorted(set(MODULES) - ABOVE_ALL), ids=lambda m: str(m.relative_to(SOURCE)))
def test_imports_run_downwards_only(module):
    assert wrong_arrows(package_of(module), ast.parse(module.read_text())) == []


@pytest.mark.parametrize(
    ("package", "line", "is_wrong"),
    [
        ("store", "from ethopose.core import Poses", False),
        ("core", "from ethopose.store import read", True),
        ("draw", "from ethopose.metrics import gaps", True),
        ("predict", "from ethopose.cli.screen import Screen", True),
        ("media", "import ethopose", True),
        ("cli", "import ethopose", False),
        ("formats", "def f():\n    from ethopose.models import spec", True),
        ("core", "if TYPE_CHECKING:\n    from ethopose.store import Result", False),
    ],
)
def test_a_wrong_arrow_is_noticed(package, line, is_wrong):
    assert bool(wrong_arrows(package, ast.parse(line))) == is_wrong


def test_every_package_has_its_line():
    packages = {package_of(module) for module in set(MODULES) - ABOVE_ALL}
    assert packages <= HEIGHT.keys()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_networks_are_imported_only_where_they_live(module):
    for name, early in imports(ast.parse(module.read_text())):
        if name.split(".")[0] in HEAVY:
            assert package_of(module) in WITH_TORCH, f"{name} has no business here"
            is_torch = name.split(".")[0] != "openvino"
            assert not early or is_torch, f"{name} is to be imported late"


def test_nobody_imports_the_command_line():
    users = [
        module
        for module in MODULES
        if package_of(module) != "cli" and module.name != "__main__.py"
        for name, _ in imports(ast.parse(module.read_text()))
        if name.startswith("ethopose.cli")
    ]
    assert users == []


TOLD = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"


def loaded_by(lines: str) -> set[str]:
    read = subprocess.run(
        [sys.executable, "-c", f"{lines}\n{TOLD}"], capture_output=True, text=True, check=True
    )
    return set(read.stdout.splitlines()[-1].split())


def test_importing_ethopose_loads_nothing_heavy():
    loaded = loaded_by("import ethopose; ethopose.__all__; dir(ethopose)")
    assert "ethopose" in loaded
    assert not loaded & {"torch", "openvino", "pandas", "cv2", "numba", "h5py", "matplotlib", "av", "numpy"}


def test_the_names_for_results_load_no_network_library():
    loaded = loaded_by("import ethopose; ethopose.read, ethopose.Poses, ethopose.Labels, ethopose.Options")
    assert "numpy" in loaded
    assert not loaded & {"torch", "openvino", "cv2", "matplotlib"}


def test_what_is_declared_about_models_and_all_that_uses_it_load_no_network_library():
    users = "predict, ethopose.families, ethopose.runtime, ethopose.models.grouping, ethopose.cli.app"
    assert not loaded_by(f"import ethopose.{users}") & HEAVY


SLOW = {"numba", "scipy", "networkx"}  # seconds, in every process of a run


def test_what_predicts_loads_compiled_code_only_for_what_needs_it():
    users = (
        "predict, ethopose.run, ethopose.run.worker, ethopose.run.preflight, ethopose.evaluate, ethopose.draw"
    )
    loaded = loaded_by(f"import ethopose.{users}")
    assert "ethopose" in loaded
    assert not loaded & SLOW


def test_a_prediction_with_a_converted_network_loads_no_torch(tiny, tmp_path):
    from clips import BATCH, write_clip

    clip = write_clip(tmp_path / "clip.mp4", 16)
    call = (
        f"ethopose.predict({str(clip)!r}, {str(tiny())!r}, batch_size={BATCH}, overwrite=True, format='none')"
    )
    loaded_by(f"import ethopose; {call}")
    loaded = loaded_by(f"import ethopose; {call}")
    assert "openvino" in loaded
    assert not loaded & {"torch", "pandas", "matplotlib", "openvino_telemetry", *SLOW}


def test_every_module_can_be_imported():
    from importlib import import_module

    for module in MODULES:
        if module.name != "__main__.py":
            import_module(
                ".".join(("ethopose", *module.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
                    ".__init__"
                )
            )
