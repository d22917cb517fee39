"""The device's application as files of a stage: what it is made of, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import midge
from midge.recipes.ecg.cascade import PAYLOAD_BYTES
from midge.recipes.ecg.uplink import ecg_uplink
from midge.recipes.stage_context import StageContext
from midge.signals import Application, Chain, Decision
from midge.signals.uplink import Uplink

NETWORK = "network.midge"
DECISION = "decision.json"


def save_application(context: StageContext, graph: midge.Graph, decision: Decision) -> None:
    """Leave the network and how its scores are read in the stage's folder."""
    with context.whole(NETWORK) as path:
        midge.save(graph, path)
    context.save_json(DECISION, asdict(decision))


def read_application(folder: Path, chain: Chain) -> Application:
    """The application that a stage left in its folder.

    Args:
        folder: Of the stage that called `save_application`.
        chain: What its network was made for.
    """
    graph = midge.load(str(folder / NETWORK), "heartbeat")
    read = json.loads((folder / DECISION).read_text("utf-8"))
    decision = Decision(
        classes=tuple(read["classes"]),
        normal=read["normal"],
        bias=tuple(read["bias"]),
        suspicious_below=read["suspicious_below"],
    )
    return chain.with_network(graph, decision, uplink_for(chain.rate_hz))


def uplink_for(rate_hz: int) -> Uplink:
    """What the wrist keeps and sends: signal round flagged beats, and what it said of all beats.

    Args:
        rate_hz: Samples a second.
    """
    return ecg_uplink(rate_hz, PAYLOAD_BYTES)
