"""Clarion, a self-hosted campaign engine for bulk SMS."""

__version__ = "0.1.0"
