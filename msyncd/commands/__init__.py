"""The command `msyncd`: one command is one file, imported when it is called."""

from collections.abc import Sequence

from msyncd.commands.group import Listed, RootGroup
from msyncd.commands.options import VERSION_OPTION

SECTIONS: dict[str, dict[str, Listed]] = {
    "Look": {
        "status": Listed("msyncd.commands.status:status", "Each peer: state, last success, to send, to receive."),
        "explain": Listed("msyncd.commands.explain:explain", "Where a record goes and why; why it is or is not here."),
        "sites": Listed("msyncd.commands.sites:sites", "The sites of this installation."),
        "stores": Listed("msyncd.commands.stores:stores", "Where stores are active; move one."),
        "plugins": Listed(
            "msyncd.commands.plugins:plugins", "What is loaded, from where, its hooks, time spent, failures."
        ),
    },
    "Act": {
        "sync": Listed("msyncd.commands.sync:sync", "One cycle now, with progress."),
        "quarantine": Listed("msyncd.commands.quarantine:quarantine", "What was refused and why; retry or discard it."),
        "export": Listed("msyncd.commands.export:export", "Write a bundle, to be carried by hand to the other end."),
        "import": Listed("msyncd.commands.import_:import_", "Take in a bundle that was carried here by hand."),
        "compare": Listed("msyncd.commands.compare:compare", "Find, and repair, what differs from the primary."),
    },
    "Set up": {
        "check": Listed("msyncd.commands.check:check", "Validate files, plugins, database and tables."),
        "plan": Listed("msyncd.commands.plan:plan", "What an edited configuration would change."),
        "check-connection": Listed("msyncd.commands.check_connection:check_connection", "Try the line, step by step."),
        "doctor": Listed("msyncd.commands.doctor:doctor", "Look at everything, and say what to do."),
        "init": Listed("msyncd.commands.init:init", "Install tables and triggers in the database."),
        "remove": Listed("msyncd.commands.remove:remove", "Take the tables and triggers away again."),
        "set-code": Listed("msyncd.commands.set_code:set_code", "Set the authorisation code."),
        "unlock": Listed("msyncd.commands.unlock:unlock", "Give the authorisation code."),
        "lock": Listed("msyncd.commands.lock:lock", "Accept no more edits without the authorisation code."),
        "users": Listed("msyncd.commands.users:users", "Who may log in to the console."),
        "schema": Listed("msyncd.commands.schema:schema", "The JSON Schema of the YAML, for editors."),
    },
    "Run": {
        "run": Listed("msyncd.commands.run:run", "The daemon, in the foreground."),
        "demo": Listed("msyncd.commands.demo:demo", "A primary and two satellites on this machine, with a live view."),
    },
}
"""Every command by the heading under which `msyncd --help` lists it."""

cli = RootGroup(
    "msyncd",
    sections=SECTIONS,
    help="""Keeps the databases of medicine stores in step: one primary, many satellites.

    Plugins may add commands: `msyncd plugins` lists them.

    Exit status: 0 done; 1 the answer is no; 2 wrong usage; 75 try again later; 78 the configuration is invalid.
    """,
    examples=("msyncd check", "msyncd sync", "msyncd status -c /etc/msyncd/msyncd.yaml"),
    params=[VERSION_OPTION],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
"""The command itself, for click's own machinery: completion and tests."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. The installed script ends with it."""
    status: int = cli.main(args=None if argv is None else list(argv), prog_name="msyncd", standalone_mode=False)
    return status
