"""The experiments of the chapters, a module each. A chapter imports its own alone."""
