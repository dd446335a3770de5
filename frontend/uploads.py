"""One uploaded picture: read from a multipart form as it streams in, never more than the limit."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from loupe.errors import InvalidOption, PictureTooLarge, StorageError
from loupe.settings import Limits

FORM_BYTES = 64 * 1024  # the other fields, the boundaries and the headers of the parts


class UploadTooLarge(PictureTooLarge):
    """Refused while it was still coming in: the rest of the request is unread."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The picture's bytes (never empty of meaning: decoding judges them), the form's text fields and other files."""

    data: bytes
    fields: Mapping[str, str]
    others: Mapping[str, bytes] = field(default_factory=dict)


async def read_upload(request: Request, limits: Limits, *, others: tuple[str, ...] = ()) -> Upload:
    """Read the form with the picture in ``file``, and further pictures in the fields ``others`` where there are any.

    The body is counted while it arrives: a larger one is refused with UploadTooLarge at the first byte over
    the limit (or at once when Content-Length says so), with the rest unread. Over 1 MB it goes to a temporary
    file, so many slow uploads cost no memory. Raises InvalidOption when the form is not as
    documented, StorageError when there is no room for that file.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidOption("expected a multipart/form-data form with the picture in the field 'file'")
    allowed = limits.max_bytes + FORM_BYTES
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > allowed:
        raise _too_large(limits)
    counted = Request(request.scope, _counted(request.receive, allowed, limits))
    try:
        async with counted.form(max_files=1 + len(others), max_fields=16, max_part_size=FORM_BYTES) as form:
            picture = form.get("file")
            if not isinstance(picture, UploadFile):
                raise InvalidOption("the form has no picture: expected a file in the field 'file'")
            if (picture.size or 0) > limits.max_bytes:
                raise _too_large(limits)
            data = await run_in_threadpool(picture.file.read)
            more = {name: one for name in others if isinstance(one := form.get(name), UploadFile)}
            contents = {name: await run_in_threadpool(one.file.read) for name, one in more.items()}
            fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    except OSError as error:
        where = tempfile.gettempdir()
        raise StorageError(f"the upload could not be kept in {where}: {error.strerror}; free some space") from error
    return Upload(data=data, fields=fields, others=contents)


def _counted(receive: Receive, allowed: int, limits: Limits) -> Receive:
    """``receive`` that raises UploadTooLarge once more than ``allowed`` bytes came."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > allowed:
            raise _too_large(limits)
        return message

    return counted


def _too_large(limits: Limits) -> UploadTooLarge:
    return UploadTooLarge(f"the file is larger than {limits.max_bytes / 1024**2:.0f} MB; save it smaller or as JPEG")
