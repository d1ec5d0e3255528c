"""The site: the Sphinx extension, what it needs, and publishing under another address."""
