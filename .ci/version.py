"""Names the version that the pages describe, at the foot of each."""

import runpy
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

VERSION = Path(__file__).parents[1] / "stcnn" / "version.py"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the version; MkDocs calls this hook before it builds the site."""
    config.copyright = f"stcnn {runpy.run_path(str(VERSION))['__version__']}"
    return config
