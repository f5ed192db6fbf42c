import signal

import pytest

from lab import Lab

# A suite that was started in the background may have SIGINT ignored, and what ignores it when it starts leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def lab(tmp_path):
    """A fresh Lab; its fakehub must end in order."""
    bench = Lab(tmp_path)
    yield bench
    bench.stop()
