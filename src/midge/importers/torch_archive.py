""".pt2 -> graph, without PyTorch: nothing of a file is executed.

`torch.export.load` unpickles parts of an archive and evaluates strings of it. Here the archive is
read as what it is: a zip of JSON and raw tensors, whose entries are stored, not compressed. What
would need a pickle, a compiled part or an expression is refused.

Source: PyTorch `torch/export/pt2_archive/_package.py`, `torch/csrc/export/pt2_archive_constants.h`.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Graph
from midge.graph.verify import HIGHEST_RANK, LARGEST_TENSOR_BYTES
from midge.importers.tflite import c_identifier
from midge.importers.torch_convert import convert_program
from midge.importers.torch_json import Json, parse_json
from midge.importers.torch_model import SCALAR_TYPES, read_program
from midge.importers.torch_program import Constant, TorchType

LARGEST_FILE_BYTES = 1 << 28
MOST_ENTRIES = 1 << 16
LARGEST_JSON_BYTES = 1 << 26
STRIDED = 7
"""Of `Layout` in PyTorch's schema: a plain dense tensor."""
SAVE_AGAIN = "save it by torch.export.save of PyTorch 2.8 or newer"
_REFUSED_FOLDERS = {
    "data/aotinductor/": "a compiled library (AOTInductor)",
    "data/executorch/": "an ExecuTorch program",
    "data/mtia/": "parts for MTIA",
}


