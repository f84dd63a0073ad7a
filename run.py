#!/usr/bin/env python3
"""Set up and start: `python3 run.py demo` on a machine that has nothing but Python 3.11, 3.12 or 3.13.

The standard library only. What is needed is installed once, in the locked versions, into .venv beside this file
(by uv if it is there, else by pip); a second call starts at once.
"""

import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):  # before the imports, which an older Python does not have
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"msyncd needs Python 3.11, 3.12 or 3.13, and this is {found}; try: python3.11 run.py demo")

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
RUNTIME = ("requirements-build.lock", "requirements.lock")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
EVERYTHING = (*RUNTIME, "requirements-dev.lock")
CHECKED = ("msyncd", "plugins", "tests", "bench", "run.py")

USAGE = """\
usage: python3 run.py COMMAND [arguments]

  demo    a primary and two satellites on this machine, with a live view (--once: the story to its end)
  test    the test suite, on all cores, in some minutes (--all: what needs PostgreSQL, MariaDB or Chromium too, and
          what takes long; any other arguments go to pytest, which then runs what they say)
  soak    the checker, with faults and seeds, for as long as it is told (--hours 8 --kinds sqlite,postgresql,mariadb)
  fuzz    atheris on what reads bytes of others (fuzz messages -max_total_time=60; alone it names all targets)
  lint    format, lint, types, import layers
  bench   the measurements of bench/ (arguments go to them)
  setup   only make .venv, with what tests need
  lock    renew the *.lock files from pyproject.toml, as few changes as needed (--upgrade: the newest of all; needs uv)

Any other command is given to msyncd: python3 run.py status --json
"""


class SetupError(Exception):
    """Setting up did not work; the message says what to do."""


@dataclass(frozen=True)
class Venv:
    """The virtual environment of one checkout, and how far it is made."""

    root: Path
    locks: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """Stands there while an installation runs: found later, that one was killed half-way."""
        return self.folder / ".msyncd-unfinished"

    @property
    def done(self) -> Path:
        """Holds the digest of what was installed; written last."""
        return self.folder / f".msyncd-done-{'test' if self.locks == EVERYTHING else 'run'}"

    def digest(self) -> str:
        """Changes with what was installed from: locks, project, Python, and the place (scripts hold paths)."""
        parts = [b"1", str(self.root).encode(), VERSION.encode()]
        parts += [(self.root / name).read_bytes() for name in ("pyproject.toml", *self.locks)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def ready(self) -> bool:
        return self.done.is_file() and self.done.read_text() == self.digest() and self.usable()

    def usable(self) -> bool:
        """Its Python starts, has the version of this one, and no installation into it was cut off."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        asked = [str(self.python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        return answer.stdout.strip() == VERSION


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold this file's lock: two calls in one checkout would install over each other. A killed holder frees it."""
    with (root / "run.py").open("rb") as file:
        # An installer that outlives a killed run.py goes on holding it, so that nobody clears .venv under its hands.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run.py is setting up .venv here; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(venv: Venv) -> None:
    """Make the environment complete, if it is not."""
    if venv.ready():
        return
    with one_at_a_time(venv.root):
        if not venv.ready():  # the other one may have done it
            make(venv)


def make(venv: Venv) -> None:
    """Create .venv (anew if it is unusable), install the locked packages, then the project in place."""
    uv = shutil.which("uv")
    started = time.monotonic()
    if not venv.usable():
        create(venv, uv)
    venv.unfinished.touch()
    for marker in venv.folder.glob(".msyncd-done-*"):
        marker.unlink()
    install = [uv, "pip", "install", "--python", str(venv.python)] if uv else [*pip(venv), "install"]
    count = sum(len(re.findall(r"^[a-z]\S*==", (venv.root / name).read_text(), re.MULTILINE)) for name in venv.locks)
    listed = [part for name in venv.locks for part in ("-r", name)]
    tool = "uv" if uv else "pip"
    step([*install, "--require-hashes", *listed], f"installing {count} packages with {tool}", venv.root)
    # No build isolation: that would fetch the newest build backend, while the locked one is already here.
    in_place = ["--no-deps", "--no-build-isolation", "--no-index", "-e", "."]
    step([*install, *in_place], "installing msyncd in place", venv.root)
    venv.unfinished.unlink()
    for each in {Venv(venv.root, RUNTIME), venv}:
        each.done.write_text(each.digest())
    say(f"ready in {time.monotonic() - started:.0f} s")


def pip(venv: Venv) -> list[str]:
    """The environment's own pip; added if uv, which needs none, made the environment and is gone."""
    command = [str(venv.python), "-m", "pip"]
    if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode:
        step([str(venv.python), "-m", "ensurepip"], "adding pip", venv.root)
    return command


def create(venv: Venv, uv: str | None) -> None:
    # The one below, if this Python is that of the very .venv that has to go.
    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    if venv.folder.exists():
        shutil.rmtree(venv.folder)
    command = [uv, "venv", "--python", python] if uv else [python, "-m", "venv"]
    step([*command, str(venv.folder)], f"making {venv.folder} (Python {VERSION}, only once)", venv.root)


def step(command: Sequence[str], what: str, root: Path) -> None:
    """Run one step of the set-up, shown as one line; on failure its last words and the remedy."""
    live = sys.stderr.isatty()
    say(f"{what} …", end="" if live else "\n")
    # A person's own settings for pip must not lead it out of the environment.
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    kept: list[str] = []
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            kept.append(line.rstrip())
            match = re.match(r"\s*(?:Collecting|Downloading) ([\w.-]+)", line)
            if live and match:
                say(f"\r\x1b[K{what} … {match[1]}", end="")
    if live:
        say(f"\r\x1b[K{what}{': failed' if process.returncode else ''}")
    if process.returncode:
        output = "\n".join(kept)
        raise SetupError(f"{what} failed:\n{indented(output)}\n{remedy(output)}")


def indented(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])


