"""Learning on the device: a self-evolving model of a stream in a few kilobytes.

::

    model = StreamModel(channels=4, horizon=60, ram="8 KB")
    for x in stream:
        step = model.update(x)      # step.forecast, step.anomaly, step.regime, step.is_new
"""

from midge.adapt.alarms import Alarm, Alarms
from midge.adapt.drift import Drift
from midge.adapt.model import Step, StreamModel
from midge.adapt.settings import Settings, Sizes
from midge.adapt.trace import Trace

__all__ = ["Alarm", "Alarms", "Drift", "Settings", "Sizes", "Step", "StreamModel", "Trace"]
