"""Which addresses belong to a local network: the only ones that discovery dials and the LAN port serves."""

import ipaddress
from typing import Final

# ipaddress calls more than this "private" (documentation, benchmarking …); these are what homes and
# offices use, and 100.64/10 is what overlay networks such as Tailscale hand out.
_LOCAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


def is_local(address: str) -> bool:
    """True for an IP address, with or without a zone (`fe80::1%eth0`), of a private or link-local range."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _LOCAL if network.version == parsed.version)
