"""Which addresses belong to a local network: the only ones that discovery dials and the LAN port serves.

This is no defence (who is there is proved by key); it keeps a neighbour's announcement from sending
the node to dial the internet, and the internet from reaching the LAN port of a node on a public address.
"""

import ipaddress


def is_local(address: str) -> bool:
    """True for an IP address of one host, zone or not (`fe80::1%eth0`), that is not routed on the internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback or parsed.is_link_local:
        return True
    return not (parsed.is_global or parsed.is_multicast or parsed.is_unspecified or _is_nobodys(parsed))


def _is_nobodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """The "this network" block, and the one kept back for ever, which holds the broadcast address."""
    return isinstance(address, ipaddress.IPv4Address) and (address.packed[0] == 0 or address.packed[0] >= 240)


def own_addresses() -> tuple[str, ...]:
    """This machine's local addresses, sorted: IPv4 first, and link-local IPv6 with its zone."""
    import ifaddr

    found = set()
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str):
                found.add(ip.ip)
            else:
                address, _, scope = ip.ip
                found.add(f"{address}%{adapter.name}" if scope else address)
    return tuple(sorted((address for address in found if is_local(address)), key=lambda each: (":" in each, each)))
