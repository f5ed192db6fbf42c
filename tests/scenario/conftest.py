import pytest

from lab import Lab


@pytest.fixture
def lab(tmp_path):
    """A fresh Lab; its fakehub must end in order."""
    bench = Lab(tmp_path)
    yield bench
    bench.stop()
