"""Seconds until each server answers: the page's own probe, and the inference server's with all models loaded."""

from statistics import median

from bench import show
from bench.servers import server

RUNS = 3


def main() -> None:
    """Print the table."""
    rows = []
    for room, probe in (("frontend", "/healthz"), ("serving", "/v2/health/ready")):
        seconds = []
        for _ in range(RUNS):
            with server(room, probe) as (_, took):
                seconds.append(took)
        rows.append([f"python -m {room}", f"{median(seconds):.1f}", f"{max(seconds):.1f}"])
    show("Seconds from start to ready", ["server", "median", "worst"], rows)


if __name__ == "__main__":
    main()
