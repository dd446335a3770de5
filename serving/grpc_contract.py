"""The contract's v2 form over gRPC: ModelInfer with BYTES, the picture's own bytes and no base64.

KServe's servicer reads the protobuf and writes it; between the two, this turns its InferRequest into our
Request, our results into its InferResponse, and our errors into gRPC's.
"""

import struct
from collections.abc import Sequence
from http import HTTPStatus

from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve import InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters

from loupe.errors import LoupeError
from serving.contract import AnyResult, Card, Item, MalformedRequest, Request, answer_parameters, check_shape, tensors
from serving.options import ReadOptions, parse_options

STATUS_CODES = {
    HTTPStatus.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    HTTPStatus.NOT_FOUND: StatusCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.UNPROCESSABLE_ENTITY: StatusCode.INVALID_ARGUMENT,
    HTTPStatus.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    HTTPStatus.BAD_GATEWAY: StatusCode.UNAVAILABLE,
}


def read_grpc(message: InferRequest, *, max_items: int, read: ReadOptions = parse_options) -> Request:
    """Our request from KServe's. Raises MalformedRequest, InvalidOption, PictureTooLarge."""
    if len(message.inputs) != 1 or message.inputs[0].name != "image":
        names = ", ".join(repr(tensor.name) for tensor in message.inputs) or "nothing"
        raise MalformedRequest(f"inputs: got {names}, expected one input with the name 'image'")
    tensor = message.inputs[0]
    if tensor.datatype != "BYTES":
        raise MalformedRequest(f"input 'image': got datatype {tensor.datatype!r}, expected 'BYTES'")
    try:
        pictures = tensor.as_numpy().ravel().tolist()
    except (ValueError, struct.error) as error:
        raise MalformedRequest(f"input 'image': contents do not fit shape {tensor.shape}: {error}") from error
    if not pictures:
        raise MalformedRequest("input 'image': got no picture, expected one or more")
    check_shape(tensor.shape, len(pictures), max_items)
    options = read(to_http_parameters(message.parameters or {}))
    return Request(protocol="v2", id=message.id, items=tuple(Item(data=data, options=options) for data in pictures))


def write_grpc(request: Request, results: Sequence[AnyResult | LoupeError], card: Card) -> InferResponse:
    """KServe's response from our results. Raises GrpcException where the only picture is an error."""
    if len(results) == 1 and isinstance(results[0], LoupeError):
        raise grpc_error(results[0])
    outputs = [InferOutput(name=n, shape=shape, datatype="BYTES", data=data) for n, shape, data in tensors(results)]
    return InferResponse(
        response_id=request.id,
        model_name=card.name,
        model_version=card.version,
        infer_outputs=outputs,
        parameters=answer_parameters(results, card),
    )


def grpc_error(error: LoupeError) -> GrpcException:
    """The gRPC status nearest to the HTTP one, with the same message."""
    code = STATUS_CODES.get(HTTPStatus(error.status), StatusCode.INTERNAL)
    return GrpcException(details=str(error), status_code=code)
