"""``python -m frontend [--host --port --inference-url --storage]``: the page and its server."""

import argparse
import logging
import signal
import sys

from pydantic import ValidationError

from frontend.server import serve
from frontend.settings import WebSettings
from loupe.errors import LoupeError


def main() -> int:
    """Parse, serve, and turn what can go wrong at the start into one line and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m frontend", description="Loupe's page and its server.")
    parser.add_argument("--host", dest="web_host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", dest="web_port", type=int, help="port to listen on (8000)")
    parser.add_argument("--inference-url", help="the inference server (http://127.0.0.1:8080)")
    parser.add_argument("--storage", help="where results are kept (file://.loupe or s3://bucket/prefix)")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both signals are an ordinary end
    try:
        serve(WebSettings(**given))
    except ValidationError as error:
        for one in error.errors():
            print(f"{one['loc'][0]}: got {one['input']!r}: {one['msg']}", file=sys.stderr)  # noqa: T201
        return 2
    except LoupeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        pass  # uvicorn has stopped everything and only passes the signal on
    return 0


if __name__ == "__main__":
    sys.exit(main())
