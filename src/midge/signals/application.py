"""A chain and a network on one device: from samples to what is said of every beat."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.graph import DType, Graph, Tensor, interpret, verify
from midge.signals.batch import batched
from midge.signals.chain import Chain, Detections
from midge.signals.decision import Decision
from midge.signals.uplink import Sent, Uplink, UplinkBeats, priorities
from midge.signals.uplink_emit import UplinkCode, no_uplink, uplink_code

BATCH = 64
"""Beats that the twin's network takes at once."""


@dataclass(frozen=True)
class Events:
    """What the device says of a record: k beats, in order.

    Attributes:
        found: Where they are, with window, features and quality.
        scores: The network's, int8 [k, classes].
        label: Index of the class, uint8 [k].
        margin: By how much the normal class leads, int16 [k].
        suspicious: bool [k].
    """

    found: Detections
    scores: NDArray[np.int8]
    label: NDArray[np.uint8]
    margin: NDArray[np.int16]
    suspicious: NDArray[np.bool_]

    def __len__(self) -> int:
        """The number of beats."""
        return len(self.found)


@dataclass(frozen=True)
class Application:
    """A chain whose beats a network judges.

    Attributes:
        chain: Finds beats.
        graph: Integer network: int8 inputs `window`, `template` and `features`, any of them; one
            output int8 with a score for each class.
        decision: Reads the scores.
        uplink: Keeps and sends what lies around suspicious beats; None where nothing is sent. The
            payload of a beat is its scores, and its features' codes where there is room for both.
    """

    chain: Chain
    graph: Graph
    decision: Decision
    uplink: Uplink | None = None

    def __post_init__(self) -> None:
        """Check that the network fits the chain.

        Raises:
            UserError: it does not.
        """
        verify(self.graph)
        where = f"application {self.chain.name!r}, network {self.graph.name!r}"
        if len(self.graph.outputs) != 1:
            raise UserError(f"{where}: has {len(self.graph.outputs)} outputs; expected one")
        if self.graph.variables:
            raise UserError(
                f"{where}: keeps variables between beats, which a network of a chain does not; "
                "train one without"
            )
        output = self.graph.tensors[self.graph.outputs[0]]
        _check_tensor(where, output, len(self.decision.classes), "one for each class")
        _ = self.inputs
        _ = self.uplink_code

    @property
    def uplink_code(self) -> UplinkCode:
        """The C of the uplink.

        Raises:
            UserError: the uplink does not fit the chain or the events.
        """
        if self.uplink is None:
            return no_uplink()
        if self.uplink.rate_hz != self.chain.rate_hz:
            raise UserError(
                f"application {self.chain.name!r}: Uplink.rate_hz is {self.uplink.rate_hz}; "
                f"expected that of the chain, {self.chain.rate_hz}"
            )
        latest_s = self.chain.latest_decision_s
        if self.uplink.decision_s < latest_s:
            raise UserError(
                f"application {self.chain.name!r}: Uplink.decision_s is {self.uplink.decision_s}; "
                f"expected at least {latest_s:.3f}, for the chain may take so long to decide on a "
                "beat. Give the uplink that much, or the chain a shorter PulseDetector.longest_rr "
                "or learning"
            )
        sizes = len(self.decision.classes), len(self.chain.features)
        return uplink_code(self.uplink, self.chain.name, *sizes, self.decision.suspicious_below)

    @property
    def inputs(self) -> tuple[tuple[str, str], ...]:
        """Each input of the network, in its order, and what it takes.

        ``window``, ``template`` or ``codes``. A network with one input may call it as it likes.

        Raises:
            UserError: an input is none of these, or has another size.
        """
        where = f"application {self.chain.name!r}, network {self.graph.name!r}"
        window, features = self.chain.window.count, len(self.chain.features)
        known = {
            "window": ("window", window),
            "template": ("template", window),
            "features": ("codes", features),
        }
        names = self.graph.inputs
        if len(names) == 1 and names[0] not in known:
            known[names[0]] = ("window", window)
        taken: list[tuple[str, str]] = []
        for name in names:
            if name not in known:
                raise UserError(
                    f"{where}: input {name!r} is unknown; expected names out of window, template, "
                    "features"
                )
            part, size = known[name]
            _check_tensor(where, self.graph.tensors[name], size, f"the chain's {name}")
            taken.append((name, part))
        return tuple(taken)

    @property
    def has_template(self) -> bool:
        """Whether the device keeps the template of a beat."""
        return self.chain.has_template or any(part == "template" for _, part in self.inputs)

    @property
    def network(self) -> Graph:
        """The graph under the name that its C has."""
        return replace(self.graph, name=f"{self.chain.name}_network")

    def run(self, samples: NDArray[np.int16]) -> Events:
        """What the device says of a record, int16 [n]; the twin.

        Raises:
            UserError: `samples` is not int16 [n].
        """
        return self._judge(self.chain.detect(samples))

    def send(self, samples: NDArray[np.int16]) -> Sent:
        """What the device has sent when it has been fed a record and its tail; the twin.

        Args:
            samples: int16 [n].

        Raises:
            UserError: `samples` is not int16 [n], or there is no uplink.
        """
        if self.uplink is None:
            raise UserError(f"application {self.chain.name!r}: sends nothing; give it an Uplink")
        fed = self.chain.with_tail(samples)
        events = self._judge(self.chain.detect_fed(fed))
        said = np.concatenate([events.scores, events.found.codes], axis=1)
        beats = UplinkBeats(
            events.found.positions,
            events.found.decided_at,
            priorities(events.margin, events.suspicious, self.decision.suspicious_below),
            np.ascontiguousarray(said[:, : self.uplink.payload_bytes]).view(np.uint8),
        )
        return self.uplink.run(fed, beats, finished=False)

    def _judge(self, found: Detections) -> Events:
        scores = self.scores(found)
        return Events(found, scores, *self.decision.decide(scores, found.quality))

    def scores(self, found: Detections) -> NDArray[np.int8]:
        """The network's scores for beats of the twin, int8 [k, classes]."""
        parts = {"window": found.windows, "codes": found.codes}
        if found.templates is not None:
            parts["template"] = found.templates
        result = np.zeros((len(found), len(self.decision.classes)), np.int8)
        wide = batched(self.graph, BATCH)
        graph, size = (self.graph, 1) if wide is None else (wide, BATCH)
        for start in range(0, len(found), size):
            given = {}
            for name, part in self.inputs:
                rows = parts[part][start : start + size]
                # The last batch is filled up with zeros.
                padded = np.pad(rows, ((0, size - len(rows)), (0, 0)))
                given[name] = padded.reshape(graph.tensors[name].shape)
            scores = interpret(graph, given)[graph.outputs[0]].reshape(size, -1)
            result[start : start + size] = scores[: len(result) - start]
        return result


def _check_tensor(where: str, tensor: Tensor, elements: int, what: str) -> None:
    if tensor.dtype is not DType.INT8 or math.prod(tensor.shape) != elements:
        raise UserError(
            f"{where}: tensor {tensor.name!r} is {tensor.dtype.name.lower()} "
            f"{list(tensor.shape)}; expected int8 with {elements} elements, {what}"
        )
