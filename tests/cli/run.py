"""A command line in, what kyber showed and how it ended out."""

from typer.testing import CliRunner, Result

from kyber.cli import app


def kyber(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"NO_COLOR": "1"})
