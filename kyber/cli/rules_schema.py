"""`kyber rules schema`: the JSON Schemas of rule files and of the tests beside them, for editors, out."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, root_of, say
from kyber.cli.files import standard_output, write_below

RULE, TESTS = "rule.schema.json", "rule-tests.schema.json"
GLOBS: Final = {RULE: "rules/**/*.yml", TESTS: "rules/**/*.tests.yaml"}
"""The files of a workspace that each is for."""


def schema(
    tests: Annotated[
        bool, typer.Option("--tests", help="The schema of NAME.tests.yaml, instead of that of rules.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write both schemas into the workspace, and say how editors find them.")
    ] = False,
    workspace: Where = None,
) -> None:
    """Show the JSON Schema of rules, correlations and filters, or of the tests beside them, for editors.

    An editor that knows it completes keys and marks what is misspelt while one types. `kyber schema` has those of the
    other files of a workspace.
    """
    from json import dumps

    from kyber.cli.init import SCHEMAS
    from kyber.logs.rule_schema import schema_of_rules, schema_of_tests
    from kyber.text import words_for
    from kyber.workspace import at

    def text(made: dict[str, Any]) -> str:
        return dumps(made, indent=2, ensure_ascii=False) + "\n"

    if not write:
        with standard_output():
            say(text(schema_of_tests() if tests else schema_of_rules()).rstrip("\n"))
        return
    here = at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    files = {RULE: text(schema_of_rules()), TESTS: text(schema_of_tests())}
    write_below(here.root, {f"{SCHEMAS}/{name}": made.encode() for name, made in files.items()})
    say(words("listing.schema-written", folder=plain(here.root / SCHEMAS), names=", ".join(files)))
    say(words("listing.schema-editor"))
    named = {f"{SCHEMAS}/{name}": glob for name, glob in GLOBS.items()}
    for line in dumps({"yaml.schemas": named}, indent=2).splitlines():
        say(f"  {line}")
    say(words("listing.schema-line"))
    say(f"  # yaml-language-server: $schema=../{SCHEMAS}/{RULE}")
