"""Telling systemd how it goes (sd_notify), by hand: a datagram to the socket that it named."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Silent where there is no service manager."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        self.watchdog_seconds = int(watchdog) / 2_000_000 if watchdog.isdigit() and mine else None
        """How often a sign of life is due: twice in the time after which the service manager would act."""
        self._status = ""

    def ready(self) -> None:
        """It runs, or has taken in a configuration."""
        self._send("READY=1")

    def reloading(self) -> None:
        """It reads its configuration."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It ends by itself or was told to."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Every loop lives."""
        self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        """How it goes, in one line; sent when it changes."""
        if words != self._status:
            self._status = words
            self._send(f"STATUS={' '.join(words.split())}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError:
            return  # the service manager restarts, or is gone; it asks for nothing that could be done better
