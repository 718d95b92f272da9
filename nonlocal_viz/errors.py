"""What can go wrong for a user, as types. Invariant: every message is a sentence that says what to do.

Whatever a user can cause (a broken file, a pixel outside the picture, an unknown block) is raised as
a :class:`NonlocalVizError`; the web page, the command line and the HTTP API show its message as it
is and nothing else. Any other exception type that escapes is a defect of ours.
"""


class NonlocalVizError(Exception):
    """Base of everything that a user can cause. ``str(error)`` is fit to be shown to that user."""

    def __str__(self) -> str:
        # What strangers wrote stands in sentences, and a terminal obeys what it is sent.
        said = Exception.__str__(self)
        said = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in said)
        return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 300]} ... {said[-300:]}"


#: Letters of a sentence: beyond it lies what somebody sent.
_LONGEST = 1500


class MediaError(NonlocalVizError):
    """The file is not a picture (or clip) that can be shown: unknown, broken, empty or too big."""


class GoneError(MediaError):
    """A picture that was here is here no longer; opening it again is right."""


class QueryError(NonlocalVizError, ValueError):
    """The query points at no cell: outside the picture, not a number, or an unknown frame."""


class BlockError(NonlocalVizError, KeyError):
    """No non-local block has that name; the message lists the blocks that there are."""


class ShapeError(NonlocalVizError, ValueError):
    """A tensor or layout does not have the shape that the operation is defined for."""


class MapTooLargeError(NonlocalVizError):
    """The dense N x M map was asked for and would not fit within the bound in limits.py."""


class CheckpointError(NonlocalVizError):
    """A checkpoint or manifest is missing, altered, unsafe, or of an unknown layout."""


class OptionError(NonlocalVizError, ValueError):
    """An option is unknown, has a value that it cannot have, or contradicts another."""


class DeviceError(NonlocalVizError):
    """The device to compute on is unknown or not present."""


class WritingError(NonlocalVizError):
    """A file cannot be written: another suffix than those known, no such folder, a full disk."""


class ProbeError(NonlocalVizError):
    """A network cannot be looked into, or has no attention that could be found; the message says why."""


class BusyError(NonlocalVizError):
    """The service has more work than it accepts; trying again later is right."""
