"""`kyber continuity`: what services need and can bear to lose, looked at and edited."""

import typer

app = typer.Typer(no_args_is_help=True, help="Continuity: services, what they need, plans and exercises.")
