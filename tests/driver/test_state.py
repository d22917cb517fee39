"""What outlives a run: on this machine in C, on emulated cores, in reports."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.c_emitter import choose_kernels, lay_out_state, layers_of, planning_problem
from midge.cli import main
from midge.driver import compare_layers
from midge.driver.fit import check_fits
from midge.driver.main_path import plan_graph
from midge.driver.report_data import report_of
from midge.driver.samples import random_sample
from midge.errors import DoesNotFitError, InternalError, UserError
from midge.graph import DType, Graph, Op, Quantization, Tensor, interpret, outputs_of, verify
from midge.graph.ops.add import Add
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.memory_plan import plan_memory
from midge.memory_plan.check import check_plan
from midge.passes import run_passes
from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import AddOptions
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.recurrent_layers import LstmLayer, SvdfLayer, add_lstm, add_svdf
from midge.synthetic.streaming_models import lstm_model, streaming_keyword_model
from midge.virtual_mcu import target
from support.faults import with_flipped_bits
from support.networks import INPUT, Array, dense, imported, join, single_ops
from support.sanitized import run_checked, selftest
from support.state_on_host import BAD_ARENA, BAD_STATE, OK, OnHost, Stream, on_host
from support.tools import GCC, QEMU

CODES = Quantization.per_tensor(0.5, 0)


@cache
def keyword() -> OnHost:
    return on_host(imported(streaming_keyword_model(), "kws"))


@cache
def recurrent() -> OnHost:
    return on_host(imported(lstm_model(), "rnn"))


NETWORKS = (keyword, recurrent)


def same(found: list[Array], expected: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# ---- in C, on this machine -----------------------------------------------------------------------


@pytest.mark.parametrize("made", NETWORKS)
def test_streams_in_one_arena_do_not_touch_each_other(made) -> None:  # type: ignore[no-untyped-def]
    network: OnHost = made()
    arena = network.new_arena()
    states = [network.new_state() for _ in range(3)]
    streams = [Stream(network.graph) for _ in states]
    for state in states:
        network.init(arena.address, state.address)
    turns = np.random.default_rng(7).integers(0, len(states), 120)
    for step, turn in enumerate(turns):
        others = [s.content for s in states if s is not states[turn]]
        sample = random_sample(network.graph, step)
        outputs = network.infer(arena, states[turn], sample)
        assert same(outputs, streams[turn].next(sample)), (step, turn)
        assert [s.content for s in states if s is not states[turn]] == others
    assert all(memory.is_alone() for memory in (arena, *states))
    places = lay_out_state(network.graph).offsets
    for state, stream in zip(states, streams, strict=True):
        for name, value in stream.state.items():
            at = places[name]
            assert state.content[at : at + value.nbytes] == value.tobytes(), name


@pytest.mark.parametrize("made", NETWORKS)
def test_reset_returns_to_the_first_state_and_init_may_come_twice(made) -> None:  # type: ignore[no-untyped-def]
    network: OnHost = made()
    arena, state = network.new_arena(), network.new_state()
    samples = [random_sample(network.graph, seed) for seed in range(6)]

    def stream() -> list[list[Array]]:
        return [network.infer(arena, state, sample) for sample in samples]

    network.init(arena.address, state.address)
    first = state.content
    expected = stream()
    assert state.content != first
    assert not all(map(same, stream(), expected)), "without a reset it goes on"
    for start_again in (
        lambda: network.reset(state.address),
        lambda: network.init(arena.address, state.address),
        lambda: [network.init(arena.address, state.address) for _ in range(2)],
    ):
        start_again()
        assert state.content == first
        assert all(map(same, stream(), expected))
    assert state.is_alone()


@pytest.mark.parametrize("made", NETWORKS)
def test_a_state_that_is_none_is_refused_and_left_alone(made) -> None:  # type: ignore[no-untyped-def]
    network: OnHost = made()
    arena, state = network.new_arena(), network.new_state()
    network.init(arena.address, state.address)
    before = arena.content, state.content
    assert network.run(arena.address, 0) == BAD_STATE
    for shift in (1, 2, 4, 8, 15):
        assert network.run(arena.address, state.address + shift) == BAD_STATE
        network.reset(state.address + shift)
        network.init(arena.address, state.address + shift)
    network.reset(0)
    network.init(arena.address, 0)
    for bad in (0, arena.address + 4):
        assert network.run(bad, 0) == BAD_ARENA, "the arena is looked at first"
    assert (arena.content, state.content) == before
    assert arena.is_alone()
    assert state.is_alone()
    assert network.run(arena.address, state.address) == OK


def test_a_network_without_state_takes_none() -> None:
    network = on_host(imported(dense(), "plain"))
    arena = network.new_arena()
    network.init(arena.address, 0)
    network.reset(0)
    assert network.run(arena.address, 0) == OK


def test_the_header_says_what_state_it_wants() -> None:
    graph = imported(streaming_keyword_model(), "kws")
    header = midge.compile(graph, target="cortex-m4").emitted.files["kws.h"]
    size = lay_out_state(keyword().graph).size_bytes
    assert f"#define KWS_STATE_BYTES {size}\n#define KWS_STATE_ALIGN 16\n" in header
    assert (
        "static uint8_t state[KWS_STATE_BYTES] __attribute__((aligned(KWS_STATE_ALIGN)));" in header
    )
    assert "kws_init(arena, state);" in header
    assert f"state {size} bytes" in header
    plain = midge.compile(imported(dense(), "plain"), target="cortex-m4").emitted.files["plain.h"]
    assert "#define PLAIN_STATE_BYTES 0\n" in plain
    assert "plain_run(arena, NULL)" in plain


def test_the_selftest_is_one_stream_and_clean_under_sanitizers() -> None:
    for made in (streaming_keyword_model(3), lstm_model(3)):
        done = run_checked(selftest(imported(made)), "undefined")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert done.stdout.count(": equal, cycles 0\n") == 3


# ---- variables of every type ---------------------------------------------------------------------

TYPES = ReadVariable.types


def delays(count: int = 3) -> Graph:
    """Of every type: an output that is the input of the run before."""
    rng = np.random.default_rng(5)
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    for dtype in TYPES:
        name = dtype.value
        first = rng.integers(0, 2, count).astype(dtype.numpy)
        tensors[f"v_{name}"] = Tensor(f"v_{name}", (count,), dtype, None, first, variable=True)
        for role in "xy":
            tensors[f"{role}_{name}"] = Tensor(f"{role}_{name}", (count,), dtype)
        ops.append(Op(f"read_{name}", ReadVariable(), (f"v_{name}",), (f"y_{name}",)))
        ops.append(Op(f"assign_{name}", AssignVariable(), (f"v_{name}", f"x_{name}"), ()))
    ends = [[f"{role}_{dtype.value}" for dtype in TYPES] for role in "xy"]
    return verify(Graph("delays", tensors, tuple(ops), tuple(ends[0]), tuple(ends[1])))


@pytest.mark.parametrize(
    ("core", "cc"), [("cortex-m0plus", "zig"), ("cortex-m4", GCC), ("rv32imc", GCC)]
)
def test_variables_of_every_type(core: str, cc: str) -> None:
    graph = delays()
    samples = [random_sample(graph, seed) for seed in range(4)]
    batch = {n: np.stack([s[n] for s in samples]) for n in graph.inputs}
    artifact = midge.compile(graph, target=core, cc=cc)
    outputs = artifact.run(batch).outputs
    assert isinstance(outputs, dict)
    for dtype in TYPES:
        x, y = batch[f"x_{dtype.value}"], outputs[f"y_{dtype.value}"]
        assert y.dtype == dtype.numpy
        assert np.array_equal(y[1:], x[:-1])
        assert np.array_equal(y[0], np.asarray(graph.tensors[f"v_{dtype.value}"].data))
    assert compare_layers(artifact, batch).difference is None
    sizes = [-(-t.size_bytes // 8) * 8 for t in graph.variables]
    assert artifact.built.state_bytes == lay_out_state(artifact.graph).size_bytes == sum(sizes)


def test_a_state_of_one_byte_is_one() -> None:
    graph = delays(1)
    ends = {"inputs": ("x_int8",), "outputs": ("y_int8",)}
    graph = verify(replace(graph, **ends).with_ops(graph.ops[:2]))  # type: ignore[arg-type]
    artifact = midge.compile(graph, target="cortex-m0plus")
    assert artifact.built.state_bytes == 8
    assert compare_layers(artifact, np.arange(5, dtype=np.int8)[:, None]).difference is None


def int8(name: str, *shape: int, data: Array | None = None, variable: bool = False) -> Tensor:
    return Tensor(name, shape, DType.INT8, CODES, data, variable)


def test_constants_are_assigned_and_variables_reshaped() -> None:
    first = np.array([[1, 2], [3, 4]], np.int8)
    constant = np.array([[9, 9], [8, 8]], np.int8)
    tensors = {
        "v": int8("v", 2, 2, data=first, variable=True),
        "c": int8("c", 2, 2, data=constant),
        "x": int8("x", 4),
        "flat": int8("flat", 4),
        "y": int8("y", 4),
    }
    ops = (
        Op("flatten", Reshape(shape=(4,)), ("v",), ("flat",)),
        Op("add", Add(), ("flat", "x"), ("y",)),
        Op("assign", AssignVariable(), ("v", "c"), ()),
    )
    graph = verify(Graph("g", tensors, ops, ("x",), ("y",)))
    artifact = midge.compile(graph, target="cortex-m3")
    assert [k.function if k else None for k in artifact.choice] == [
        *("midge_copy_bytes", "midge_add_s8", "midge_copy_bytes"),
    ]
    outputs = artifact.run(np.zeros((3, 4), np.int8)).outputs
    assert isinstance(outputs, np.ndarray)
    assert outputs.tolist() == [[1, 2, 3, 4], [9, 9, 8, 8], [9, 9, 8, 8]]


def test_recurrent_layers_may_read_constants() -> None:
    # A constant input still moves the state on; there has to be an input besides.
    def with_constant(add, shape, layer):  # type: ignore[no-untyped-def]
        builder = NetworkBuilder(seed=4)
        other = builder.input((1, 5), INPUT)
        codes = builder.rng.integers(-128, 128, shape).astype(np.int8)
        x = builder.constant(codes, INPUT)
        y = add(builder, x, layer)
        doubled = builder.add(other, other, AddOptions())
        return SyntheticNetwork("constant", builder.build([y, doubled]))

    for made in (
        with_constant(add_svdf, (1, 6), SvdfLayer(4, steps=3)),
        with_constant(add_lstm, (1, 2, 6), LstmLayer(4)),
    ):
        for core in ("cortex-m0plus", "cortex-m4"):
            artifact = midge.compile(imported(made), target=core)
            batch = np.zeros((6, 1, 5), np.int8)
            assert compare_layers(artifact, batch).difference is None


EVERY_TYPE = (
    *(f"SVDF/{kind}rank_3_batch_2" for kind in ("float32/", "int8/int16_", "int8/int8_")),
    "SVDF/int8/int16_sums_of_64_bits_zero_point",
    *(
        f"UNIDIRECTIONAL_SEQUENCE_LSTM/{dtype}/{what}"
        for dtype in ("int8", "int16", "float32")
        for what in ("batch_3", "time_major", "clipped")
    ),
)


@pytest.mark.parametrize(("core", "cc"), [("cortex-m0plus", GCC), ("cortex-m4", "zig")])
def test_recurrent_layers_of_every_type_leave_the_interpreters_state(core: str, cc: str) -> None:
    made = {n.name: n for op in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM") for n in single_ops(op)}
    joined = join([made[name] for name in EVERY_TYPE])
    samples = [joined.sample(seed) for seed in range(6)]
    batch = {n: np.stack([s[n] for s in samples]) for n in joined.graph.inputs}
    artifact = midge.compile(joined.graph, target=core, cc=cc)
    comparison = compare_layers(artifact, batch)
    assert comparison.difference is None, comparison
    assert comparison.layers == len(EVERY_TYPE)


# ---- order ---------------------------------------------------------------------------------------


def touching(ops: list[Op]) -> Graph:
    names = {"x", *(n for op in ops for n in (*op.inputs, *op.outputs))} - {"v", "w"}
    tensors = {n: int8(n, 4) for n in sorted(names)}
    tensors |= {n: int8(n, 4, data=np.zeros(4, np.int8), variable=True) for n in ("v", "w")}
    return Graph("g", {}, (), ("x",), ("y",)).with_ops(ops, tensors)


def assign(v: str, x: str, name: str) -> Op:
    return Op(name, AssignVariable(), (v, x), ())


def add(a: str, b: str, y: str) -> Op:
    return Op(y, Add(), (a, b), (y,))


def test_reads_come_behind_the_last_rewriting_and_in_front_of_the_next() -> None:
    graph = touching(
        [
            *(add("v", "x", "a"), add("v", "v", "b"), assign("v", "a", "first")),
            *(add("v", "w", "c"), add("w", "b", "d"), assign("v", "w", "second")),
            *(assign("w", "c", "third"), assign("v", "d", "fourth"), add("v", "w", "y")),
        ]
    )
    verify(graph)
    problem = planning_problem(graph, choose_kernels(graph, frozenset()))
    after = {step.name: set(step.after) for step in problem.steps}
    assert after == {
        "a": set(),
        "b": set(),
        "first": {"a", "b"},
        "c": {"first"},
        "d": set(),
        "second": {"first", "c"},
        "third": {"c", "d", "second"},
        "fourth": {"second"},
        "y": {"fourth", "third"},
    }
    plan = plan_memory(problem)
    check_plan(problem, plan)
    order = list(plan.order)
    names = [problem.steps[i].name for i in order]
    a, b = names.index("c"), names.index("second")
    order[a], order[b] = order[b], order[a]
    with pytest.raises(InternalError, match=r"step 'second' runs before|reads .* before"):
        check_plan(problem, replace(plan, order=tuple(order)))


def random_touching(seed: int) -> Graph:
    """Additions and copies over two variables, in any order."""
    rng = np.random.default_rng(seed)
    made = ["x"]
    ops: list[Op] = []
    for number in range(rng.integers(4, 14)):
        kind = rng.integers(0, 4)
        v = str(rng.choice(["v", "w"]))
        if kind == 0:
            ops.append(assign(v, str(rng.choice(made)), f"assign_{number}"))
        elif kind == 1:
            ops.append(Op(f"r{number}", ReadVariable(), (v,), (f"r{number}",)))
            made.append(f"r{number}")
        else:
            a = str(rng.choice([*made, v]))
            ops.append(add(a, str(rng.choice(made)), f"t{number}"))
            made.append(f"t{number}")
    ops.append(add(made[-1], "v", "y"))
    ops.append(assign("v", "y", "last"))
    return verify(touching(ops))


def test_planned_orders_keep_every_bit_of_a_stream() -> None:
    reordered = 0
    for seed in range(300):
        graph = random_touching(seed)
        lowered = run_passes(graph)
        planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=False)
        reordered += planned.plan.reordered
        before, after = Stream(graph), Stream(verify(planned.graph))
        for step in range(4):
            sample = random_sample(graph, step)
            assert same(before.next(sample), after.next(sample)), seed
    assert reordered >= 3, "the planner never changes an order: nothing is shown"


# ---- on emulated cores, and what is said of it ---------------------------------------------------


def test_a_wrong_first_value_is_found_in_the_layer_that_reads_it() -> None:
    artifact = midge.compile(imported(streaming_keyword_model(), "kws"), target="cortex-m4")
    assert artifact.emitted.files["kws.c"].count("static const int8_t kws_state_") == 1
    symbol = next(s.name for s in artifact.built.symbols if s.name.startswith("kws_state_"))
    faulty = with_flipped_bits(artifact, symbol, 1, 0x40)
    difference = compare_layers(faulty).difference
    assert difference is not None
    reader = next(op for op in artifact.graph.ops if "ring_buffer_0" in op.inputs)
    assert difference.layer == reader.name
    assert (difference.sample, difference.index, difference.count) == (0, (0, 0, 0, 1), 1)


def test_a_wrong_state_is_found_where_it_is_left() -> None:
    # The weight of the newest step counts in this run and in memory alone in the next.
    artifact = midge.compile(imported(lstm_model(), "rnn"), target="cortex-m0plus")
    faulty = with_flipped_bits(artifact, "rnn_00_lstm_bias", 4 * 8 + 1, 0x10)
    difference = compare_layers(faulty, np.zeros((3, 1, 4, 20), np.int8)).difference
    assert difference is not None
    assert difference.layer == "00_lstm"
    (layer,) = (x for x in layers_of(artifact.graph) if x.op.kind == "lstm")
    names = [layer.output.name, layer.input(13).name, layer.input(14).name]
    assert difference.tensor in names


@pytest.mark.parametrize("emulator", ["unicorn", QEMU])
def test_the_counts_are_those_of_the_stream(emulator: str) -> None:
    # Gates that saturate take another way: counts depend on the state.
    graph = imported(lstm_model(), "rnn")
    artifact = midge.compile(graph, target="cortex-m4")
    rng = np.random.default_rng(0)
    batch = np.concatenate([rng.integers(-128, 128, (1, 4, 20)) for _ in range(7)]).astype(np.int8)
    raw = [(row.tobytes(),) for row in batch]
    counts = [i.instructions for i in artifact.open_machine(emulator).run(raw)]
    assert len(set(counts)) > 1
    result = artifact.run(batch, emulator=emulator)
    assert result.instructions == sorted(counts)[3]
    inside = sum(layer.instructions for layer in result.layers)
    assert 0 < result.instructions - inside < 100
    if emulator == "unicorn":
        alone = [artifact.open_machine().trace(row)[0].instructions for row in raw]
        assert alone != counts, "each from a new state takes another number"


def test_state_counts_as_ram_and_is_named_where_it_does_not_fit() -> None:
    graph = imported(streaming_keyword_model(), "kws")
    artifact = midge.compile(graph, target="nrf52840")
    result = artifact.run()
    size = lay_out_state(artifact.graph).size_bytes
    ram = result.ram_bytes
    assert ram.state == size
    assert ram.total == ram.arena + size + ram.static + ram.stack_peak
    board = target("nrf52840").board
    assert board is not None
    small = replace(target("nrf52840"), board=replace(board, ram_bytes=ram.arena + size))
    with pytest.raises(DoesNotFitError, match=r"RAM: needs .* Held by variable 'variable_\d+'"):
        check_fits(replace(artifact, settings=replace(artifact.settings, target=small)))


def test_the_report_has_the_state() -> None:
    artifact = midge.compile(imported(streaming_keyword_model(), "kws"), target="cortex-m4")
    report = report_of(artifact, artifact.run())
    size = lay_out_state(artifact.graph).size_bytes
    assert report["costs"]["ram_bytes"]["state"] == report["model"]["state_bytes"] == size
    rows = {row["name"]: row for row in report["model"]["variables"]}
    assert list(rows) == [t.name for t in artifact.graph.variables]
    assert rows["ring_buffer_0"]["shape"] == [1, 2, 1, 40]
    assert rows["ring_buffer_0"]["dtype"] == "int8"
    plain = report_of(midge.compile(imported(dense()), target="cortex-m4"), None)
    assert (plain["model"]["state_bytes"], plain["model"]["variables"]) == (0, [])


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "kws.tflite"
    path.write_bytes(streaming_keyword_model().model_bytes)
    return path


def test_the_command_line_runs_a_batch_as_one_stream(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    batch = rng.integers(-128, 128, (9, 1, 1, 40)).astype(np.int8)
    np.save(tmp_path / "x.npy", batch)
    y, report = tmp_path / "y.npy", tmp_path / "run.json"
    run = ["run", str(model_file), "--target", "rv32imc", "--input", str(tmp_path / "x.npy")]
    assert main([*run, "--output", str(y), "--json", str(report)]) == 0
    graph = imported(streaming_keyword_model())
    stream = Stream(graph)
    expected = [stream.next({graph.inputs[0]: row[None]})[0] for row in batch]
    found = np.load(y)
    assert np.array_equal(found, np.concatenate(expected))
    fresh = [outputs_of(graph, interpret(graph, {graph.inputs[0]: row[None]})) for row in batch]
    assert not np.array_equal(found, np.concatenate([next(iter(o.values())) for o in fresh]))
    assert json.loads(report.read_text())["ram_bytes"]["state"] == 1040
    capsys.readouterr()
    assert main([*run, "--compare-layers"]) == 0
    assert "9 samples, every value" in capsys.readouterr().out


def test_the_command_line_shows_and_compiles_the_state(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(model_file), "--target", "cortex-m4"]) == 0
    shown = capsys.readouterr().out
    for number in range(4):
        assert f"\nstate   ring_buffer_{number}  int8 1×" in shown
    out = tmp_path / "out"
    assert main(["compile", str(model_file), "--target", "cortex-m4", "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["model"]["state_bytes"] == report["costs"]["ram_bytes"]["state"] == 1040
    assert "state" in (out / "report.html").read_text("utf-8")


def test_inputs_of_another_number_of_steps_are_refused() -> None:
    artifact = midge.compile(imported(lstm_model(), "rnn"), target="cortex-m4")
    with pytest.raises(UserError, match=r"expected \[1, 4, 20\], or a batch"):
        artifact.run(np.zeros((1, 5, 20), np.int8))
