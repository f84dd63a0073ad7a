"""A machine that boots: this one's file system under an overlay in memory, in a container of systemd-nspawn."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "msyncd.service"
IN_CI = os.environ.get("CI") == "true"


def cannot(reason: str, *, permitted: bool = False) -> None:
    """This machine cannot do it. In CI that is a failure, unless it is the machine's owner who does not permit it."""
    if IN_CI and not permitted:
        pytest.fail(f"{reason}; CI installs what is needed")
    pytest.skip(reason)


class Machine:
    """`root` is its file system, as it is before it boots. It has no network but its own loopback."""

    def __init__(self, root: Path, out: Path) -> None:
        self.root, self.out = root, out

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file on it, of root's."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def command(self, *words: str) -> None:
        """Run on it before it boots, as root."""
        subprocess.run(["chroot", str(self.root), *words], check=True, capture_output=True, text=True)

    def install_msyncd(self) -> None:
        """This checkout and its libraries, where the service may read them: /usr/bin/msyncd is what the unit runs."""
        run = "import sys; from msyncd.commands import main; sys.exit(main())"
        self.write(
            "/usr/bin/msyncd",
            f"#!/bin/sh\nPYTHONPATH=/opt/msyncd:/opt/libraries exec {self._python()} -c '{run}' \"$@\"\n",
            0o755,
        )

    def _python(self) -> str:
        """The Python of these tests, where the machine has it."""
        program = Path(os.path.realpath(sys.executable)).relative_to(sys.base_prefix)
        return f"/usr/bin/env LD_LIBRARY_PATH=/opt/python/lib /opt/python/{program} -B"

    def boot(self, job: Path, seconds: float) -> str:
        """Boot, run one script as root, and power off when it ends. What the console said."""
        self.write("/etc/systemd/system/test.target", "[Unit]\nRequires=basic.target job.service\nAfter=basic.target\n")
        self.write(
            "/etc/systemd/system/job.service",
            "[Unit]\nAfter=basic.target\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
            f"[Service]\nType=oneshot\nExecStart={self._python()} /opt/job.py /out/facts.json\n",
        )
        self.write("/opt/job.py", job.read_text())
        libraries = Path(pytest.__file__).parents[1]
        binds = [
            f"--bind={self.out}:/out",
            f"--bind-ro={sys.base_prefix}:/opt/python",
            f"--bind-ro={libraries}:/opt/libraries",
            f"--bind-ro={ROOT / 'msyncd'}:/opt/msyncd/msyncd",
            f"--bind-ro={ROOT / 'plugins'}:/opt/msyncd/plugins",
        ]
        quiet = ["--register=no", "--keep-unit", "--link-journal=no", "--console=read-only", "--private-network"]
        command = ["systemd-nspawn", f"--directory={self.root}", *quiet, *binds, "--boot", "--", "--unit=test.target"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
        return done.stdout + done.stderr


def _mounted(kind: str, where: Path, options: str) -> None:
    command = ["mount", "-t", kind, "-o", options, "msyncd-test", str(where)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        refused = "permission denied" in done.stderr
        cannot(f"{kind} cannot be mounted here: {done.stderr.strip()}", permitted=refused)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine like this one, that is not this one: nothing that it writes stays."""
    if os.geteuid() != 0:
        cannot("only root may boot a container", permitted=True)
    missing: Sequence[str] = [one for one in ("systemd-nspawn", "chroot") if shutil.which(one) is None]
    if missing:
        cannot(f"{', '.join(missing)} is not here (Debian: apt install systemd-container)")
    folder, out = tmp_path / "machine", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    with ExitStack() as undo:
        _mounted("tmpfs", folder, "size=512m")
        undo.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        for name in ("changes", "work", "root"):
            (folder / name).mkdir()
        _mounted("overlay", folder / "root", f"lowerdir=/,upperdir={folder}/changes,workdir={folder}/work")
        undo.callback(subprocess.run, ["umount", "--lazy", str(folder / "root")], check=True)
        yield Machine(folder / "root", out)


def drop_in() -> str:
    """The drop-in as the unit's own header shows it."""
    lines = re.findall(r"^#   (\[Service\]|[A-Z]\w+=\S+)", UNIT.read_text().split("[Unit]")[0], re.MULTILINE)
    return "\n".join(lines) + "\n"
