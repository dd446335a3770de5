"""What the inference servers say in the terminal: their own news, and of libraries only warnings."""

import logging

# One line for each request to a predictor, and one for each attempt while it starts, are no news.
QUIET = ("httpx", "loupe.remote")


def set_up_logging() -> None:
    """Log to stderr. For command lines only."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
