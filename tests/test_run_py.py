"""run.py and the locks: one command from nothing to a running msyncd, and always the same one."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import run

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(*locks: str) -> dict[str, Version]:
    """Package name → locked version."""
    text = "".join((ROOT / name).read_text() for name in locks)
    return {
        canonicalize_name(name): Version(version)
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    }


def wanted(*extras: str) -> Iterator[Requirement]:
    """What pyproject.toml asks for, with these extras; an extra that names others is their sum."""
    listed = PROJECT["project"]["optional-dependencies"]
    for line in [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in listed[extra])]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["project"]["name"]:
            yield from wanted(*sorted(requirement.extras))
        else:
            yield requirement


def unmet(requirements: Iterator[Requirement], locked: dict[str, Version]) -> list[str]:
    return sorted(
        str(requirement)
        for requirement in requirements
        if (version := locked.get(canonicalize_name(requirement.name))) is None or version not in requirement.specifier
    )


def test_the_locks_hold_all_that_the_project_asks_for() -> None:
    assert unmet(wanted("all"), pins("requirements.lock")) == []
    assert unmet(wanted("dev"), pins("requirements.lock", "requirements-dev.lock")) == []
    assert unmet(map(Requirement, PROJECT["build-system"]["requires"]), pins("requirements-build.lock")) == []


def test_an_unlocked_requirement_would_be_seen() -> None:
    assert unmet(iter([Requirement("pluggy>=99"), Requirement("nowhere")]), pins("requirements.lock")) == [
        "nowhere",
        "pluggy>=99",
    ]


def test_what_two_locks_name_they_name_alike() -> None:
    together = [pins(name) for name in run.EVERYTHING]
    for one in together:
        for other in together:
            assert {name: other[name] for name in one.keys() & other.keys()} == {
                name: one[name] for name in one.keys() & other.keys()
            }


@pytest.mark.parametrize("name", run.EVERYTHING)
def test_a_lock_has_only_pins_with_hashes_and_names_no_place(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert lines[0].startswith("# ")
    odd = [
        line
        for line in lines[1:]
        if not re.match(r"[a-z0-9][\w.-]*==[^\s/:]+( ; [^/:]+)? \\$|    --hash=sha256:\w{64}( \\)?$", line)
    ]
    assert odd == []


def test_the_program_that_runs_needs_no_development_package() -> None:
    assert {"pytest", "mypy", "hypothesis"} & pins(*run.RUNTIME).keys() == set()


def checkout(folder: Path) -> run.Venv:
    """A checkout without an environment."""
    for name in ("pyproject.toml", "run.py", *run.EVERYTHING):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return run.Venv(folder, run.RUNTIME)


def made(venv: run.Venv) -> None:
    """As after a set-up that came to its end."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv.folder)], check=True)
    venv.done.write_text(venv.digest())


def test_a_made_environment_is_ready_until_its_locks_change(tmp_path: Path) -> None:
    venv = checkout(tmp_path)
    assert not venv.ready()
    made(venv)
    assert venv.ready()
    with (tmp_path / "requirements.lock").open("a") as lock:
        lock.write("# renewed\n")
    assert not venv.ready()
    assert venv.usable()  # what is there is kept, and only what differs is installed


def test_the_tests_need_more_than_the_daemon(tmp_path: Path) -> None:
    made(checkout(tmp_path))
    assert not run.Venv(tmp_path, run.EVERYTHING).ready()


def test_an_installation_that_was_killed_is_not_trusted(tmp_path: Path) -> None:
    venv = checkout(tmp_path)
    made(venv)
    venv.unfinished.touch()
    assert not venv.ready()
    assert not venv.usable()


def test_an_environment_whose_python_went_away_is_made_anew(tmp_path: Path) -> None:
    venv = checkout(tmp_path)
    made(venv)
    for link in venv.python.parent.glob("python*"):
        link.unlink()
    venv.python.symlink_to(tmp_path / "gone")
    assert not venv.ready()


def test_a_second_set_up_waits_for_the_first(tmp_path: Path) -> None:
    checkout(tmp_path)
    script = "import run, pathlib\nwith run.one_at_a_time(pathlib.Path.cwd()): print('mine', flush=True)"
    with run.one_at_a_time(tmp_path):
        second = subprocess.Popen(
            [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None
    output, _ = second.communicate(timeout=30)
    assert output == "mine\n"


def test_an_installer_that_outlives_its_run_py_keeps_the_lock(tmp_path: Path) -> None:
    checkout(tmp_path)
    here = "import run, pathlib\nhere = pathlib.Path.cwd()\n"
    script = here + "with run.one_at_a_time(here): run.step(['cat', 'fifo'], 'reading', here)"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    with fifo.open("w"):  # opens when the installer reads
        first.kill()
        first.wait(timeout=30)
        waiting = here + "with run.one_at_a_time(here): pass"
        second = subprocess.Popen([sys.executable, "-c", waiting], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
    second.communicate(timeout=30)
    assert second.returncode == 0


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("The virtual environment was not created successfully because ensurepip is not available.", "apt install"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "mirror"),
        ("error: Failed to fetch: `https://mirror.example.org/simple/click/`", "mirror"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "locked"),
        ("something else", "remove .venv"),
    ],
)
def test_a_failed_step_says_what_to_do(output: str, advice: str, tmp_path: Path) -> None:
    with pytest.raises(run.SetupError) as failure:
        run.step([sys.executable, "-c", "import sys; sys.exit(sys.argv[1])", output], "installing", tmp_path)
    assert output in str(failure.value)
    assert advice in str(failure.value).rpartition(output)[2]


def test_an_older_python_is_told_which_ones_will_do() -> None:
    script = (
        "import runpy, sys; sys.version_info = (3, 10, 4, 'final', 0); runpy.run_path('run.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13, and this is 3.10" in done.stderr


@pytest.mark.parametrize("wish", ["", "1"])
def test_programs_are_compiled_once_and_never_beside_the_sources_of_who_wants_none_there(
    tmp_path: Path, wish: str
) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    look = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    venv = f"run.Venv(pathlib.Path({str(tmp_path)!r}), ())"
    script = f"import pathlib, run; run.become({venv}, 'python', '-c', {look!r})"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": wish}
    environment.pop("PYTHONPYCACHEPREFIX", None)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"False {tmp_path / '.venv' / 'pycache' if wish else None}"


def test_without_a_command_it_shows_what_there_is() -> None:
    done = subprocess.run([sys.executable, "run.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.findall(r"^  (\w+) ", done.stderr, re.MULTILINE) == [
        "demo",
        "test",
        "soak",
        "fuzz",
        "lint",
        "bench",
        "setup",
        "lock",
    ]
