"""`${VARIABLE}` in the YAML's text, replaced from the environment. `$${` stands for a plain `${`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from msyncd.settings.nodes import Mark, Node, number
from msyncd.settings.validate import Findings

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRETS: Final = frozenset({"password", "password_file", "password_hash", "old_password_file"})
_SECTIONS_WITH_SECRETS: Final = frozenset({"this_site", "sync_with"})


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables replaced; `missing` are those that are not set, `flaw` what cannot be a variable."""

    text: str
    missing: tuple[str, ...] = ()
    flaw: str | None = None


def expand(text: str, environment: Mapping[str, str]) -> Expanded:
    """Replaces every `${NAME}`; what is not set stays as it is written."""
    missing: list[str] = []
    flaws: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if found[1] is None:
            flaws.append("${ is not closed")
        elif not _NAME.fullmatch(found[1]):
            flaws.append(f"${{{found[1]}}} is not the name of a variable")
        elif found[1] not in environment:
            missing.append(found[1])
        else:
            return environment[found[1]]
        return found[0]

    return Expanded(_REFERENCE.sub(value, text), tuple(missing), flaws[0] if flaws else None)


def not_set(variable: str) -> tuple[str, str]:
    """What is said of a variable that is not set, and what to do."""
    if variable == "CREDENTIALS_DIRECTORY":
        return (
            "the variable CREDENTIALS_DIRECTORY is not set",
            "systemd sets it for a service that has LoadCredential=",
        )
    return f"the variable {variable} is not set", "set it for the service (Environment= or EnvironmentFile=)"


def expand_tree(tree: Node, environment: Mapping[str, str], file: str, findings: Findings) -> Node:
    """The tree with all texts expanded but secrets: those are needed only by who logs in."""
    return _expand(tree, (), environment, file, findings)


def _is_secret(path: tuple[str, ...]) -> bool:
    return len(path) == 2 and path[0] in _SECTIONS_WITH_SECRETS and path[1] in _SECRETS


def _expand(node: Node, path: tuple[str, ...], environment: Mapping[str, str], file: str, found: Findings) -> Node:
    if isinstance(node.value, dict):
        inner = {key: _expand(below, (*path, key), environment, file, found) for key, below in node.value.items()}
        return replace(node, value=inner)
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(_expand(below, path, environment, file, found) for below in node.value))
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    expanded = expand(node.value, environment)
    if expanded.flaw:
        found.add(file, node.mark, expanded.flaw, "write ${NAME}; for a plain ${ write $${")
        return replace(node, value=None, pruned=True)
    if _is_secret(path):
        return node
    if expanded.missing:
        for variable in expanded.missing:
            _report_not_set(variable, node.mark, file, found)
        return replace(node, value=None, pruned=True)
    # A number in a variable is a number: the environment itself knows only text.
    numeric = number(expanded.text) if node.unquoted else None
    return replace(node, value=expanded.text if numeric is None else numeric)


def _report_not_set(variable: str, mark: Mark, file: str, findings: Findings) -> None:
    message, hint = not_set(variable)
    findings.add(file, mark, message, hint)
