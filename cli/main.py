"""The `signoff` command. Each command's module is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError

from cli.errors import Exit, code_of, tell
from shared.errors import SignoffError

VERSION = "0.1.0"

_COMMANDS = {
    "up": "cli.commands.up:up",
    "replay": "cli.commands.replay:replay",
    "diagnose": "cli.commands.diagnose:diagnose",
    "approve": "cli.commands.decide:approve",
    "reject": "cli.commands.decide:reject",
    "withdraw": "cli.commands.decide:withdraw",
    "cancel": "cli.commands.decide:cancel",
    "freeze": "cli.commands.decide:freeze",
    "serve": "cli.commands.serve:serve",
    "login": "cli.commands.login:login",
}
_GROUPS = {
    "webhooks": ("What ingest would make of a webhook's body.", {"parse": "cli.commands.webhooks:parse"}),
    "incidents": (
        "List, show, watch and work on incidents.",
        {
            name: f"cli.commands.incidents:{function}"
            for name, function in {
                "list": "list_",
                "show": "show",
                "watch": "watch",
                "ack": "ack",
                "note": "note",
                "close": "close",
                "reopen": "reopen",
            }.items()
        },
    ),
    "deliveries": (
        "What became of webhook deliveries.",
        {"show": "cli.commands.deliveries:show", "account": "cli.commands.deliveries:account"},
    ),
    "world": (
        "The simulated world.",
        {name: f"cli.commands.world:{name}" for name in ("ledger", "state", "slack", "serve")},
    ),
    "topics": (
        "Topics on Kafka, or on the embedded bus.",
        {"apply": "cli.commands.topics:apply", "list": "cli.commands.topics:list_", "tail": "cli.commands.topics:tail"},
    ),
    "dead-letters": (
        "Messages that could not be handled.",
        {
            "list": "cli.commands.dead_letters:list_",
            "show": "cli.commands.dead_letters:show",
            "requeue": "cli.commands.dead_letters:requeue",
        },
    ),
    "silence": (
        "Suppress alerts for a time.",
        {"add": "cli.commands.silence:add", "list": "cli.commands.silence:list_", "end": "cli.commands.silence:end"},
    ),
    "config": (
        "Settings and where they come from.",
        {"show": "cli.commands.config:show", "validate": "cli.commands.config:validate"},
    ),
}


def build() -> App:
    """Return the command with all its subcommands, none of them imported."""
    app = App(
        name="signoff",
        version=VERSION,
        help="Incident response that asks before it acts.\n\nStart with: signoff up, then: signoff replay high_cpu",
        result_action="return_value",
    )
    for name, place in _COMMANDS.items():
        app.command(place, name=name)
    for group, (text, commands) in _GROUPS.items():
        inner = App(name=group, help=text, result_action="return_value")
        for name, place in commands.items():
            inner.command(place, name=name)
        app.command(inner)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    try:
        result = build()(arguments, exit_on_error=False)
    except CycloptsError:
        sys.exit(Exit.USAGE)
    except SignoffError as error:
        tell(error)
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.exit(Exit.DONE)
    sys.exit(result if isinstance(result, int) else Exit.DONE)


if __name__ == "__main__":
    main()
