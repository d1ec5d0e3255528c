"""Chapters run in book/, so that is where tests import the library from; the tools import one another."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "tools")]
