"""What every test shares: the reference data, a fixed seed, few threads, and Hypothesis without deadlines."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from hypothesis import settings

from tests.support.browser import require_chromium
from tests.support.chromium import Chromium, Tab
from tests.support.pages import Opens

SHARED = Path(__file__).resolve().parents[2] / "shared"

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
N_THREADS = max(1, min(4, (os.cpu_count() or 1) // WORKERS))  # the tensors of the tests are too small for more
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(N_THREADS))  # for the programs that tests start

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

if not torch.cuda.is_available():  # Triton's kernels then run line by line on the CPU
    os.environ.setdefault("TRITON_INTERPRET", "1")

torch.set_num_threads(N_THREADS)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the published weights and recordings, beside the checkout; never part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED}, which are not part of the repository")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep simulated recordings and compiled code for the session only, made anew with the code as it is.

    Workers that run side by side share them.
    """
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if WORKERS > 1 else base) / "cache"
    cache.mkdir(exist_ok=True)
    os.environ["STCNN_CACHE"] = str(cache)


OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera of Chromium's own that shows a moving pattern, allowed without a question."""


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests, without a network."""
    require_chromium()
    browser = Chromium(tmp_path_factory.mktemp("chromium"), OFFLINE, *CAMERA)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def opens(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opens]:
    """Opens pages; none of them may have had a fault, written to the console, or asked a network for anything."""
    folder = tmp_path_factory.mktemp("pages")
    tabs: list[Tab] = []

    def opened(text: str, *, view: Any = None, **options: Any) -> Tab:  # noqa: ANN401
        path = folder / f"page{len(tabs)}.html"
        path.write_text(text, encoding="utf-8")
        link = "" if view is None else f"#{quote(json.dumps(view))}"
        tabs.append(Tab(chromium, f"file://{path}{link}", **options))
        return tabs[-1]

    yield opened
    faults = [tab.faults() for tab in tabs]
    requests = [tab.requests() for tab in tabs]
    for tab in tabs:
        tab.close()
    assert faults == [[]] * len(tabs)
    assert requests == [[]] * len(tabs)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Draw the same initial weights whatever tests ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _loggers_left_on() -> Iterator[None]:
    """Fail the test that switches our loggers off for those after it, as libraries that set up logging do."""
    yield
    loggers = {name: one for name, one in logging.root.manager.loggerDict.items() if name.startswith("stcnn")}
    off = [name for name, one in loggers.items() if isinstance(one, logging.Logger) and one.disabled]
    for name in off:
        logging.getLogger(name).disabled = False
    assert not off, f"the test switched off {', '.join(off)}"
