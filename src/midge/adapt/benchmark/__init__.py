"""The evaluation of the learner: protocols, baselines, tables and pictures.

Nothing here is needed to use the learner. `run` has the whole of it; some baselines need what
``pip install "midge[adapt-bench]"`` brings.
"""

from __future__ import annotations

PROTOCOLS = ("mocap", "ett", "switching", "nab", "speed", "vibration")
"""What can be measured, in this order."""
