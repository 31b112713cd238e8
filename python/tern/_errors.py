"""The one exception of the package."""


class Error(RuntimeError):
    """What was found, what is allowed, what to do. `code`: the exit code that quant-compile would have (1 for `load` and `run`)."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code
