"""OpenStack Swift with its S3 API in one process: account, container, object and proxy servers on free ports.

python swift_server.py FOLDER       # says the address in one line when it answers; ends with its standard input

One device, one replica, rings made here, no memcached, no configuration outside of the folder.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import eventlet

eventlet.patcher.monkey_patch(all=False, socket=True, select=True, thread=True)

# Only now, when its threads and sockets are eventlet's.
import eventlet.wsgi  # noqa: E402
from paste.deploy import loadapp  # noqa: E402
from swift.common import utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

PAGE = 20  # of a listing; 1000 otherwise
ACCESS_KEY, SECRET_KEY, REGION = "test:tester", "testing", "us-east-1"
STORAGE = """
[app:main]
use = egg:swift#{kind}
devices = {folder}
swift_dir = {folder}
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = ERROR
"""
PROXY = f"""
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
swift_dir = {{folder}}
account_autocreate = true
node_timeout = 20
log_level = ERROR
[filter:s3api]
use = egg:swift#s3api
location = {REGION}
max_bucket_listing = {PAGE}
[filter:tempauth]
use = egg:swift#tempauth
user_{ACCESS_KEY.replace(":", "_")} = {SECRET_KEY} .admin
""" + "".join(
    f"[filter:{name}]\nuse = egg:swift#{name}\n"
    for name in ("catch_errors", "gatekeeper", "listing_formats", "bulk", "copy", "slo", "dlo")
)


def load(name: str, text: str, folder: Path) -> Any:
    path = folder / f"{name}.conf"
    path.write_text(text.format(kind=name, folder=folder))
    return loadapp(f"config:{path}")


def main(folder: Path) -> None:
    utils.HASH_PATH_SUFFIX = b"loupe"  # of /etc/swift/swift.conf
    (folder / "device").mkdir()
    sockets = {kind: eventlet.listen(("127.0.0.1", 0)) for kind in ("account", "container", "object")}
    for kind, socket in sockets.items():
        ring = RingBuilder(4, 1, 1)
        where = {"ip": "127.0.0.1", "port": socket.getsockname()[1], "device": "device"}
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0} | where)
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{kind}.ring.gz"))
    silent = logging.getLogger("swift-access")
    silent.disabled = True
    for kind, socket in sockets.items():
        eventlet.spawn(eventlet.wsgi.server, socket, load(kind, STORAGE, folder), silent)
    front = eventlet.listen(("127.0.0.1", 0))
    eventlet.spawn(eventlet.wsgi.server, front, load("proxy", PROXY, folder), silent)
    print(f"http://127.0.0.1:{front.getsockname()[1]}", flush=True)
    eventlet.tpool.execute(sys.stdin.read)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
