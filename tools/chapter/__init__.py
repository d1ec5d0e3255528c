"""Authoring: chapters as text and back, executed, exported, held against the house rules."""
