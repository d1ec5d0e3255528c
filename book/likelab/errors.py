"""The one error of files and of the ways to them."""


class DataError(RuntimeError):
    """A file, or the way to it, is not as it should be. The message: file, expected, found, remedy."""

    @classmethod
    def about(cls, file, expected, found, remedy) -> "DataError":
        """The error in one sentence and a remedy; each part may be anything that has a text."""
        return cls(f"{file}: expected {expected}; found {found}. {remedy}")
