"""The peers' programs in .cache/peers: Debian's packages unpacked, Python's in their own environment. Nothing else is changed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALL_S = 600.0

Environment = dict[str, str]


class Absent(Exception):
    """A peer cannot be measured here; the text says why."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Debian packages. What the system itself has is taken from there."""

    root: Path
    versions: dict[str, str]

    def program(self, name: str) -> str:
        """Its path. Raises Absent."""
        folders = [self.root / folder for folder in ("usr/sbin", "usr/bin")]
        path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
        if found := shutil.which(name, path=path):
            return found
        raise Absent(f"its packages have no {name}")

    def folder(self, name: str) -> Path:
        """Where a package put a folder, `usr/lib/erlang` for example. Raises Absent."""
        for root in (self.root, Path("/")):
            if (root / name).is_dir():
                return root / name
        raise Absent(f"its packages have no folder {name}")

    @property
    def environment(self) -> Environment:
        """With which its programs find their libraries."""
        folders = [*self.root.glob("usr/lib/*-linux-gnu"), *self.root.glob("lib/*-linux-gnu")]
        return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}


def debian(cache: Path, packages: Sequence[str]) -> Unpacked:
    """Download what these packages need and this system lacks, and unpack it. Raises Absent."""
    folder = cache / "-".join(packages)
    root, stamp = folder / "root", folder / "versions.json"
    if not stamp.exists():
        for program in ("apt-get", "dpkg-deb", "dpkg-query"):
            if shutil.which(program) is None:
                raise Absent(f"there is no {program} here")
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "packages").mkdir(parents=True)
        if missing := _missing(packages):
            _run("apt-get", "download", *missing, cwd=folder / "packages")
        for package in sorted((folder / "packages").glob("*.deb")):
            _run("dpkg-deb", "--extract", str(package), str(root))
        stamp.write_text(json.dumps({package: _version(package, folder / "packages") for package in packages}))
    return Unpacked(root, json.loads(stamp.read_text()))


def python_package(cache: Path, name: str, version: str) -> Path:
    """The folder of a virtual environment with this package, its source beside it in `source`. Raises Absent."""
    folder = cache / f"{name}-{version}"
    python, stamp = folder / "bin/python", folder / "installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet")
        _run(*pip, "download", "--no-deps", "--no-binary", name, "--dest", str(folder / "source"), f"{name}=={version}")
        source = next((folder / "source").glob("*.tar.gz"))
        _run(*pip, "install", str(source))
        shutil.unpack_archive(source, folder / "source", filter="data")
        stamp.touch()
    return folder


def _missing(packages: Sequence[str]) -> list[str]:
    command = ("apt-get", "--simulate", "--no-install-recommends", "install", *packages)
    try:
        lines = _run(*command)
    except Absent:
        if os.geteuid():
            raise
        _run("apt-get", "update")  # root's lists may just be old or empty
        lines = _run(*command)
    return [line.split()[1] for line in lines.splitlines() if line.startswith("Inst ")]


def _version(package: str, folder: Path) -> str:
    for file in folder.glob(f"{package}_*.deb"):
        return _run("dpkg-deb", "--field", str(file), "Version").strip()
    return _run("dpkg-query", "--show", "--showformat", "${Version}", package).strip()


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=_plain()
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"`{command[0]}` did not end in {INSTALL_S:g} s") from None
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Absent(f"`{' '.join(Path(word).name for word in command[:4])} …` failed: {said[-1] if said else done.returncode}")
    return done.stdout


def _plain() -> Environment:
    """English, and none of this program's own paths to modules."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"LC_ALL": "C"}
