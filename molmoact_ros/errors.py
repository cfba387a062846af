"""Errors that a person can act on: what was found, what was expected, what to do."""


class MolmoActError(Exception):
    """Report a problem in one line: found, expected, and the next step.

    `found` and `expected` are short phrases, `do` is an imperative sentence.
    """

    def __init__(self, found: str, expected: str, do: str):
        self.found, self.expected, self.do = found, expected, do
        # file names, keys and texts of others are quoted here, and may hold line breaks
        super().__init__(" ".join(f"{found}; expected {expected}. {do}".splitlines()))


class InvalidData(MolmoActError, ValueError):
    """A noun was built from data that does not fit its definition."""


class ConfigError(MolmoActError):
    """A configuration key or value is unknown or out of range."""


class MissingPart(MolmoActError):
    """A file, package, device or service that is needed is not there."""


def missing_package(package: str, extra: str) -> MissingPart:
    """Say which optional extra installs a package that could not be imported."""
    return MissingPart(
        f"the Python package '{package}' is not installed",
        f"the '{extra}' extra of molmoact_ros",
        f"Run: pip install 'molmoact_ros[{extra}]'",
    )
