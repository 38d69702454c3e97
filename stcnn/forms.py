"""The forms in which a trained model goes out, by the name that ``stcnn export --as`` takes.

A form is a module with ``export(request)``, which yields the sentences to print, and a line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from stcnn.export.request import Request

FORMS = {
    "published": "stcnn.export.published",
    "onnx": "stcnn.export.onnx_files",
    "torch": "stcnn.export.torch_files",
    "hub": "stcnn.hub.write",
}
"""Name of a form and the module that writes it."""


def export(form: str, request: Request) -> Iterator[str]:
    """Write a model in a form; yield what there is to say of it.

    Args:
        form: one of :data:`FORMS`.
        request: what to export and how.

    Raises:
        ConfigError: the form has no such network; the message says why.
        FileError: the source cannot be read, or the folder is there already.
    """
    return import_module(FORMS[form]).export(request)