def import_pt2(
    data: bytes, source: str, name: str | None = None, *, streaming: bool = False
) -> Graph:
    """Read a .pt2 file, as `torch.export.save` writes it, into a verified graph.

    Args:
        data: The file's bytes.
        source: The file's name, for messages and for the graph's name.
        name: The graph's name, a C identifier; made from `source` when None.
        streaming: Recurrent layers begin where the last call left off; otherwise from zero.

    Returns:
        The graph, in the program's layout (channels first).

    Raises:
        UserError: the file is damaged, holds what would have to be executed, or breaks an
            invariant.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    try:
        archive = _Archive(data)
        model = archive.model()
        weights, constants = (archive.tensors(kind) for kind in ("weights", "constants"))
        program = read_program(parse_json(model, "its model"), weights, constants)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None
    program = replace(program, digest=hashlib.sha256(data).hexdigest())
    return convert_program(program, source, name or c_identifier(source), streaming=streaming)


class _Archive:
    """The entries of an archive, by their path under its one folder."""

    def __init__(self, data: bytes) -> None:
        if len(data) > LARGEST_FILE_BYTES:
            raise UserError(f"{len(data)} bytes; files up to {LARGEST_FILE_BYTES} are read")
        self._data = data
        self._entries = self._directory()
        if self._text("archive_format") != "pt2" or self._text("archive_version") != "0":
            raise UserError(
                f"is a pt2 archive of version {self._text('archive_version')[:20]!r}; expected "
                f"'0': {SAVE_AGAIN}"
            )
        if "byteorder" in self._entries and self._text("byteorder") != "little":
            raise UserError("its tensors are big-endian; expected little-endian ones")
        for folder, what in _REFUSED_FOLDERS.items():
            if any(path.startswith(folder) for path in self._entries):
                raise UnsupportedError(f"holds {what}; expected an exported program alone")
        self._budget = LARGEST_TENSOR_BYTES

    def _directory(self) -> dict[str, bytes]:
        # The standard library reads the directory; damaged ones make it raise many things.
        try:
            with zipfile.ZipFile(io.BytesIO(self._data)) as opened:
                found = opened.infolist()
                self._expect_stored(found)
                contents = [(info.filename, opened.read(info)) for info in found]
        except (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError) as error:
            raise UserError(f"is no zip archive that can be read: {error}; {SAVE_AGAIN}") from None
        except (NotImplementedError, RuntimeError, OverflowError, IndexError) as error:
            raise UserError(f"is a zip archive of another kind: {error}; {SAVE_AGAIN}") from None
        roots = {path.split("/", 1)[0] for path, _ in contents}
        entries = {path.split("/", 1)[1]: body for path, body in contents if "/" in path}
        if "serialized_exported_program.json" in {path for path, _ in contents}:
            raise UserError(f"was written by PyTorch before 2.8; {SAVE_AGAIN}")
        if len(roots) != 1 or len(entries) != len(contents) or "archive_format" not in entries:
            raise UserError(f"is a zip archive, but no pt2 archive; {SAVE_AGAIN}")
        return entries

    def _expect_stored(self, found: list[zipfile.ZipInfo]) -> None:
        """Every entry is as large as it is in the file, and all of them no larger than the file."""
        if len(found) > MOST_ENTRIES:
            raise UserError(f"holds {len(found)} entries; up to {MOST_ENTRIES} are read")
        for info in found:
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise UserError(
                    f"its entry {info.filename[:80]!r} is compressed; expected stored entries, as "
                    "torch.export.save writes them"
                )
        total = sum(info.file_size for info in found)
        if total > len(self._data):
            raise UserError(f"its entries claim {total} bytes of a file of {len(self._data)}")

    def _text(self, path: str) -> str:
        return self._entries.get(path, b"").decode("utf-8", "replace").strip()

    def model(self) -> bytes:
        """The one program's JSON."""
        models = [path for path in self._entries if path.startswith("models/")]
        if len(models) != 1 or not models[0].endswith(".json"):
            raise UserError(f"holds {len(models)} programs; expected one")
        self._name = models[0].removeprefix("models/").removesuffix(".json")
        return self._json(models[0])

    def _json(self, path: str) -> bytes:
        found = self._entries.get(path)
        if found is None:
            raise UserError(f"has no entry {path[:80]!r}; {SAVE_AGAIN}")
        if len(found) > LARGEST_JSON_BYTES:
            raise UserError(
                f"its entry {path[:80]!r} has {len(found)} bytes; up to "
                f"{LARGEST_JSON_BYTES} are read"
            )
        return found

    def tensors(self, kind: str) -> Mapping[str, Constant]:
        """Parameters and persistent buffers (`weights`), or other tensors (`constants`)."""
        path = f"data/{kind}/{self._name}_{kind}_config.json"
        config = parse_json(self._json(path), f"its {kind} list").child("config")
        return {
            target: Constant(target, self._tensor(kind, entry)) for target, entry in config.items()
        }

    def _tensor(self, kind: str, entry: Json) -> Array | str:
        """Elements that lie in a payload as its description says."""
        file = entry.child("path_name").text()
        if entry.child("use_pickle").flag() or not file.startswith(("weight_", "tensor_")):
            raise UnsupportedError(
                f"{entry.where} is a pickled object, which can run code when it is read; "
                "supported: plain dense tensors"
            )
        payload = self._entries.get(f"data/{kind}/{file}")
        if payload is None:
            raise UserError(f"{entry.where} names the entry {file[:80]!r}, which is not there")
        meta = entry.child("tensor_meta")
        return self._strided(meta, payload)

    def _strided(self, meta: Json, payload: bytes) -> Array | str:
        if meta.child("layout").integer() != STRIDED:
            return "is not a plain dense tensor"
        dtype = SCALAR_TYPES.get(meta.child("dtype").integer(), TorchType.OTHER)
        if dtype is TorchType.OTHER:
            return "holds elements of a type that is not supported"
        stored = np.dtype("uint16" if dtype is TorchType.BFLOAT16 else dtype.value)
        stored = stored.newbyteorder("<")
        shape, strides = (
            tuple(extent.child("as_int").integer() for extent in meta.child(key).items_of_list())
            for key in ("sizes", "strides")
        )
        offset = meta.child("storage_offset").child("as_int").integer()
        if len(shape) != len(strides) or len(shape) > HIGHEST_RANK:
            raise UserError(f"{meta.where} has {len(shape)} extents and {len(strides)} strides")
        if min((0, offset, *strides)) < 0 or min((1, *shape)) < 0:
            raise UserError(f"{meta.where} has a negative extent, stride or offset")
        if 0 in shape:
            return "has no elements"
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if last >= len(payload) // stored.itemsize:
            raise UserError(
                f"{meta.where} reaches element {last} of {len(payload) // stored.itemsize}"
            )
        size = stored.itemsize
        for extent in shape:
            size *= extent
        self._budget -= size
        if self._budget < 0:
            raise UserError(f"its tensors have over {LARGEST_TENSOR_BYTES} bytes")
        whole = np.frombuffer(payload, stored, len(payload) // stored.itemsize)
        steps = tuple(s * stored.itemsize for s in strides)
        view = np.lib.stride_tricks.as_strided(whole[offset:], shape, steps, writeable=False)
        return _values(np.array(view), dtype)


def _values(stored: Array, dtype: TorchType) -> Array:
    if dtype is TorchType.BFLOAT16:
        widened: Array = (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return widened
    if dtype is TorchType.BOOL:
        return np.asarray(stored.view(np.uint8) != 0)
    return stored
