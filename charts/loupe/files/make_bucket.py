"""Makes the bucket of LOUPE_STORAGE where there is none. Run by the chart after the bundled server was installed."""

import os
from urllib.parse import urlsplit

from minio import Minio

endpoint = urlsplit(os.environ["S3_ENDPOINT_URL"])
bucket = urlsplit(os.environ["LOUPE_STORAGE"]).netloc
client = Minio(
    endpoint.netloc,
    os.environ["AWS_ACCESS_KEY_ID"],
    os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=endpoint.scheme == "https",
    region=os.environ.get("AWS_REGION"),
)
if client.bucket_exists(bucket):
    print(f"bucket {bucket} is there")
else:
    client.make_bucket(bucket)
    print(f"bucket {bucket} is made")
