"""The rules of the house that a machine can check: layers, names, dependencies, pins, and nothing unpickled."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stcnn"
MODULES = sorted(PACKAGE.rglob("*.py"))
DISTRIBUTIONS = packages_distributions()
PARTS = {
    "cycler": "matplotlib",
    "hdmf": "pynwb",
    "numcodecs": "zarr",
    "omegaconf": "hydra-core",
    "pydantic-core": "pydantic",
}
"""Distributions that are the other half of a declared one."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distribution(name: str) -> str:
    """Name of a distribution in the one spelling that can be compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> dict[str, Requirement]:
    """Requirements of the package, or of its named extras."""
    lines = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    requirements = [Requirement(line) for line in (lines or PROJECT["dependencies"])]
    return {distribution(requirement.name): requirement for requirement in requirements}


def pinned(file: str) -> dict[str, str]:
    """Version of every distribution that a requirements file pins."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / file).read_text(), flags=re.MULTILINE)
    return {distribution(name): version for name, version in pins}


def imported() -> Iterator[tuple[Path, str]]:
    """Every top-level name that a module of the package imports, with the module."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield module, node.module.split(".")[0]


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_name_says_something_and_hides_no_library(module: Path) -> None:
    name = module.parent.name if module.name == "__init__.py" else module.stem
    assert name not in {"util", "utils", "helper", "helpers", "common", "base", "misc"}
    assert name not in sys.stdlib_module_names
    if module.parent == PACKAGE:  # 'python train.py' puts this folder first on sys.path
        assert name == "stcnn" or name not in DISTRIBUTIONS


def test_package_imports_what_it_declares_and_declares_what_it_imports() -> None:
    names = {name for _, name in imported()} - sys.stdlib_module_names - {"stcnn"}
    found = {distribution(provider) for name in names for provider in DISTRIBUTIONS.get(name, [name])}
    found.add("pyarrow")  # pandas reads and writes Parquet through it
    assert {PARTS.get(name, name) for name in found} == set(declared())


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for requirement in [*declared().values(), *declared("dev", "docs").values()]:
        assert re.search(rf'^  "{re.escape(requirement.name)}\b.*",\s*# \w+', text, flags=re.MULTILINE), requirement


def test_requirements_pin_a_permitted_release_of_every_dependency() -> None:
    run, dev = pinned("requirements.txt"), pinned("requirements-dev.txt")
    for name, requirement in declared().items():
        assert requirement.specifier.contains(run[name]), requirement
    for name, requirement in declared("dev", "docs").items():
        assert requirement.specifier.contains(dev[name]), requirement


def test_requirements_install_the_package_itself() -> None:
    assert (ROOT / "requirements.txt").read_text().splitlines()[-1] == "-e ."


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert "weights_only=True" in ast.unparse(node), f"line {node.lineno}"
