"""Density models, one file each, exported from the chapter that builds them (`make export`): edit the chapter."""
