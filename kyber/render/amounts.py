"""A number and its unit in, a short text in the reader's language out: sizes and durations."""

from kyber.text import Words

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int, words: Words) -> str:
    """Bytes in the unit that keeps the number below a thousand, e.g. `34.5 MB`."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{decimal(amount, words) if unit and amount < 99.5 else words.number(round(amount))} {_UNITS[unit]}"


def duration(seconds: float, words: Words) -> str:
    """Seconds and minutes, e.g. `2.4 s` or `3 min 20 s`."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{words.number(int(minutes))} min {int(rest)} s" if minutes else f"{decimal(rest, words)} s"


def decimal(amount: float, words: Words) -> str:
    """The number with one decimal, after a point in English and a comma elsewhere."""
    text = f"{amount:.1f}"
    return text if words.language == "en" else text.replace(".", ",")
