"""A linked program: what to load where, and what each part of it weighs."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from midge.errors import InternalError, ToolError
from midge.toolchain.targets import MemoryMap


@dataclass(frozen=True)
class Symbol:
    """A function or object of the program.

    Attributes:
        name: As in the symbol table; local (``static``) ones are included.
        address: First byte; the Thumb bit is removed.
        size: Bytes; 0 when the assembler did not say.
        kind: ``function`` or ``object``.
        section: Output section that holds it, e.g. ``.model.text``.
    """

    name: str
    address: int
    size: int
    kind: str
    section: str


@dataclass(frozen=True)
class Segment:
    """Bytes of the program with the address they run at and the flash address they rest at."""

    address: int
    load_address: int
    content: bytes


@dataclass(frozen=True)
class ModelInterface:
    """What a harness must know to call a model.

    Attributes:
        name: The C identifier that prefixes the model's functions, e.g. ``kws``.
        input_bytes: Size of each input tensor.
        output_bytes: Size of each output tensor.
        layers: Names of the ``static`` functions that ``<name>_run`` calls, in call order.
    """

    name: str
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """A model linked with the harness for one core.

    Attributes:
        elf: The whole ELF file.
        core: Name of the core it was built for.
        compiler: The compiler's version.
        interface: How the model is called.
        memory: Where flash and RAM lie.
        symbols: Every function and object, by address.
        sections: Address and size of each output section that is loaded or kept free.
        segments: What to load.
        code_bytes: Flash for the model's instructions and every library routine they need.
        weights_bytes: Flash for the model's constants.
        static_bytes: RAM for the model's own variables (not arena or state); 0 as emitted.
        arena_bytes: Size of the arena.
        state_bytes: Size of the state; 0 when the model has none.
        layer_code_bytes: Bytes of code of each of the interface's layers.
        library_functions: Names of the routines that the compiler added (memcpy, soft floats).
    """

    elf: bytes
    core: str
    compiler: str
    interface: ModelInterface
    memory: MemoryMap
    symbols: tuple[Symbol, ...]
    sections: Mapping[str, tuple[int, int]]
    segments: tuple[Segment, ...]
    code_bytes: int
    weights_bytes: int
    static_bytes: int
    arena_bytes: int
    state_bytes: int
    layer_code_bytes: Mapping[str, int]
    library_functions: tuple[str, ...]

    @property
    def flash_bytes(self) -> int:
        """Flash that the model occupies: code, weights, initial values of its static data."""
        return self.code_bytes + self.weights_bytes

    def symbol(self, name: str) -> Symbol:
        """Return the symbol called ``name``.

        Raises:
            InternalError: The linked program has no such symbol.
        """
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        raise InternalError(
            f"{self.interface.name} on {self.core}: symbol {name!r} is not in the linked program; "
            "the emitter and the harness disagree about names"
        )

    def layer_entries(self) -> tuple[tuple[int, ...], ...]:
        """Return, for each layer in call order, the addresses at which it may be entered.

        More than one when the compiler made clones of the function for its callers.

        Raises:
            InternalError: A layer is not in the linked program.
        """
        entries = []
        for layer in self.interface.layers:
            parts = _parts(self.symbols, layer)
            # `.cold` and `.part` are pieces that the function itself jumps to or calls.
            heads = {part.address for part in parts if not re.search(r"\.(cold|part)\b", part.name)}
            entries.append(tuple(sorted(heads)) or (self.symbol(layer).address,))
        return tuple(entries)

    def function_at(self, address: int) -> Symbol | None:
        """Return the function whose bytes hold ``address``, or None."""
        for symbol in self.symbols:
            if symbol.kind == "function" and (
                symbol.address <= address < symbol.address + max(symbol.size, 1)
            ):
                return symbol
        return None

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes of the program's image at ``address``.

        Raises:
            InternalError: The image has no such bytes.
        """
        for segment in self.segments:
            for start in {segment.address, segment.load_address}:
                if start <= address and address + size <= start + len(segment.content):
                    return segment.content[address - start : address - start + size]
        raise InternalError(
            f"{self.interface.name} on {self.core}: no program bytes at {address:#010x}+{size}"
        )

    def flash_image(self) -> bytes:
        """Return what lies in flash from its first address on; gaps hold 0xFF, as erased flash."""
        end = max(part.load_address + len(part.content) for part in self.segments)
        image = bytearray(b"\xff" * (end - self.memory.flash_origin))
        for part in self.segments:
            at = part.load_address - self.memory.flash_origin
            image[at : at + len(part.content)] = part.content
        return bytes(image)


