"""`kyber schema`: the name of a kind of file in, the JSON Schema that editors complete and check with out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kyber.cli.console import say
from kyber.cli.files import write_below


def schema(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="The kind of file. Without it, all of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write MODEL.schema.json files into this folder.")
    ] = None,
) -> None:
    """Show the JSON Schema of the files of a workspace, or write the schemas into a folder.

    Without a model and a folder, list the models and the files they are for.
    """
    from kyber.errors import UsageError
    from kyber.join import MODELS

    if model is not None and model not in MODELS:
        raise UsageError(f"there is no model {model!r}; there are {', '.join(MODELS)}")
    chosen = {model: MODELS[model]} if model is not None else dict(MODELS)
    if out is not None:
        write_below(out, {name: text.encode() for name, text in schema_files(tuple(chosen)).items()})
    elif model is not None:
        say(schema_files((model,))[f"{model}.schema.json"].rstrip("\n"))
    else:
        width = max(map(len, chosen))
        for name, register in chosen.items():
            say(f"{name:<{width}}  {register.glob}")


def schema_files(models: tuple[str, ...]) -> dict[str, str]:
    """File name -> text of the JSON Schemas of these models."""
    from json import dumps

    from kyber.join import MODELS
    from kyber.register import schema as schema_of

    made: dict[str, dict[str, Any]] = {name: schema_of(MODELS[name].model, name) for name in models}
    return {f"{name}.schema.json": dumps(made[name], indent=2, ensure_ascii=False) + "\n" for name in models}
