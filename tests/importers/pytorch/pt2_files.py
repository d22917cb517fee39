"""Archives in parts, to be put together again in another way."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

from torch_programs import exported, module_of, nn, quiet, saved, torch

from midge.errors import UserError
from midge.graph import Graph
from midge.importers.torch_archive import import_pt2

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


@cache
def small_file() -> bytes:
    """Every kind of part: weights, buffers that are state, a constant, several outputs."""
    torch.manual_seed(0)

    def forward(self: Any, x: Any) -> Any:
        y = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        steps, _ = self.gru(y.unsqueeze(1))
        first, second = steps[:, -1].split(2, 1)
        self.level.copy_(self.level * 0.5 + first)
        return torch.cat([self.level + self.shift, second], 1), self.linear(steps)

    module = module_of(
        forward,
        conv=nn.Conv2d(1, 4, 3, padding=1),
        norm=nn.BatchNorm2d(4),
        gru=nn.GRU(4, 4, batch_first=True),
        linear=nn.Linear(4, 3),
        level=torch.zeros(1, 2),
        shift=torch.ones(1, 2, dtype=torch.bfloat16).float(),
    )
    with quiet():
        program = exported(module, torch.randn(1, 1, 5, 5)).run_decompositions({})
    return saved(program)


def entries(data: bytes) -> dict[str, bytes]:
    """By their paths in the archive, without its root."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name.split("/", 1)[1]: opened.read(name) for name in opened.namelist()}


def archive(parts: dict[str, bytes], *, compress: bool = False) -> bytes:
    """An archive of these entries."""
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as opened:
        for path, body in parts.items():
            opened.writestr(zipfile.ZipInfo(f"model/{path}"), body, kind)
    return buffer.getvalue()


def with_json(path: str, change: Callable[[Any], object]) -> bytes:
    """The small file with a change of one of its JSON entries."""
    parts = entries(small_file())
    value = json.loads(parts[path])
    change(value)
    parts[path] = json.dumps(value).encode()
    return archive(parts)


def outcome(data: bytes) -> Graph | None:
    """The graph of an archive, None where it was refused as it should be."""
    try:
        return import_pt2(data, "m.pt2")
    except UserError as error:
        if not str(error).startswith("m.pt2: "):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return None


def message_of(data: bytes) -> str:
    """Why an archive is refused."""
    try:
        import_pt2(data, "m.pt2")
    except UserError as error:
        return str(error)
    raise AssertionError("it is not refused")
