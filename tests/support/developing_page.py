"""The code of a page of docs/developing, run as its reader would write it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

PAGES = Path(__file__).resolve().parents[2] / "docs" / "developing"


@contextmanager
def page_run(name: str, *registries: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run the fenced Python code of a page, one block after the other in one module; yield its names.

    Args:
        name: of the page, without ``.md``.
        registries: to which the page adds; they are as before when the block ends.
    """
    path = PAGES / f"{name}.md"
    text = path.read_text(encoding="utf-8")
    module = ModuleType(f"page_on_{name}")
    sys.modules[module.__name__] = module
    before = [dict(registry) for registry in registries]
    try:
        for block in re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start(1))
            code = compile("\n" * line + block[1], str(path), "exec", dont_inherit=True)  # a traceback names the line
            exec(code, module.__dict__)
        yield module.__dict__
    finally:
        del sys.modules[module.__name__]
        for registry, entries in zip(registries, before, strict=True):
            registry.clear()
            registry.update(entries)
