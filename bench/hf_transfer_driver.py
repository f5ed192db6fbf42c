"""Calls hf_transfer.download as huggingface_hub did: hf_transfer_driver.py JOBS, JSON [[url, file], ...].

Of its arguments there: chunks of 10 MiB, five retries, three failures at once. max_files is 8 here (the client's own
default of 100 costs more processor and memory), and the files of a repository come side by side in eight threads, as
snapshot_download did it. Nothing is proved.
"""
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import hf_transfer

CHUNK = 10 << 20
MAX_FILES = 8


def fetch(job):
    url, target = job
    os.makedirs(os.path.dirname(target), exist_ok=True)
    hf_transfer.download(url=url, filename=target, max_files=MAX_FILES, chunk_size=CHUNK, parallel_failures=3,
                         max_retries=5, headers={"user-agent": "hf_transfer"}, callback=None)


if __name__ == "__main__":
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, json.loads(sys.argv[1])))
