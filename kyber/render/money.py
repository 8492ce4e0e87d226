"""Sums of euros and days in, as a reader writes them, out: `12 000 €`, `30.9.2026`."""

from datetime import date

from kyber.text import Words

LOCALES = {"fi": "fi_FI", "sv": "sv_FI", "en": "en_GB"}


def euros(amount: float, words: Words) -> str:
    """A sum in whole euros."""
    from babel.numbers import format_currency

    pattern = "¤#,##0" if words.language == "en" else "#,##0\N{NO-BREAK SPACE}¤"
    return format_currency(round(amount), "EUR", pattern, LOCALES[words.language], currency_digits=False)


def day(when: date, words: Words) -> str:
    """A day as it is written in a sentence."""
    from babel.dates import format_date

    return format_date(when, "medium", LOCALES[words.language])


def whole_day(when: date, words: Words) -> str:
    """A day as it is written in a table, where it stays on one line."""
    return day(when, words).replace(" ", "\N{NO-BREAK SPACE}")
