"""The `intact` command: one file a subcommand, each a thin call of the public API."""

from intact.cli.main import main

__all__ = ["main"]
