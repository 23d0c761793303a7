"""What people may call a thing: a name stands in tables, sentences and commands to type, and must be the same in all of them."""


def check_name(what: str, name: str, characters_max: int) -> None:
    """Raises ValueError with a sentence for people about `what`, like `A carrier`."""
    if not 1 <= len(name) <= characters_max or not name.isprintable() or name != name.strip():
        kept = name if len(name) <= characters_max else f"{name[:characters_max]}…"
        raise ValueError(
            f"{what} needs a name of 1 to {characters_max} printable characters on one line, without blanks around it, not {kept!r}."
        )
