"""Connections to carriers: whoever takes messages for delivery and tells how they ended."""
