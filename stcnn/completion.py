"""Words that complete a command in the shell: runs, stimuli, and the keys of a training.

``stcnn --install-completion`` sets it up. Nothing is said when something is wrong: a completion that fails is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def run_folders(incomplete: str) -> Iterator[str]:
    """Yield the paths of runs that begin so, seen from here, the newest first; folders on the way to others."""
    from stcnn import folders

    here = Path.cwd()
    runs = reversed(folders.run_folders(folders.experiments_folder()))
    names = [str(run.relative_to(here)) if run.is_relative_to(here) else str(run) for run in runs]
    yield from (name for name in names if name.startswith(incomplete))
    yield from (path for path in _paths(incomplete) if path.removesuffix("/") not in names)


def stimuli(incomplete: str) -> Iterator[str]:
    """Yield protocols, stimuli of the protocol that is begun, kinds of stimulus, and files that begin so."""
    from stcnn.stimuli import kinds, load_protocol, protocol_names

    protocol, slash, _ = incomplete.partition("/")
    names = [*protocol_names(), *(f"{kind}:" for kind in kinds())]
    if slash and protocol in protocol_names():
        names = [f"{protocol}/{name}" for name in load_protocol(protocol).parameters]
    yield from (name for name in names if name.startswith(incomplete))
    yield from _paths(incomplete)


def training_keys(incomplete: str) -> Iterator[str]:
    """Yield the keys of a training and the choices of its groups that begin so."""
    from stcnn.config import Config
    from stcnn.key_table import key_table
    from stcnn.overrides import choices

    groups = choices()
    for group, names in groups.items():
        yield from (word for name in names if (word := f"{group}={name}").startswith(incomplete))
    paths = (key.path for key in key_table(Config) if "NAME" not in key.path)
    yield from (word for path in paths if (word := f"{path}=").startswith(incomplete))


def _paths(incomplete: str) -> Iterator[str]:
    start = Path(incomplete)
    folder, name = (start, "") if incomplete.endswith("/") or not incomplete else (start.parent, start.name)
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(name) and not (path.name.startswith(".") and not name):
            yield f"{path}/" if path.is_dir() else str(path)
