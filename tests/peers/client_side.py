"""Runs inside a client's venv: one call of huggingface_hub, its result as one JSON line on stdout.

    python client_side.py '{"call": "snapshot_download", "args": {"repo_id": "org/x", "local_files_only": true}}'

A path comes back as {"value": text}, an exception as {"error": [its class and the parents'], "text": ...}.
"""
import json
import os
import sys
import warnings

import huggingface_hub


def plain(value):
    """Every answer these calls give, as JSON can carry it."""
    if type(value) is object:  # the client's mark for "asked, and the Hub has none" (_CACHED_NO_EXIST)
        return "known missing"
    if hasattr(value, "repos"):
        return {"size": value.size_on_disk, "warnings": [str(w) for w in value.warnings],
                "repos": {f"{r.repo_type}/{r.repo_id}": {"size": r.size_on_disk, "files": r.nb_files, "refs": sorted(r.refs),
                                                         "commits": sorted(v.commit_hash for v in r.revisions)}
                          for r in value.repos}}
    return None if value is None else str(value)


def delete_revisions(commits):
    """What "hf cache delete" of 0.x does once its questions are answered."""
    huggingface_hub.scan_cache_dir().delete_revisions(*commits).execute()
    return "done"


def without_links():
    """0.x does not know HF_HUB_DISABLE_SYMLINKS: its look at the file system is told the same answer."""
    if huggingface_hub.__version__.startswith("0.") and os.environ.get("HF_HUB_DISABLE_SYMLINKS") == "1":
        from huggingface_hub import file_download
        file_download.are_symlinks_supported = lambda cache_dir=None: False


def main():
    order = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    without_links()
    call = globals().get(order["call"]) or getattr(huggingface_hub, order["call"])
    try:
        answer = {"value": plain(call(**order["args"]))}
    except Exception as error:
        answer = {"error": [c.__name__ for c in type(error).__mro__], "text": str(error)}
    print(json.dumps(answer))


main()
