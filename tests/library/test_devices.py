"""Models on a device that is not the CPU, which a stand-in plays (tests/support/second_device.py)."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_models_work_and_are_trained_on_another_device():
    """In a process of its own, as torch knows of a second device for all of a process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/support/on_second_device.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
