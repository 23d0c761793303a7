"""Countries and their main zones: where an organization's clock is taken to be until it names its own."""

from functools import lru_cache
from importlib.resources import files

# The table lists a country's zones from one end to the other, and most begin with the capital's or the largest city's. These do not.
_MAIN_ZONES = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "FM": "Pacific/Pohnpei",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "UM": "Pacific/Wake",
    "UZ": "Asia/Tashkent",
}


def main_zone(region: str) -> str:
    """The IANA zone of a country (ISO 3166 alpha-2), `UTC` where the zone table does not know it."""
    return _main_zones().get(region, "UTC")


def is_country(region: str) -> bool:
    """Whether this is a code of ISO 3166 (alpha-2, capitals) that the zone table knows."""
    return region in _main_zones()


@lru_cache(maxsize=1)
def _main_zones() -> dict[str, str]:
    zones: dict[str, str] = {}
    # Columns of zone.tab: country, coordinates, zone, comments.
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, zone)
    return zones | _MAIN_ZONES
