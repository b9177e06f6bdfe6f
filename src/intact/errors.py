"""The exceptions a user of intact can meet.

A wrong argument is a plain ``ValueError`` with the value in it; everything that depends on the
network or on the data is one of the five classes below. Every message says what, where, and what
to do about it.
"""


class IntactError(Exception):
    """Base of all errors that intact raises about networks, data and files."""


class UnsupportedOpError(IntactError):
    """The network holds an operation that intact cannot capture, lower or export."""


class CalibrationError(IntactError):
    """The calibration data are unusable: empty, of the wrong shape, or not finite."""


class VerifyError(IntactError):
    """A graph breaks a rule of its stage, or two executors disagree."""


class FormatError(IntactError):
    """A file is not what it should be: truncated, corrupt, or of another kind."""


class BudgetError(IntactError):
    """The network needs more memory than it may have."""
