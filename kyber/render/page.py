"""A plain table in, one page of HTML out that loads nothing, runs nothing and prints well."""

from base64 import b64encode
from hashlib import sha256
from typing import Final

from kyber.render.safe import every_text, plain
from kyber.render.sheet import Sheet

STYLE: Final = (
    "body{margin:0;padding:16px;font:15px/1.45 'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;color:#18212c;"
    "background:#fff}h1{margin:0 0 4px;font-size:20px}p{margin:0 0 12px;color:#536070}"
    "table{border-collapse:collapse;width:100%}th,td{padding:5px 12px 5px 0;border-bottom:1px solid #ccd4dc;"
    "text-align:left;vertical-align:top;overflow-wrap:break-word}th{white-space:nowrap}tr{break-inside:avoid}"
    "td:first-child,td:nth-child(2){white-space:nowrap}@media print{body{padding:0;font-size:12px}}"
)


def page_of(sheet: Sheet, title: str, note: str, language: str) -> str:
    """The table as a page, with a title and a note above it. The texts must be masked before they come here."""
    from kyber.render.html import environment

    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    shown = every_text(sheet, plain)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            sheet=shown,
            title=plain(title),
            note=plain(note),
            language=language,
            style=STYLE,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )
