"""What the tests of the tools share: repositories of their own."""

import pytest

from tools.chapter import colab


@pytest.fixture(autouse=True)
def own_repositories(monkeypatch):
    """Git tells its hooks which repository they are of: tests that ran in one would commit there, and tag."""
    for name in colab.OF_A_HOOK:
        monkeypatch.delenv(name, raising=False)
