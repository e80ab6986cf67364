"""Everything that can end a run early: each class has its exit code, each message says the remedy.

Exit codes 0 (done) and 1 (done, but some files could not be read) are results, not errors.
"""


class FaceFinderError(Exception):
    """Base of all errors that a user can do something about."""

    exit_code = 10


class UsageError(FaceFinderError):
    """A wrong flag, settings key or value."""

    exit_code = 2


class ReferencesError(FaceFinderError):
    """The reference photos are missing, or no face in them can be used."""

    exit_code = 3


class PlacesError(FaceFinderError):
    """The places to search do not exist or cannot be opened. (One that goes away during the search: same exit code.)"""

    exit_code = 4


class ModelsError(FaceFinderError):
    """A model file is missing, damaged or unknown."""

    exit_code = 5


class DestinationError(FaceFinderError):
    """The copies cannot be written: no room, no permission, or the folder has gone."""

    exit_code = 6


class IndexFileError(FaceFinderError):
    """The index cannot be opened or written."""

    exit_code = 7


class IndexInUse(IndexFileError):
    """Another run has the index open."""


class UnreadableIndex(IndexFileError):
    """The index is encrypted with another passphrase, damaged, or of another version."""


class WorkerError(FaceFinderError):
    """The worker processes die, whatever they are given."""

    exit_code = 8


class Interrupted(FaceFinderError):
    """The user pressed Ctrl-C."""

    exit_code = 130