def read_program(
    elf: bytes, *, core: str, compiler: str, interface: ModelInterface, memory: MemoryMap
) -> Program:
    """Parse a linked ELF file into a :class:`Program`.

    Raises:
        ToolError: The file is not a complete program.
    """
    file = ELFFile(io.BytesIO(elf))
    allocated = 2  # SHF_ALLOC
    sections = {
        section.name: (int(section["sh_addr"]), int(section["sh_size"]))
        for section in file.iter_sections()
        if section["sh_flags"] & allocated
    }
    symbols = _symbols(file)
    if not symbols:
        raise ToolError(f"{interface.name} on {core}: the linked program has no symbols")
    segments = tuple(
        Segment(int(part["p_vaddr"]), int(part["p_paddr"]), part.data())
        for part in file.iter_segments("PT_LOAD")
        if part["p_filesz"] > 0
    )
    by_name = {symbol.name: symbol for symbol in symbols}
    sizes = {name: sections.get(name, (0, 0))[1] for name in _MODEL_SECTIONS}
    return Program(
        elf=elf,
        core=core,
        compiler=compiler,
        interface=interface,
        memory=memory,
        symbols=symbols,
        sections=sections,
        segments=segments,
        code_bytes=sizes[".model.text"]
        + sizes[".library.text"]
        + sizes[".library.rodata"]
        + sizes[".model.data"],
        weights_bytes=sizes[".model.rodata"],
        static_bytes=sizes[".model.data"] + sizes[".model.bss"],
        arena_bytes=by_name["midge_port_arena"].size,
        state_bytes=_state_bytes(by_name["midge_port_state"]),
        layer_code_bytes=_layer_code_bytes(symbols, interface.layers),
        library_functions=_library_functions(symbols),
    )


_MODEL_SECTIONS = (
    ".model.text",
    ".library.text",
    ".library.rodata",
    ".model.rodata",
    ".model.data",
    ".model.bss",
)


def _symbols(file: ELFFile) -> tuple[Symbol, ...]:
    names = [section.name for section in file.iter_sections()]
    thumb = file["e_machine"] == "EM_ARM"
    found = []
    for table in file.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for entry in table.iter_symbols():
            index = entry["st_shndx"]
            kind = {"STT_FUNC": "function", "STT_OBJECT": "object", "STT_NOTYPE": "label"}.get(
                entry["st_info"]["type"]
            )
            # Mapping symbols ($t, $d) and assembler labels (.L0) mark places, not things.
            if kind is None or not entry.name or entry.name[0] in "$.":
                continue
            address = int(entry["st_value"])
            found.append(
                Symbol(
                    name=entry.name,
                    address=address & ~1 if thumb and kind == "function" else address,
                    size=int(entry["st_size"]),
                    kind=kind,
                    section=names[index] if isinstance(index, int) else "",
                )
            )
    return tuple(sorted(found, key=lambda symbol: (symbol.address, symbol.name)))


def _state_bytes(symbol: Symbol) -> int:
    # C has no empty array: the harness keeps one byte for a model without state.
    return 0 if symbol.size == 1 else symbol.size


def _library_functions(symbols: tuple[Symbol, ...]) -> tuple[str, ...]:
    """Return the routines by address, each by its plainest name."""
    names: dict[int, str] = {}
    for symbol in symbols:
        if symbol.kind == "function" and symbol.section == ".library.text":
            known = names.get(symbol.address, symbol.name)
            # zig's second names begin with the file that holds the routine.
            rank = min((known, symbol.name), key=lambda name: (name.count("."), len(name), name))
            names[symbol.address] = rank
    return tuple(names[address] for address in sorted(names))


def _parts(symbols: tuple[Symbol, ...], function: str) -> list[Symbol]:
    """Return a function and the clones and pieces that GCC makes of it.

    Their names are ``f``, ``f.constprop.0``, ``f.isra.0``, ``f.part.0`` and ``f.cold``.
    """
    return [
        symbol
        for symbol in symbols
        if symbol.kind == "function"
        and (symbol.name == function or symbol.name.startswith(function + "."))
    ]


def _layer_code_bytes(symbols: tuple[Symbol, ...], layers: tuple[str, ...]) -> dict[str, int]:
    return {
        # Identical functions may have been folded into one address.
        layer: sum({part.address: part.size for part in _parts(symbols, layer)}.values())
        for layer in layers
    }
