"""Which files a row can be written to, by their suffix."""


def suffixes(clip: bool) -> tuple[str, ...]:
    """The suffixes that a row of a clip, or of a picture, can be saved with; the usual one first."""
    still = (".png", ".npz", ".csv", ".pdf", ".svg")
    return (".webm", *still) if clip else still
