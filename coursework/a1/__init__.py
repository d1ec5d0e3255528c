"""A likelihood you can trust: chapters 02 to 04."""
