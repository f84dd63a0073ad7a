"""Which hosts are this machine: only there may passwords travel in the clear."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can be meant. Names other than localhost are not asked for."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
