"""What a worker leaves behind of its work, in a file that outlives it."""

from __future__ import annotations

import struct

PROGRESS = struct.Struct("qd")
"""Steps of all members, and seconds in trainings."""
