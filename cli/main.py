"""The `signoff` command. Each command's module is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version

from cyclopts import App, CycloptsError, UnknownCommandError

from cli.catalogue import COMMANDS, GROUPS, Commands
from cli.errors import Exit, HintedError, code_of, tell
from shared.errors import SignoffError

HELP = """Incident response that asks before it acts.

Start with `signoff up`, then `signoff replay high_cpu` in another terminal."""


def build() -> App:
    """Return the command with all its subcommands, none of them imported."""
    app = App(
        name="signoff",
        version=lambda: version("signoff"),
        help=HELP,
        result_action="return_value",
    )
    _add(app, COMMANDS)
    for group, (text, commands) in GROUPS.items():
        inner = App(name=group, help=text, result_action="return_value")
        _add(inner, commands)
        app.command(inner)
    return app


def _add(app: App, commands: Commands) -> None:
    for name, (place, text) in commands.items():
        app.command(f"cli.commands.{place}", name=name, help=text)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    try:
        result = build()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.exit(_usage(error))
    except SignoffError as error:
        tell(error)
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Nobody reads on; what Python still wants to flush at exit would say so a second time.
        sys.stdout = None
        sys.exit(Exit.DONE)
    sys.exit(result if isinstance(result, int) else Exit.DONE)


def _usage(error: CycloptsError) -> Exit:
    chain = error.command_chain or ()
    text = _unknown(error, chain) if isinstance(error, UnknownCommandError) else str(error)
    tell(HintedError(text, Exit.USAGE, ("see", " ".join(["signoff", *chain, "--help"]))))
    return Exit.USAGE


def _unknown(error: UnknownCommandError, chain: Sequence[str]) -> str:
    """Return what Cyclopts would say, which imports every command to say it."""
    names = GROUPS[chain[0]][1] if chain else [*COMMANDS, *GROUPS]
    given = error.unused_tokens[0] if error.unused_tokens else ""
    near = get_close_matches(given, names, n=1)
    return f"unknown command {given!r}" + (f"; did you mean {near[0]!r}?" if near else "")


if __name__ == "__main__":
    main()
