"""A number and its unit in, a short text in the reader's language out: sizes, durations, money and shares."""

from math import floor, log10

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


def rounded(amount: float, words: Words) -> str:
    """An estimate in three figures, since it has no more: `1,230,000`, `457`, `3.1`."""
    if amount < 99.95:
        return _whole_if(decimal(amount, words))
    return words.number(int(round(amount, 2 - floor(log10(amount)))))


def money(amount: float, words: Words) -> str:
    """An estimate in three figures, as short as a picture needs it: `457`, `12,300`, `1.2 million`."""
    if amount < 999_500:
        return rounded(amount, words)
    millions = amount / 1e6
    said = decimal(millions, words) if millions < 99.95 else rounded(millions, words)
    return words("quantify.million", amount=_whole_if(said))


def percent(share: float, words: Words) -> str:
    """A share as per cent, in two figures at least: `35 %`, `4.2 %`, `0.15 %`; English sets no space."""
    hundred = 100 * share
    places = 0 if hundred >= 9.95 or not hundred else 1 if hundred >= 0.95 else 2
    text = f"{hundred:.{places}f}"
    if places:
        text = text.rstrip("0").rstrip(".")
    return f"{text}%" if words.language == "en" else f"{text.replace('.', ',')}\N{NO-BREAK SPACE}%"


def _whole_if(decimals: str) -> str:
    return decimals.removesuffix(".0").removesuffix(",0")
