"""`load`: from the path of a YAML file to validated, frozen settings, or to every problem at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msyncd.errors import ConfigurationInvalid, Problem
from msyncd.settings.build import build, plugin_entries
from msyncd.settings.check_record_types import check_record_types
from msyncd.settings.check_sites import check_sites
from msyncd.settings.check_trust import check_state_directory, check_trust
from msyncd.settings.sources import read_all
from msyncd.settings.validate import Findings
from msyncd.settings.values import PluginEntry, Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what is still worth saying about it."""

    settings: Settings
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of reading a configuration. `files` are all that it depends on, also those that are not there (yet).

    `contents` is what stood in the YAML files. `plugins` are the entries that are right, also where others are not.
    """

    loaded: Loaded | None
    problems: tuple[Problem, ...]
    files: tuple[Path, ...]
    contents: Mapping[Path, bytes] = field(default_factory=dict, repr=False)
    plugins: tuple[PluginEntry, ...] = ()


def load(path: Path, *, environment: Mapping[str, str] = os.environ) -> Loaded:
    """Reads a configuration whole. Raises ConfigurationInvalid with all problems, sorted by place."""
    made = attempt(path, environment)
    if made.loaded is None:
        raise ConfigurationInvalid(made.problems)
    return made.loaded


def attempt(path: Path, environment: Mapping[str, str], instead: Mapping[Path, bytes] | None = None) -> Attempt:
    """The same without raising: whoever keeps an older configuration wants to know which files would mend this one.

    `instead` is taken for what stands in those files, by their absolute paths.
    """
    findings = Findings()
    sources = read_all(Path(path), environment, findings, instead)
    if sources.main is not None:
        check_sites(sources.main, findings)
        check_trust(sources.main, sources, findings)
        check_record_types(sources, findings)
        check_state_directory(sources.main, sources, findings)
    problems = findings.sorted()
    loaded = None if findings.errors else Loaded(build(sources), problems)
    plugins = tuple(plugin_entries(sources)) if sources.main is not None else ()
    return Attempt(loaded, problems, (*sources.contents, *sources.referred), dict(sources.contents), plugins)
