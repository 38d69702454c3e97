"""How dense the code of a folder is: tuple assignments per 1,000 lines, and tokens per line of code.

python -m tests.support.style_of_code stcnn/nn
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LAYOUT = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)


class Density(NamedTuple):
    """What is counted in all files of a folder."""

    lines: int
    code_lines: int
    """Lines with a token that is neither comment nor docstring."""
    tokens: int
    tuple_assignments: int
    """``a, b = x, y``: two statements in one. Taking apart what one call returns is none."""

    @property
    def tuples_per_1000_lines(self) -> float:
        """Tuple assignments per 1,000 lines."""
        return 1000 * self.tuple_assignments / self.lines

    @property
    def tokens_per_line(self) -> float:
        """Tokens per line of code."""
        return self.tokens / self.code_lines


def density(folder: Path) -> Density:
    """Return the density of the Python files of a folder."""
    each = [_file_density(path) for path in sorted(folder.rglob("*.py"))]
    return Density(*(sum(counts) for counts in zip(*each, strict=True)))


def _file_density(path: Path) -> Density:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    described = set(_docstring_lines(tree))
    with path.open("rb") as file:
        found = [token for token in tokenize.tokenize(file.readline) if token.type not in LAYOUT]
    found = [token for token in found[1:] if token.start[0] not in described]
    pairs = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and _is_pair(node)]
    return Density(text.count("\n"), len({token.start[0] for token in found}), len(found), len(pairs))


def _is_pair(node: ast.Assign) -> bool:
    return isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)


def _docstring_lines(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        counted = density(Path(name))
        print(f"{name}: {counted.tuples_per_1000_lines:.1f} tuple assignments per 1,000 lines, ", end="")
        print(f"{counted.tokens_per_line:.1f} tokens per line of code, {counted.lines} lines")
