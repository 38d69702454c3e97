"""What a machine runs out of is one sentence and exit status 2, wherever it is noticed and whoever tells it."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from stcnn import cli
from stcnn.errors import ConfigError
from stcnn.shortage import machine_error, shortage_of
from tests.support.made_up_data import write_published
from tests.support.small_disk import remount, small_disk
from tests.test_train import folders

ROOT = Path(__file__).resolve().parents[1]


class OfALibrary(Exception):
    """An exception that only its own library knows."""


def led_to(last: Exception, first: Exception) -> Exception:
    last.__context__ = first
    return last


FULL, MEMORY, FILES = "the disk is full", "memory ran out", "too many files are open"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OfALibrary("I/O error: No space left on device (os error 28)"), FULL),
        (OfALibrary("Can't write data (file write failed: errno = 28, error message = 'x')"), FULL),
        (OSError("100000 requested and 8176 written"), FULL),
        (led_to(RuntimeError("unexpected pos 704 vs 598"), OSError(errno.ENOSPC, "")), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the quota of the disk is used up"),
        (OSError(errno.EROFS, "Read-only file system"), "the file system is mounted for reading only"),
        (OSError(errno.EMFILE, "Too many open files"), FILES),
        (RuntimeError("unable to open shared memory object: Too many open files (24)"), FILES),
        (MemoryError(), MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), MEMORY),
        (RuntimeError("can't start new thread"), MEMORY),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "the memory of the GPU ran out"),
    ],
)
def test_each_way_to_tell_it_is_known(error: Exception, reason: str):
    found = machine_error(error)
    assert found is not None
    assert found.found == reason
    assert found.exit_code == 2


@pytest.mark.parametrize(
    "error", [KeyError("errno = 28"), ValueError("a value of 28"), OSError(errno.ENOENT, "x"), RuntimeError("shapes")]
)
def test_other_faults_keep_their_traceback(error: Exception):
    assert shortage_of(error) is None
    assert machine_error(error) is None


def test_the_command_line_says_it_and_shows_the_traceback_of_other_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def raising(error: Exception) -> Callable[[], None]:
        def app() -> None:
            raise error

        return app

    monkeypatch.setattr(cli, "_add_commands", lambda: None)
    monkeypatch.setattr(cli, "app", raising(MemoryError()))
    monkeypatch.setattr(os, "_exit", lambda code: sys.exit(f"at once with {code}"))  # libraries would crash at the end
    with pytest.raises(SystemExit, match="at once with 2"):
        cli.main()
    assert capsys.readouterr().err.startswith("memory ran out. Use a machine with more memory")
    monkeypatch.setattr(cli, "app", raising(ConfigError("a key")))
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    monkeypatch.setattr(cli, "app", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main()


WORKERS = """
import resource, sys
from stcnn.data import BatchingConfig, loader
from tests.support.made_up_data import dataset
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:])))
print(len(list(loader(dataset(), BatchingConfig(), n_workers=2))))
"""


def test_workers_raise_a_low_limit_of_open_files_and_refuse_one_that_cannot_be_raised():
    def with_limit(soft: int, hard: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WORKERS, str(soft), str(hard)]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)

    raised = with_limit(32, 1024)
    assert int(raised.stdout) > 0, raised.stderr
    refused = with_limit(32, 100)
    assert (
        "n_workers=2 needs up to 192 open files, and this process may open 100. Raise the limit with" in refused.stderr
    )


class Lab:
    """A folder with recordings, and the command line in a process of its own with little of something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_published(folder / "data")
        published = "kind: published\nca_path: data/ca\nmov_path: data/mov\nrate_hz: 60\nbackground: 0.5\n"
        (folder / "import.yaml").write_text(published)
        self.train = ("train", *folders(folder / "data"), "training.epochs=1")
        self.import_ = ("data", "import", folder / "import.yaml")

    def __call__(self, *command: object, limits: dict[int, int] | None = None, without: tuple[str, ...] = ()) -> int:
        """Run a command; a traceback or a status other than 0 and 2 fails. Returns the status."""
        environment = {name: value for name, value in os.environ.items() if name not in without}
        ended = subprocess.run(
            [sys.executable, "-m", "stcnn.cli", *map(str, command)],
            env={**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            preexec_fn=partial(_limit, limits or {}),
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode in (0, 2), f"{ended.returncode}: {ended.stderr}"
        assert (ended.returncode == 0) or ended.stderr.strip().splitlines()[-1].endswith((".", "?")), ended.stderr
        return ended.returncode


def _limit(limits: dict[int, int]) -> None:
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.slow
def test_with_few_open_files_it_works_or_says_so(lab: Lab, tmp_path: Path):
    for n_files in (10, 16, 32):
        limits = {resource.RLIMIT_NOFILE: n_files}
        trained = lab(*lab.train, f"experiments_dir={tmp_path / 'runs'}", limits=limits)
        assert lab(*lab.train, f"experiments_dir={tmp_path / 'runs'}", "training.n_workers=2", limits=limits) == 2
        imported = lab(*lab.import_, tmp_path / f"{n_files}.zarr", limits=limits)
        exported = lab("data", "export", tmp_path / "import.yaml", tmp_path / f"{n_files}", limits=limits)
        assert n_files < 32 or (trained, imported, exported) == (0, 0, 0)


@pytest.mark.slow
def test_with_little_memory_it_works_or_says_so(lab: Lab, tmp_path: Path):
    statuses = []
    for megabytes in (600, 800, 1200, 1600, 2400):
        limits = {resource.RLIMIT_AS: megabytes * 10**6}
        statuses.append(lab(*lab.train, f"experiments_dir={tmp_path / 'runs'}", limits=limits))
        statuses.append(lab(*lab.import_, tmp_path / f"{megabytes}.zarr", limits=limits))
    assert set(statuses) == {0, 2}


@pytest.mark.slow
def test_a_place_for_reading_only_and_no_home(lab: Lab, tmp_path: Path):
    home = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "STCNN_CACHE", "MPLCONFIGDIR")
    assert lab(*lab.train, f"experiments_dir={tmp_path / 'runs'}", without=home) == 0
    with small_disk(tmp_path / "disk", 4000) as disk:
        remount(disk, "ro")
        assert lab(*lab.train, f"experiments_dir={disk}") == 2
        assert lab(*lab.import_, disk / "set.zarr") == 2
        assert lab("data", "export", tmp_path / "import.yaml", disk / "out") == 2
        assert lab("data", "export", tmp_path / "import.yaml", disk / "out", "--as", "published") == 2
