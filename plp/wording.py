"""Numbers in sentences."""


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return a number of things, in the singular for one.

    Args:
        number: How many.
        thing: What one is called.
        things: What several are called; None: the same with an s.

    Example:
        >>> count(1, 'shot'), count(0, 'image'), count(7, 'class', 'classes')
        ('1 shot', '0 images', '7 classes')
    """
    return f"{number} {thing if number == 1 else things or thing + 's'}"
