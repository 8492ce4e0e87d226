"""The table of formats, and which one an input is. To add a format, add a line."""

from collections.abc import Mapping

from kyber.logs.formats import Format
from kyber.logs.formats.auditd import AUDITD
from kyber.logs.formats.json import JSON_DOCUMENT, JSON_LINES
from kyber.logs.formats.syslog import SYSLOG
from kyber.logs.formats.text import TEXT
from kyber.logs.formats.windows import EVTX, WINDOWS, WINDOWS_DOCUMENT

FORMATS: Mapping[str, Format] = {
    one.name: one for one in (EVTX, WINDOWS, WINDOWS_DOCUMENT, AUDITD, SYSLOG, JSON_LINES, JSON_DOCUMENT, TEXT)
}


def detect(sample: bytes) -> Format:
    """The format that is surest of the start of an input; plain text when none is."""
    return max(FORMATS.values(), key=lambda one: one.detect(sample))
