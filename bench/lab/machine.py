"""In general words: what decides the figures of this machine."""
import os
import platform
import subprocess
from pathlib import Path


def first(*command):
    """The first line that it prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0].strip()


def rivals():
    return {"curl": first("curl", "--version").split(" (")[0], "aria2": first("aria2c", "--version"),
            "openssl": first("openssl", "version").split(" (")[0]}


def machine(work):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "kernel": platform.release().split("-")[0],
            "file_system": first("stat", "-f", "-c", "%T", str(work)), "congestion_control": control, "load_before": os.getloadavg()}
