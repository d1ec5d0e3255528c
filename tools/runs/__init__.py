"""Longer runs: training the bank, and the bench."""
