"""`kyber rules convert`: rule files in, their queries in another language out, by pySigma's backends."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import ExitCode, is_terminal, tell_problems
from kyber.cli.files import check_output, write_out
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.logs.sigma.pysigma import Conversion
    from kyber.logs.sigma.written import Written

NO_PIPELINE: Final = "none"


def _known_targets(incomplete: str) -> list[str]:
    from kyber.logs.sigma import pysigma

    return [name for name in pysigma.targets() if name.startswith(incomplete)] if pysigma.is_installed() else []


def _known_pipelines(ctx: typer.Context, incomplete: str) -> list[str]:
    from kyber.logs.sigma import pysigma

    target = str(ctx.params.get("to"))
    if not pysigma.is_installed() or target not in pysigma.targets():
        return []
    return [name for name in (*pysigma.pipelines(target), NO_PIPELINE) if name.startswith(incomplete)]


def convert(
    paths: Annotated[list[str], typer.Argument(metavar="RULE...", help="Rule files and folders of them.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="LANGUAGE",
            autocompletion=_known_targets,
            help="The language: lucene, esql, eql, or what another installed backend of pySigma writes.",
        ),
    ],
    pipeline: Annotated[
        list[str] | None,
        typer.Option(
            "--pipeline",
            "-p",
            metavar="NAME",
            autocompletion=_known_pipelines,
            help="The names that fields get, such as ecs_windows; may be repeated. 'none': as the rules have them.",
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="A form of output that the backend has.")
    ] = "default",
    json: Annotated[bool, typer.Option("--json", help="JSON lines, one for each rule.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")] = None,
) -> None:
    """Write Sigma rules as queries of another language, by the backends of pySigma that are installed.

    Ends with 1 where a rule could not be converted, with 3 where none could be read. `pip install 'kyber[sigma]'`
    brings pySigma and its backend for Elasticsearch.
    """
    from kyber.cli.rules_files import documents, surroundings
    from kyber.logs.sigma import pysigma
    from kyber.text import words_for

    here, _ = surroundings(None, paths)
    check_output(output, here, [("one of the rules", map(Path, documents(paths)[0]))])
    known = pysigma.pipelines(to)
    if not pipeline and known:
        raise UsageError(
            f"which names have the fields in {to}? Choose with --pipeline: {', '.join(known)}; "
            f"or --pipeline {NO_PIPELINE} for those of the rules"
        )
    _, written = documents(paths)
    if not written:
        raise NothingReadError(f"no rule could be read from {', '.join(paths)}")
    chosen = [name for name in pipeline or () if name != NO_PIPELINE]
    made = pysigma.convert(written, to, chosen, form)
    text = _lines(made, to) if json else made.text
    write_out(output, _shown(text) if output is None and is_terminal() else text)
    tell_problems(made.problems, words_for(here.settings.language if here else "en"))
    if made.problems:
        raise typer.Exit(ExitCode.FOUND)


def _shown(text: str) -> str:
    """The text as a terminal gets it: nothing in it steers, and no identity code is shown."""
    from kyber.privacy import mask
    from kyber.render.safe import plain

    return "\n".join(plain(_masked(mask(line))) for line in text.split("\n"))


def _masked(line: str) -> str:
    """The line without the identity codes in whose midst a language wants escapes, as Lucene's `131052\\-308T`."""
    from kyber.privacy import MASK, find

    kept = [at for at, letter in enumerate(line) if letter != "\\"]
    for start, after in reversed(find("".join(line[at] for at in kept))):
        line = line[: kept[start]] + MASK + line[kept[after - 1] + 1 :]
    return line


def _lines(made: "Conversion", to: str) -> str:
    from kyber.render.safe import json_line

    return "".join(f"{json_line(_record(one.rule, one.queries, to))}\n" for one in made.converted)


def _record(rule: "Written", queries: tuple[Any, ...], to: str) -> dict[str, Any]:
    at = rule.place("title")
    return {
        "id": rule.document.get("id"),
        "title": rule.document.get("title"),
        "file": at.file,
        "line": at.line,
        "to": to,
        "queries": list(queries),
    }
