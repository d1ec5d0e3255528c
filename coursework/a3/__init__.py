"""Catch it if you can: chapters 07, 10 and 11."""
