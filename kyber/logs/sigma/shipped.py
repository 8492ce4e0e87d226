"""The rules that come with kyber: where their folder is."""

from pathlib import Path

import kyber


def shipped_rules() -> Path:
    """The folder of the rules that come with kyber: in the package when installed, beside it in a checkout."""
    package = Path(str(kyber.__file__)).parent
    inside = package / "rules"
    return inside if inside.is_dir() else package.parent / "rules"
