"""The evidence of an incident as one archive: names and contents in; bytes of a zip or tar out, the same every time.

Beside the contents stands MANIFEST.sha256, which `sha256sum -c` reads.
"""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Final

MANIFEST: Final = "MANIFEST.sha256"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can say."""
_FILE: Final = 0o644
_UNIX: Final = 3


def with_manifest(contents: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The contents by name, and their SHA-256 (hexadecimal), one a line."""
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return {**contents, MANIFEST: "".join(lines).encode()}


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """A zip archive, stored without compression, so that its bytes depend on the contents and nothing else."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _in_order(contents):
            about = zipfile.ZipInfo(name, _LONG_AGO)
            about.create_system, about.external_attr = _UNIX, _FILE << 16
            archive.writestr(about, content)
    return stream.getvalue()


def tarred(contents: Mapping[str, bytes]) -> bytes:
    """A tar archive, of nobody and of no time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in _in_order(contents):
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), _FILE
            archive.addfile(about, io.BytesIO(content))
    return stream.getvalue()


def _in_order(contents: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    return iter(sorted(contents.items()))
