"""The version, in one place; files that we write name it."""

__version__ = "0.1.0"
