"""SMPP 3.4 as a client: settings from a URL, a bind that keeps itself up, and a probe of one connection."""

from clarion.carriers.smpp.bind import SmppBind
from clarion.carriers.smpp.probe import ProbeResult, probe
from clarion.carriers.smpp.settings import CarrierUrlError, SmppSettings, names_password, parse_url, url_without_password

__all__ = ["CarrierUrlError", "ProbeResult", "SmppBind", "SmppSettings", "names_password", "parse_url", "probe", "url_without_password"]
