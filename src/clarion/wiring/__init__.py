"""The one place where concrete classes are chosen and put together."""
