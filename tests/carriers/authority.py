"""An authority of our own and certificates that it signed, made by openssl for one test."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Two files in PEM."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Signs certificates; `file` is what trusts them. Skips the test where there is no openssl."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl on this machine")
        self._folder = folder
        self._own = self._paths(name)
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        self._request(self._own, name, "-x509", "-days", "2", *extensions)
        self.file = self._own.certificate

    def certificate(self, *names: str, days: int = 2) -> Certificate:
        """For these subjectAltNames, like `IP:127.0.0.1`. With `days` -1 it has expired."""
        made = self._paths(f"server{len(list(self._folder.iterdir()))}")
        request, extensions = made.certificate.with_suffix(".csr"), made.certificate.with_suffix(".ext")
        self._request(Certificate(request, made.key), "server")
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        signer = ["-CA", str(self._own.certificate), "-CAkey", str(self._own.key), "-CAcreateserial"]
        validity = ["-days", str(days)]
        _openssl("x509", "-req", "-in", request, *signer, "-out", made.certificate, *validity, "-extfile", extensions)
        return made

    def _paths(self, name: str) -> Certificate:
        return Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    @staticmethod
    def _request(to: Certificate, name: str, *more: str) -> None:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl("req", "-new", *curve, "-keyout", to.key, "-out", to.certificate, "-subj", f"/CN={name}", *more)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60)
