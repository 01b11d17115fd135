"""The root of the command: its subcommands, and how errors are told."""

import sys

import typer
from rich.console import Console

from app import localpg
from app.cli import backtest, bench, demo, import_, keys, listen, migrate, program, serve, verify, worker
from app.cli.errors import CliError
from app.db.transactions import DatabaseError
from app.main import NotReady
from app.program.reading import MistakesInDocument

app = typer.Typer(
    name="zegel",
    help="A loyalty ledger: purchases in, points, tiers, bonuses and webhooks out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("bench")(bench.bench)
app.command("worker")(worker.worker)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)
app.command("import")(import_.import_)
app.command("listen")(listen.listen)
app.command("verify")(verify.verify)
app.command("backtest")(backtest.backtest)
app.add_typer(keys.app, name="keys")
app.add_typer(program.app, name="program")

_TOLD = (CliError, NotReady, localpg.LocalPgError, MistakesInDocument, DatabaseError)


def main() -> None:
    """Runs the command; what can go wrong is told in one line on standard error, with exit code 1."""
    try:
        app()
    except _TOLD as error:
        Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(f"zegel: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