REMEDIES = (
    (
        r"ensurepip|No module named '?venv",
        f"Python's venv module is not complete here. On Debian and Ubuntu: sudo apt install python{VERSION}-venv",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH|[Hh]ash mismatch",
        "A package is not the one that was locked: look at the package index or proxy in use.",
    ),
    (r"No space left", "The disk is full: free about 300 MB."),
    (
        r"name resolution|NewConnection|ConnectTimeout|dns error|[Ff]ailed to fetch|SSLError|No matching distribution",
        """The packages could not be fetched: connect this machine, or name a mirror that it reaches
(pip: PIP_INDEX_URL, uv: UV_DEFAULT_INDEX) or a proxy (HTTPS_PROXY).""",
    ),
)


def remedy(output: str) -> str:
    """What a person can do about a failed step, from what it printed."""
    for pattern, advice in REMEDIES:
        if re.search(pattern, output):
            return f"{advice}\nThen run this again."
    return "Run this again; if it fails in the same way, remove .venv first."


def become(venv: Venv, program: str, *arguments: str) -> None:
    """Become a program of the environment: signals and the exit status are its own."""
    environment = {**os.environ, "VIRTUAL_ENV": str(venv.folder)}
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):  # nothing beside the sources, but not compiled at every start
        environment["PYTHONPYCACHEPREFIX"] = str(venv.folder / "pycache")
    environment["PATH"] = f"{venv.python.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    path = venv.python.parent / program
    os.execve(path, [str(path), *arguments], environment)


def test(arguments: Sequence[str]) -> None:
    venv = Venv(ROOT, EVERYTHING)
    ensure(venv)
    os.chdir(ROOT)
    chosen = {(): ["-m", "not outside and not long"], ("--all",): []}.get(tuple(arguments), arguments)
    # worksteal: the story tests differ in length by a factor of a hundred.
    # More workers than cores: many a test waits for daemons.
    workers = str(max(2, (os.cpu_count() or 1) * 3 // 2))
    become(venv, "pytest", "-n", workers, "--dist", "worksteal", *chosen)


def setup(arguments: Sequence[str]) -> None:
    if arguments:
        sys.exit("run.py setup takes no arguments")
    ensure(Venv(ROOT, EVERYTHING))


def lint(arguments: Sequence[str]) -> None:
    """Every check, also after one has failed: all that is wrong is seen at once."""
    if arguments:
        sys.exit("run.py lint takes no arguments")
    venv = Venv(ROOT, EVERYTHING)
    ensure(venv)
    present = [name for name in CHECKED if (ROOT / name).exists()]
    checks = (["ruff", "format", "--check"], ["ruff", "check"], ["mypy", *present], ["lint-imports"])
    failed = []
    for program, *options in checks:
        say(f"— {program} {' '.join(options)}")
        if subprocess.run([venv.python.parent / program, *options], cwd=ROOT, check=False).returncode:
            failed.append(program)
    sys.exit(f"not clean: {', '.join(failed)}" if failed else 0)


def soak(arguments: Sequence[str]) -> None:
    become_module("tests.faults.checker", arguments)


def fuzz(arguments: Sequence[str]) -> None:
    become_module("tests.inputs.fuzz", arguments)


def bench(arguments: Sequence[str]) -> None:
    if not (ROOT / "bench" / "__main__.py").is_file():
        sys.exit("this checkout has no bench/")
    become_module("bench", arguments)


def become_module(name: str, arguments: Sequence[str]) -> None:
    venv = Venv(ROOT, EVERYTHING)
    ensure(venv)
    os.chdir(ROOT)
    become(venv, "python", "-m", name, *arguments)


def compile_lock(name: str, words: str, arguments: Sequence[str], stdin: str | None = None) -> list[str]:
    """Write one lock, keeping the versions that it has where they still do; return the packages that it names."""
    uv = shutil.which("uv") or sys.exit("run.py lock needs uv: pip install uv")
    # No index, link or header: a lock must not name a place that packages came from.
    places = ("--no-config", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", *places]
    done = subprocess.run([*command, "-o", name, *arguments], cwd=ROOT, input=stdin, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} could not be renewed")
    made = (ROOT / name).read_text()
    (ROOT / name).write_text(f"# {words}, for Python 3.11 to 3.13. Renewed by: python3 run.py lock\n{made}")
    return re.findall(r"^([\w.-]+)==", made, re.MULTILINE)


def lock(arguments: Sequence[str]) -> None:
    """Renew the locks for every Python that we support, with hashes."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    words = "What msyncd needs to run, with every extra"
    runtime = compile_lock("requirements.lock", words, ["--extra", "all", "pyproject.toml", *arguments])
    same = ["-c", "requirements.lock", *arguments]
    compile_lock("requirements-build.lock", "What builds msyncd", [*same, "-"], stdin="\n".join(build))
    held = [option for name in runtime for option in ("--no-emit-package", name)]
    words = "On top of requirements.lock, what tests and checks need"
    compile_lock("requirements-dev.lock", words, [*same, *held, "--extra", "dev", "pyproject.toml"])


def main(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(USAGE, end="")
        sys.exit(0 if arguments else 2)
    command, *rest = arguments
    own = {"test": test, "soak": soak, "fuzz": fuzz, "lint": lint, "bench": bench, "lock": lock, "setup": setup}
    try:
        if command in own:
            own[command](rest)
        else:
            venv = Venv(ROOT, RUNTIME)
            ensure(venv)
            become(venv, "msyncd", command, *rest)
    except SetupError as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
