"""Every kind of page that kyber writes, made of the example once for all tests of a run, as files in a folder."""

import os
from pathlib import Path

from kyber.render import document_html
from kyber.render.html import page as findings_page
from kyber.text import LANGUAGES, words_for
from tests.cli.run import kyber
from tests.elastic.server import locked
from tests.render.documents import filled
from tests.render.results import hostile, whole

DAY = "2026-11-23"
BAD = '<script>alert(1)</script> "><img src=x onerror=alert(1)> \x1b[31m \u202eabc ' + "x" * 400


def pages(run: Path) -> Path:
    """The folder of the pages, which all processes of a run share."""
    folder = run / "pages"
    with locked(run / "pages.lock"):
        if not (folder / "made").exists():
            _make(folder)
            (folder / "made").touch()
    return folder


def _make(folder: Path) -> None:
    folder.mkdir()
    workspace = folder / "county"
    _run("init", workspace, "--language", "fi")
    was = Path.cwd()
    os.chdir(workspace)
    try:
        _run("scan")
        for language in LANGUAGES:
            saved = folder / f"report-{language}.json"
            _run("report", "--as-of", DAY, "--language", language, "--no-save", "-o", saved)
            _run("report", "render", saved, "-o", saved.with_suffix(".html"))
            (folder / f"findings-{language}.html").write_text(
                findings_page(whole(), words_for(language), revealed=False)
            )
            _run("continuity", "print", "P-001", "--language", language, "-o", folder / f"card-{language}.html")
        _run("tasks", "--on", DAY, "-o", folder / "tasks.html")
        _run("publish", folder / "site")
        (folder / "digest.html").write_text(kyber("digest", "--format", "html", "--owner", "it-operations").stdout)
    finally:
        os.chdir(was)
    (folder / "report-bad.html").write_text(document_html.page(filled(BAD)))
    (folder / "findings-bad.html").write_text(findings_page(hostile(BAD), words_for("sv"), revealed=False))


def _run(*arguments: object) -> None:
    run = kyber(*arguments)
    assert run.exit_code == 0, run.output
