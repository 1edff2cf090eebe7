"""All commands: name, where the function is, and one line about it. Nothing here imports a command."""

from __future__ import annotations

from collections.abc import Mapping

Commands = Mapping[str, tuple[str, str]]
"""Name -> (`module:function` below `cli.commands`, what it does)."""

COMMANDS: Commands = {
    "up": ("up:up", "Start Signoff in one process; nothing else is needed."),
    "replay": ("replay:replay", "Replay a scenario of the simulated world; without one, list them."),
    "diagnose": ("diagnose:diagnose", "Diagnose a scenario or a recorded case; needs no server, writes nothing."),
    "ask": ("ask:ask", "Ask about an incident; every sentence of the answer cites what it rests on."),
    "approve": ("decide:approve", "Approve the pending plan of an incident, after showing it."),
    "reject": ("decide:reject", "Reject the pending plan of an incident."),
    "withdraw": ("decide:withdraw", "Take the question back; nothing will run."),
    "cancel": ("decide:cancel", "Stop a running execution before its next step."),
    "pause": ("decide:pause", "Begin no further step of a running execution until it is resumed."),
    "resume": ("decide:resume", "Let a paused execution go on."),
    "confirm": ("decide:confirm", "Say that the step in doubt was done; the execution goes on."),
    "retry": ("decide:retry", "Say that the step in doubt was not done; it is done again."),
    "skip": ("decide:skip", "Go on without the step that is in doubt, or next while paused."),
    "budget": ("budget:budget", "Show what asking the model has used, and what is left."),
    "freeze": ("decide:freeze", "Let nothing more change, everywhere, until --off."),
    "serve": ("serve:serve", "Run one service as a process of its own."),
    "login": ("login:login", "Print a one-time link that signs a person in."),
}

GROUPS: Mapping[str, tuple[str, Commands]] = {
    "incidents": (
        "List, show, watch and work on incidents.",
        {
            "list": ("incidents:list_", "List incidents, newest first."),
            "show": ("incidents:show", "Show what is known of one, what was proposed and done."),
            "watch": ("incidents:watch", "Print what happens to one, until it is closed."),
            "ack": ("incidents:ack", "Take responsibility for one; approves nothing."),
            "note": ("incidents:note", "Write something down in one."),
            "close": ("incidents:close", "Close one."),
            "reopen": ("incidents:reopen", "Open a closed one again."),
            "replay": ("rerun:replay", "Run what one rests on through today's engine, and show what differs."),
            "investigate": ("incidents:investigate", "Look at one again, and tell what that changes."),
            "verdict": ("incidents:verdict", "Say whether the diagnosis of one was right."),
        },
    ),
    "deliveries": (
        "What became of webhook deliveries.",
        {
            "show": ("deliveries:show", "Show what became of a delivery."),
            "account": ("deliveries:account", "Show whether every accepted delivery is accounted for."),
        },
    ),
    "silence": (
        "Suppress alerts for a time.",
        {
            "add": ("silence:add", "Suppress alerts; they are kept, counted and shown."),
            "list": ("silence:list_", "List silences that are in force."),
            "end": ("silence:end", "End a silence now."),
        },
    ),
    "dead-letters": (
        "Messages that could not be handled, and keys that could not be sent.",
        {
            "list": ("dead_letters:list_", "List them."),
            "show": ("dead_letters:show", "Show one with its body."),
            "requeue": ("dead_letters:requeue", "Handle one again."),
            "parked": ("dead_letters:parked", "List keys of which nothing is sent any more."),
            "release": ("dead_letters:release", "Send what waits under such a key again."),
        },
    ),
    "topics": (
        "Topics on Kafka, or on the embedded bus.",
        {
            "apply": ("topics:apply", "Create missing topics on Kafka."),
            "list": ("topics:list_", "List topics with their writers and readers."),
            "tail": ("topics:tail", "Print the events of a topic as they come."),
        },
    ),
    "webhooks": (
        "What ingest would make of a webhook's body.",
        {"parse": ("webhooks:parse", "Show what ingest would make of a body.")},
    ),
    "eval": (
        "How good the diagnosis is, on your cases or ours.",
        {
            "predict": ("evaluate:predict", "Diagnose every case of a folder."),
            "score": ("evaluate:score", "Score predictions against what was true."),
            "run": ("evaluate:run", "Run one of our suites and hold it against its gates."),
            "fit": ("evaluate:fit", "Fit how sure the engine may be to how often it was right."),
        },
    ),
    "cause": (
        "The catalogue of causes that the diagnosis knows.",
        {
            "list": ("cause:list_", "List all causes."),
            "show": ("cause:show", "Show one: what speaks for it, against it, and how to tell it from others."),
            "lint": ("cause:lint", "Check the catalogue, or a folder of yours."),
        },
    ),
    "world": (
        "The simulated world.",
        {
            "ledger": ("world:ledger", "List the calls that reached the world in a run."),
            "state": ("world:state", "Show the pressures and monitors of a run."),
            "slack": ("world:slack", "Show the messages of the simulated channel."),
            "serve": ("world:serve", "Run the world alone."),
        },
    ),
    "config": (
        "Settings and where they come from.",
        {
            "show": ("config:show", "Show every setting with its source, and what to paste into the senders."),
            "validate": ("config:validate", "Check settings, runbooks and people."),
        },
    ),
}
