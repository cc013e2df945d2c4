"""The shape of the code base, kept by tests."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "wsapps").rglob("*.py"))
PACKAGES = sorted(path for folder in ROOT.glob("wsapps*") if folder.is_dir() for path in folder.rglob("*.py"))
SOURCES = PACKAGES + sorted(path for name in ("tools", "benchmarks") for path in (ROOT / name).rglob("*.py"))
#: Modules that read or run code out of data.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {
    "torch.load",
    "torch.hub.load",
    "torch.jit.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}

each_core_file = pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
each_package_file = pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))


def imported_modules(tree: ast.Module) -> set[str]:
    """Full names of all modules imported anywhere, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def foreign_rooms(tree: ast.Module) -> set[str]:
    """Imports that the core must not have: applications, and the renderer that one of them stands on."""
    roots = {name.split(".")[0] for name in imported_modules(tree)}
    return {root for root in roots if root.startswith("wsapps_") or root == "nerfacc"}


def unsafe_places(tree: ast.Module) -> set[str]:
    found = {name for name in imported_modules(tree) if name.split(".")[0] in UNSAFE_MODULES}
    found |= imported_modules(tree) & UNSAFE_METHODS
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in UNSAFE_CALLS | UNSAFE_METHODS:
            found.add(called)
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg == "allow_pickle" and not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                found.add("allow_pickle")
    return found


def undocumented(tree: ast.Module) -> list[str]:
    """Public functions and classes of a module without a docstring, and the module itself."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    missing = [node.name for node in public if not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) else ["the module", *missing]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_files_were_found():
    names = {str(path.relative_to(ROOT).as_posix()) for path in SOURCES}
    assert {"wsapps/trainer.py", "wsapps/fields/sinusoidal.py", "wsapps_nerf/train.py"} <= names


@each_core_file
def test_core_imports_no_application(path):
    assert foreign_rooms(parse(path)) == set()


@each_package_file
def test_applications_stand_beside_each_other(path):
    own = path.relative_to(ROOT).parts[0]
    assert {room for room in foreign_rooms(parse(path)) if room.startswith("wsapps_")} <= {own}


def test_importing_the_core_loads_no_application():
    """Every module of the core, in a fresh process: nothing comes in by way of a third one either."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in CORE
    ]
    modules = [name for name in modules if not name.endswith("__main__")]
    script = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "assert 'wsapps' in roots and 'torch' in roots\n"
        "print(sorted(r for r in roots if r.startswith('wsapps_') or r == 'nerfacc'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_no_drawer_for_everything():
    names = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert [str(path.relative_to(ROOT)) for path in SOURCES if path.name in names] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_long_files(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, "one idea a file: split it"


@each_package_file
def test_nothing_untrusted_is_run(path):
    assert unsafe_places(parse(path)) == set()


@each_core_file
def test_what_is_public_is_documented(path):
    assert undocumented(parse(path)) == []


def test_public_names_are_documented():
    import wsapps

    for name in wsapps.__all__:
        thing = getattr(wsapps, name)
        assert isinstance(thing, str) or (thing.__doc__ or "").strip(), name


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import torch\ntorch.load('x', weights_only=True)",
        "from torch import load",
        "eval('1')",
        "x = exec('1')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
    ],
)
def test_unsafe_code_would_be_found(code):
    assert unsafe_places(ast.parse(code))


def test_other_breaches_would_be_found():
    assert (
        unsafe_places(ast.parse("model.eval()\nmodel.compile()\nnp.load('x', allow_pickle=False)")) == set()
    )
    assert foreign_rooms(ast.parse("def f():\n    from wsapps_nerf.field import RadianceField"))
    assert foreign_rooms(ast.parse("import nerfacc.grid"))
    assert foreign_rooms(ast.parse("import wsapps.fields")) == set()
    assert undocumented(ast.parse('"""Doc."""\ndef f():\n    return 1')) == ["f"]
    assert undocumented(ast.parse("class _A: pass")) == ["the module"]
