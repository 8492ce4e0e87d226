"""The table of formats, and which one an input is. To add a format, add a line."""

from collections.abc import Mapping

from kyber.logs.formats import Format
from kyber.logs.formats.application import APPLICATION, LOGFMT
from kyber.logs.formats.auditd import AUDITD
from kyber.logs.formats.cef import CEF
from kyber.logs.formats.cloud import CLOUD
from kyber.logs.formats.delimited import CSV
from kyber.logs.formats.journald import JOURNALD, JOURNALD_EXPORT
from kyber.logs.formats.json import JSON_DOCUMENT, JSON_LINES
from kyber.logs.formats.keyvalue import FORTIGATE, KEYVALUE
from kyber.logs.formats.leef import LEEF
from kyber.logs.formats.syslog import SYSLOG
from kyber.logs.formats.text import TEXT
from kyber.logs.formats.w3c import W3C
from kyber.logs.formats.web import WEB
from kyber.logs.formats.windows import EVTX, WINDOWS, WINDOWS_DOCUMENT
from kyber.logs.formats.zeek import ZEEK, ZEEK_JSON

CERTAIN = 100
"""How sure a format is of what can be nothing else."""
FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        EVTX,
        WINDOWS,
        WINDOWS_DOCUMENT,
        AUDITD,
        JOURNALD,
        JOURNALD_EXPORT,
        CEF,
        LEEF,
        FORTIGATE,
        KEYVALUE,
        WEB,
        W3C,
        ZEEK,
        ZEEK_JSON,
        *CLOUD,
        SYSLOG,
        LOGFMT,
        APPLICATION,
        JSON_LINES,
        JSON_DOCUMENT,
        CSV,
        TEXT,
    )
}


def detect(sample: bytes) -> Format:
    """The format that is surest of the start of an input; plain text when none is."""
    surest, best = TEXT, -1
    for one in FORMATS.values():
        sure = one.detect(sample)
        if sure > best:
            surest, best = one, sure
        if sure == CERTAIN:
            break
    return surest
