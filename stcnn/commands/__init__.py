"""Commands of ``stcnn``: every module here has a typer ``app``, mounted under the name of the module."""
