"""The application, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from nanoneurons.core.errors import NanoneuronsError

from . import audit, catalogues, data, design, export, fit, report, reproduce

__all__ = ["app", "main"]

# Newer versions of typer carry their own copy of click; the public exception leads to the base in either case.
ClickException: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if issubclass(c, Exception) and c.__name__ == "ClickException"
)

app = typer.Typer(
    name="nanoneurons",
    help="What can a neural network made of a nanodevice learn, what does each imperfection cost, "
    "what energy does it take?",
    epilog="Start with: nanoneurons audit --device hfox-weak-reset --quick",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from nanoneurons import __version__

        typer.echo(f"nanoneurons {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Options before the verb."""


audit.add_to(app)
fit.add_to(app)
reproduce.add_to(app)
design.add_to(app)
export.add_to(app)
report.add_to(app)
catalogues.add_to(app)
data.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status; errors are one line on stderr."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    debug = bool(os.environ.get("NANONEURONS_DEBUG"))
    try:
        status = app(args=arguments, prog_name="nanoneurons", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted; start the same command again to go on where it stopped", 130)
    except BrokenPipeError:
        # The reader (head, a pager) closed early. Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ClickException as error:
        text = " ".join(getattr(error, "format_message", error.__str__)().split())
        if not text:  # no arguments at all: the help was wanted
            return 2
        where = getattr(getattr(error, "ctx", None), "command_path", "nanoneurons")
        return _say(f"{text.removesuffix('.')}; see '{where} --help'", 2)
    except NanoneuronsError as error:
        if debug:
            raise
        return _say(" ".join(str(error).split()), 2)
    except MemoryError:
        return _say("not enough memory; try fewer --chips, a smaller --network or a smaller --batch", 70)
    except Exception as error:
        if debug:
            raise
        first = (str(error).splitlines() or [""])[0][:200]
        remedy = "set NANONEURONS_DEBUG=1 for the traceback and report it"
        return _say(f"internal error ({type(error).__name__}: {first}); {remedy}", 70)


def _say(text: str, status: int) -> int:
    print(f"nanoneurons: {text}", file=sys.stderr)
    return status
