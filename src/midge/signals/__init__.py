"""Streaming signal chains in integers: each stage a NumPy twin and C that runs sample by sample."""

from midge.signals.application import Application, Events
from midge.signals.band_energies import BandEnergies
from midge.signals.beat_chain import DEFAULT_FEATURES, heartbeat_chain
from midge.signals.chain import Chain, Detections
from midge.signals.decision import Decision
from midge.signals.emit import emit_application, emit_chain
from midge.signals.features import FEATURES
from midge.signals.filters import Difference, Fir, MovingSum, RemoveMean
from midge.signals.pointwise import Absolute, Saturate, ShiftRight, Square, StartAtZero
from midge.signals.pulse_detector import PulseDetector
from midge.signals.quality import FLAT, NOISY, SATURATED, SignalQuality
from midge.signals.stage import Stage
from midge.signals.uplink import Sent, Uplink, UplinkBeats
from midge.signals.uplink_segment import Segment, read_segments
from midge.signals.window import BeatWindow

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "FLAT",
    "NOISY",
    "SATURATED",
    "Absolute",
    "Application",
    "BandEnergies",
    "BeatWindow",
    "Chain",
    "Decision",
    "Detections",
    "Difference",
    "Events",
    "Fir",
    "MovingSum",
    "PulseDetector",
    "RemoveMean",
    "Saturate",
    "Segment",
    "Sent",
    "ShiftRight",
    "SignalQuality",
    "Square",
    "Stage",
    "StartAtZero",
    "Uplink",
    "UplinkBeats",
    "emit_application",
    "emit_chain",
    "heartbeat_chain",
    "read_segments",
]
