"""`kyber logs`: what kyber reads, and what it calls what it reads."""

from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import plain, say
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.logs.schema import Drawn

app = typer.Typer(no_args_is_help=True, help="What kyber reads, and under which names.")


@app.command()
def fields(
    product: Annotated[
        str | None, typer.Argument(metavar="PRODUCT", help="One product; else all of them.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: product, kind, name, columns.")] = False,
) -> None:
    """Show the field tables: canonical (ECS) columns, Sigma's fields, and what logsources mean, per product."""
    from kyber.logs.schema import Table, tables

    known = {one.name: one for one in tables()}
    if product is not None and product not in known:
        raise UsageError(f"there is no field table '{product}'; there are {', '.join(known)}")
    chosen = [known[product]] if product else list(known.values())

    def rows(one: Table) -> list[tuple[str, str, str]]:
        found = [
            ("column", name, ", ".join(_drawn(drawn) for drawn in drawn_from))
            for name, drawn_from in one.columns.items()
        ]
        found += [("field", name, ", ".join(columns)) for name, columns in one.fields.items()]
        found += [("field", "(any other)", ", ".join(pattern.format("NAME") for pattern in (*one.native, "{}")))]
        for kind, meanings in (("category", one.categories), ("service", one.services)):
            found += [
                (kind, name, " or ".join(_condition(condition) for condition in conditions))
                for name, conditions in meanings.items()
            ]
        return found

    if json:
        from kyber.render.safe import json_line

        for one in chosen:
            for kind, name, columns in rows(one):
                say(json_line({"product": one.name, "kind": kind, "name": name, "columns": columns}))
        return
    for one in chosen:
        say(f"{one.name}: {one.title}")
        width = max((len(name) for _, name, _ in rows(one)), default=0)
        for kind, name, columns in rows(one):
            say(f"  {kind:<9} {name:<{width}}  {plain(columns)}")
        say()


def _condition(condition: tuple[tuple[str, frozenset[str]], ...]) -> str:
    return " and ".join(f"{name}: {' | '.join(sorted(values))}" for name, values in condition) or "every event"


def _drawn(drawn: "Drawn") -> str:
    """A source of a canonical column, with what limits it."""
    limits = [f"when {_condition(drawn.when)}"] if drawn.when else []
    limits += [f"after {drawn.after}"] if drawn.after else []
    limits += [f"before {drawn.before}"] if drawn.before else []
    return f"{drawn.column} ({'; '.join(limits)})" if limits else drawn.column


@app.command()
def formats(
    json: Annotated[bool, typer.Option("--json", help="JSON lines: name, title, product, service.")] = False,
) -> None:
    """List the formats that kyber reads; --input of `kyber scan` takes their names."""
    from kyber.logs.formats.known import FORMATS

    if json:
        from kyber.render.safe import json_line

        for one in FORMATS.values():
            say(json_line({"name": one.name, "title": one.title, "product": one.product, "service": one.service}))
        return
    for one in FORMATS.values():
        say(f"{one.name:<18} {one.title}")
