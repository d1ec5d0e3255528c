"""Change of variables: chapters 05 and 09."""
