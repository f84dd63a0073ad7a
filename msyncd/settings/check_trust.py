"""What must hold for addresses, certificates and passwords, so that nothing secret is told to others."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msyncd.model import PRIMARY
from msyncd.settings import addresses
from msyncd.settings.expand import expand
from msyncd.settings.schema import Configuration, PeerSection, ThisSiteSection
from msyncd.settings.secrets import is_hash
from msyncd.settings.sources import Sources, absolute
from msyncd.settings.state_directory import choose
from msyncd.settings.validate import Findings, Loc, Validated

_READABLE_BY_OTHERS = 0o044
_PASSWORDS = ("password", "password_file", "password_hash")


def check_trust(main: Validated[Configuration], sources: Sources, findings: Findings) -> None:
    """Reports what is wrong with addresses, certificates and passwords, all at once."""
    _Trust(main, sources, findings).check()


def check_state_directory(main: Validated[Configuration], sources: Sources, findings: Findings) -> None:
    """Says where the installation's state is, if that is not where one would look, or if there are two of them."""
    chosen = choose(main.model.state_directory, sources.path, sources.environment)
    if chosen.message:
        mark = main.tree.at(("state_directory",)).mark
        findings.add(main.file, mark, chosen.message, chosen.hint, severity="warning")


class _Trust:
    def __init__(self, main: Validated[Configuration], sources: Sources, findings: Findings) -> None:
        self._main, self._model, self._sources, self._findings = main, main.model, sources, findings
        this_site = self._model.this_site
        self._here = this_site.sync_id if this_site else None

    def check(self) -> None:
        self._check_database()
        for path, section in self._log_ins():
            self._check_password(path, section)
        for at, peer in enumerate(self._model.sync_with):
            self._check_peer(("sync_with", at), peer)
        self._check_listen()
        self._check_console()
        self._check_code()

    def _report(self, path: Loc, message: str, hint: str = "", *, severity: str = "error") -> None:
        self._findings.add(self._main.file, self._main.tree.at(path).mark, message, hint, severity=severity)

    def _log_ins(self) -> Iterator[tuple[Loc, ThisSiteSection | PeerSection]]:
        if self._model.this_site:
            yield ("this_site",), self._model.this_site
        for at, peer in enumerate(self._model.sync_with):
            yield ("sync_with", at), peer

    def _check_database(self) -> None:
        written = self._model.this_site.database if self._model.this_site else None
        if written is None:
            return
        path = ("this_site", "database")
        understood = addresses.database_url(written, self._sources.base)
        if understood.url is None:
            self._report(path, f"database {understood.message}", understood.hint)
        elif addresses.has_password(self._main.tree.at(path).text):
            self._warn_of_readers(path)

    def _check_password(self, path: Loc, section: ThisSiteSection | PeerSection) -> None:
        given = [name for name in _PASSWORDS if getattr(section, name) is not None]
        for name in given[1:]:
            self._report((*path, name), f"{name} stands beside {given[0]}", "keep one of them")
        if section.password is not None and not expand(section.password, {}).missing:
            self._warn_of_readers((*path, "password"))
        if section.old_password_file is not None and self._here is not None and self._here != PRIMARY:
            hint = "write the new one into password_file; the primary accepts both for a while"
            self._report((*path, "old_password_file"), "a satellite logs in with one password", hint)
        if section.password_hash is None:
            return
        where = (*path, "password_hash")
        if self._here is not None and self._here != PRIMARY:
            hint = "write password_file; only the primary can do with a hash"
            self._report(where, "password_hash cannot be used to log in at the primary", hint)
        expanded = expand(section.password_hash, self._sources.environment)
        if not expanded.missing and not is_hash(expanded.text):
            self._report(
                where, "password_hash is not a hash that msyncd made", "it has the form scrypt$n$r$p$salt$hash"
            )

    def _warn_of_readers(self, path: Loc) -> None:
        if self._sources.mode & _READABLE_BY_OTHERS:
            message = "a password stands in a file that others can read"
            hint = f"chmod 600 {self._main.file}, or use password_file or ${{VARIABLE}}"
            self._report(path, message, hint, severity="warning")

    def _check_peer(self, path: Loc, peer: PeerSection) -> None:
        satellite = self._here is not None and self._here != PRIMARY
        if peer.url is not None:
            understood = addresses.site_url(peer.url, scheme_required=satellite)
            if understood.url is None:
                self._report((*path, "url"), f"url {understood.message}", understood.hint)
            elif addresses.is_plain_http(understood.url) and not self._model.allow_plain_http:
                hint = "use https://, or set allow_plain_http: true on both ends"
                self._report((*path, "url"), "url is plain HTTP to another machine: passwords could be read", hint)
        elif satellite and peer.sync_id in {None, PRIMARY} and not self._main.tree.at((*path, "url")).pruned:
            self._report(path, "url is missing", "e.g. url: https://central.example.org:8443")
        if peer.proxy is not None:
            understood = addresses.proxy_url(peer.proxy)
            if understood.url is None:
                self._report((*path, "proxy"), f"proxy {understood.message}", understood.hint)
        self._check_file((*path, "ca_certificate"), peer.ca_certificate)

    def _check_file(self, path: Loc, written: str | None) -> None:
        if written is None:
            return
        file = absolute(self._sources.base, written)
        self._sources.referred.append(file)
        found = _file_state(file)
        if found == "missing":
            hint = "a path is relative to the file in which it stands"
            self._report(path, f"{path[-1]}: there is no file {file}", hint)
        elif found == "unusable":
            self._report(path, f"{path[-1]}: {file} cannot be read", "the user of msyncd must be able to read it")

    def _check_listen(self) -> None:
        listen = self._model.listen
        self._check_file(("listen", "tls_certificate"), listen.tls_certificate)
        self._check_file(("listen", "tls_key"), listen.tls_key)
        for given, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
            if getattr(listen, given) and not getattr(listen, other) and not self._pruned(("listen", other)):
                self._report(("listen", given), f"{given} stands without {other}", "give both, or none")
        if self._here == PRIMARY and not self._tls() and not addresses.is_loopback(listen.host):
            self._report_open(("listen", "host"), f"listen answers on {listen.host}")

    def _check_console(self) -> None:
        self._check_users()
        written = self._model.console.listen
        if written is None:
            return
        understood = addresses.host_and_port(written)
        if understood is None:
            self._report(("console", "listen"), "listen must be ADDRESS:PORT", "e.g. 127.0.0.1:8444")
        elif not self._tls() and not addresses.is_loopback(understood[0]):
            self._report_open(("console", "listen"), f"the console answers on {understood[0]}")

    def _check_users(self) -> None:
        names: set[str] = set()
        for at, user in enumerate(self._model.console.users):
            path: Loc = ("console", "users", at)
            if user.name in names:
                self._report((*path, "name"), f"{user.name} stands twice in users", "take one of them out")
            names.add(user.name or "")
            if user.password_hash is not None and not is_hash(user.password_hash):
                message = "password_hash is not a hash that msyncd made"
                self._report((*path, "password_hash"), message, "use `msyncd users add`")

    def _report_open(self, path: Loc, what: str) -> None:
        if not self._model.allow_plain_http:
            hint = "give listen.tls_certificate and listen.tls_key, listen on 127.0.0.1, or set allow_plain_http: true"
            self._report(path, f"{what} without TLS: passwords could be read", hint)

    def _tls(self) -> bool:
        listen = self._model.listen
        return any(getattr(listen, name) or self._pruned(("listen", name)) for name in ("tls_certificate", "tls_key"))

    def _pruned(self, path: Loc) -> bool:
        return self._main.tree.at(path).pruned

    def _check_code(self) -> None:
        code = self._model.authorisation.code_hash
        if code is not None and not is_hash(code):
            self._report(
                ("authorisation", "code_hash"), "code_hash is not a hash that msyncd made", "use `msyncd set-code`"
            )


def _file_state(file: Path) -> Literal["usable", "missing", "unusable"]:
    try:
        regular = stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError):
        return "unusable"
    return "usable" if regular and os.access(file, os.R_OK) else "unusable"
