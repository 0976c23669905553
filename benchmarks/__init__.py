"""Measurements of the whole: quality, speed, memory. `python3 build.py bench`."""

import sys
from pathlib import Path

# The add-on as it is put together (with the backend inside it) comes before the checkout's own folder of that name.
sys.path.insert(0, str(Path(__file__).parent.parent / "build" / "stage"))
