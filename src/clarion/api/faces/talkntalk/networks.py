"""Which Kenyan network a number was allotted to: the vendor's `network`. A number that was carried over to another keeps its first one."""

from collections.abc import Mapping

OTHER = "other"
"""The vendor's word for a network that it has no name for; ours for other countries too."""

# What follows 254, as phonenumbers' carrier data of 2026 have it; a test compares them.
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "safaricom": ("11", "14", "18", "70", "71", "72", "74", "757", "758", "759", "768", "769", "79"),
    "airtel": ("10", "135", "136", "137", "138", "139", "73", "75", "76", "78"),
    "telkom": ("120", "761", "77"),
    "faiba": ("747",),
    OTHER: ("744",),
}

_NETWORKS = {prefix: network for network, prefixes in PREFIXES.items() for prefix in prefixes}


def network_of(recipient: int) -> str:
    """`safaricom`, `airtel`, `telkom`, `faiba` or `other`. `recipient` is E.164 digits."""
    text = str(recipient)
    if len(text) != 12 or not text.startswith("254"):
        return OTHER
    return _NETWORKS.get(text[3:6]) or _NETWORKS.get(text[3:5], OTHER)
