"""Every error that a user of Loupe can meet, with its HTTP status and exit code.

Raise these from the domain; servers turn ``status`` into a response and the command line turns
``exit_code`` into its own. Messages say what was got, what was expected, and the next step.
"""

from typing import ClassVar


class LoupeError(Exception):
    """The root of our errors: ``except LoupeError`` catches what is ours and nothing else."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class NotAPicture(LoupeError):
    """The bytes are empty, damaged, or in a format that we do not read."""

    status = 400
    exit_code = 3


class PictureTooLarge(LoupeError):
    """More bytes or pixels than the limits allow; found from the header, before decoding."""

    status = 413
    exit_code = 4


class InvalidOption(LoupeError):
    """An option out of its range, or one that this model does not have."""

    status = 422
    exit_code = 2


class ModelNotFound(LoupeError):
    """No model of that name is available; the message lists those that are."""

    status = 404
    exit_code = 5


class CheckpointError(LoupeError):
    """A checkpoint that is damaged, not finite, or of another architecture."""

    exit_code = 6


class VersionConflict(LoupeError):
    """A version that is registered already, is damaged, or is not the one that serves."""

    status = 409
    exit_code = 12


class Overloaded(LoupeError):
    """The server is full; ``retry_after`` is in seconds."""

    status = 503
    exit_code = 7

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendUnavailable(LoupeError):
    """The inference server is down, or went away and did not come back within the retries."""

    status = 502
    exit_code = 8


class StorageError(LoupeError):
    """Storage refused: no permission, no space, no bucket, wrong key."""

    exit_code = 9


class Cancelled(LoupeError):
    """The caller asked to stop. 499 is nginx's status for a client that went away."""

    status = 499
    exit_code = 130
