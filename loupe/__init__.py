"""Loupe: a small or damaged picture in, a larger and sharper one out."""

__version__ = "0.1.0"
