"""`repscape status`."""


def status() -> None:
    """Status."""
