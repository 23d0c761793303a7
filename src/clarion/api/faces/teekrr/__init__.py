"""Teekrr's API. Its path space answers in its own envelope."""
