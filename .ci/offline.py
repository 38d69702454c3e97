"""Lets the site's search work when it is read from disk, with a script of our own instead of one from elsewhere."""

from typing import Any

from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
OURS = "assets/file_worker.js"


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Replace the script of the theme; MkDocs calls this hook with the finished HTML of each page."""
    return output.replace(ELSEWHERE, get_relative_url(OURS, page.url))
