"""Figures that the tests of this room leave: printed at the end of the run."""

from collections.abc import Callable

import pytest
from tests.conftest import FIGURE


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps a line for the end of the run."""
    return lambda line: request.node.user_properties.append((FIGURE, line))
