"""Templates of pages that need no server and no network, filled in; whatever is not marked as safe is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from stcnn.report.svg import Picture
from stcnn.version import __version__
from stcnn.writing import atomic_write


def filled(template: str, **values: object) -> str:
    """Return a page.

    Args:
        template: name of the file in ``stcnn/report/templates``.
        values: what it is filled with.
    """
    environment = Environment(
        loader=PackageLoader("stcnn.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(version=__version__, **values)


def placed(pictures: Mapping[str, Picture]) -> dict[str, dict[str, str]]:
    """Return drawings as templates take them: already safe, with what they show in words."""
    return {key: {"svg": Markup(picture.svg), "alt": picture.alt} for key, picture in pictures.items()}


def write_page(page: str, path: Path) -> Path:
    """Write a page whole or not at all; characters that UTF-8 does not have are written as escapes.

    Raises:
        FileError: the page cannot be written.
    """
    with atomic_write(path) as draft:
        draft.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path
