"""A photo through the page's API, as a browser sends it: python photo.py http://page:8000 edsr_fast_x2 photo.jpg."""

import io
import json
import sys
import time
from pathlib import Path

import httpx
from PIL import Image


def main() -> None:
    """Post, read the events, fetch the result, and check its size."""
    page, model, path = sys.argv[1:]
    small = Image.open(path)
    began = time.monotonic()
    files = {"file": (Path(path).name, Path(path).read_bytes(), "image/jpeg")}
    answer = httpx.post(f"{page}/api/upscale", files=files, data={"model": model}, timeout=600, trust_env=False)
    last = json.loads(answer.text.splitlines()[-1])
    if answer.status_code != 200 or last["type"] != "result":
        sys.exit(f"page: {answer.status_code} {last}")
    larger = Image.open(io.BytesIO(httpx.get(f"{page}{last['url']}", timeout=60, trust_env=False).content))
    factor = larger.width // small.width
    if larger.size != (small.width * factor, small.height * factor) or factor < 2:
        sys.exit(f"page: got {larger.size} of {small.size}")
    print(f"photo: {small.size} became {larger.size} in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
