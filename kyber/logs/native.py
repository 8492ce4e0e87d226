"""The extension `kyber_columns` (folder `native`), where one is installed that was built for this kyber; else None."""

from typing import Any, Final

NAME: Final = "kyber-columns"
"""The package that holds it."""
INTERFACE: Final = 4
"""What the extension has to say of itself; one that was built for another kyber is not used."""


def _native() -> Any:
    try:
        import kyber_columns
    except ImportError:
        return None
    return kyber_columns if getattr(kyber_columns, "INTERFACE", 1) == INTERFACE else None


native: Final = _native()
