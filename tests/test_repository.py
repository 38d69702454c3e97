"""The rules of the house that a machine can check: layers, names, dependencies, pins, and nothing unpickled."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stcnn"
MODULES = sorted(PACKAGE.rglob("*.py"))
DISTRIBUTIONS = packages_distributions()
OWN = {"stcnn", "tests", *(path.stem for path in (ROOT / "benchmarks").glob("*.py"))}
PARTS = {
    "cycler": "matplotlib",
    "griffelib": "mkdocstrings",
    "hdmf": "pynwb",
    "jsonschema": "nbclient",
    "mkdocs": "mkdocs-material",
    "markupsafe": "jinja2",
    "nbformat": "nbclient",
    "numcodecs": "zarr",
    "omegaconf": "hydra-core",
    "packaging": "pytest",
    "pydantic-core": "pydantic",
}
"""Distributions that are the other half of a declared one."""
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]


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
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / file).read_text(), flags=re.MULTILINE)
    return {distribution(name): version for name, version in pins}


def imported(modules: list[Path]) -> set[str]:
    """Every distribution that modules import, parts of a larger one under its name."""
    names = set()
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    foreign = names - sys.stdlib_module_names - OWN
    found = {distribution(provider) for name in foreign for provider in DISTRIBUTIONS.get(name, [name])}
    return {PARTS.get(name, name) for name in found}


def test_imports_point_one_way() -> None:
    # In a process of its own: import-linter switches off the loggers of the process it runs in.
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    linted = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_name_says_something_and_hides_no_library(module: Path) -> None:
    name = module.parent.name if module.name == "__init__.py" else module.stem
    assert name not in {"util", "utils", "helper", "helpers", "common", "base", "misc"}
    assert name not in sys.stdlib_module_names
    if module.parent == PACKAGE:  # 'python train.py' puts this folder first on sys.path
        assert name == "stcnn" or name not in DISTRIBUTIONS


def test_package_imports_what_it_declares_and_declares_what_it_imports() -> None:
    through_pandas = {"pyarrow"}  # pandas reads and writes Parquet with it
    through_torch = {"onnxscript", "tensorboard"}  # torch.onnx.export and torch.utils.tensorboard write with them
    through_fsspec = {"s3fs"}  # opens s3:// with it
    with_torch = {"triton"}  # the CUDA build of torch brings it; without it the package says so and goes on
    trackers = ("tensorboard", "wandb", "mlflow", "trackio")
    assert (imported(MODULES) | through_pandas | through_torch | through_fsspec) - with_torch == set(
        declared() | declared("export", "eyemap", "live", "remote", "search", "tdms", *trackers)
    )


def test_tests_and_benchmarks_import_what_is_declared() -> None:
    modules = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / ".ci").glob("*.py")]
    assert imported(modules) <= set(
        declared() | declared("dev", "docs", "export", "live", "search", "tdms", "tensorboard")
    )


def test_every_file_of_the_package_is_installed_with_it() -> None:
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]["stcnn"]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert files <= installed


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for requirement in [*declared().values(), *declared("dev", "docs", "live").values()]:
        assert re.search(rf'^  "{re.escape(requirement.name)}\b.*",\s*# \w+', text, flags=re.MULTILINE), requirement


def test_requirements_pin_a_permitted_release_of_every_dependency() -> None:
    run, dev = pinned("requirements.txt"), pinned("requirements-dev.txt")
    for name, requirement in declared().items():
        assert requirement.specifier.contains(run[name]), requirement
    for name, requirement in declared("dev", "docs", "live").items():
        assert requirement.specifier.contains(dev[name]), requirement


def test_requirements_install_the_package_itself() -> None:
    assert (ROOT / "requirements.txt").read_text().splitlines()[-1] == "-e ."


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert "weights_only=True" in ast.unparse(node), f"line {node.lineno}"
