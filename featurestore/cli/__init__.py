"""The command line: one short function per command. Whatever is heavy is imported inside the command that needs it."""

from featurestore.cli.app import main

__all__ = ["main"]
