"""What is refused, each message, and that every place is named at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from torch_programs import F, exported, module_of, nn, quiet, torch

from midge.errors import ToolError, UnsupportedError, UserError
from midge.importers.torch_export import import_exported, import_module


def message_of(module: Any, *inputs: Any) -> str:
    with pytest.raises(UnsupportedError) as caught:
        import_module(module, inputs)
    return str(caught.value)


def test_every_operator_that_is_lacking_is_named_with_its_module_and_line() -> None:
    class Odd(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.atan2(x, x + 1)

    class Outer(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(nn.Linear(3, 3), Odd())

        def forward(self, x: Any) -> Any:
            return torch.fft.fft(self.blocks(x)).real

    message = message_of(Outer(), torch.ones(1, 3))
    assert message.startswith("Outer: ")
    assert "places need what Midge does not have" in message
    assert "\n  blocks.1.atan2 (aten.atan2.default, test_torch_refusals.py, line " in message
    assert "fft" in message
    # What stands behind them is none of the user's faults.
    assert "is not there" not in message
    assert "supported operators: " in message


def test_attributes_that_are_lacking() -> None:
    message = message_of(nn.MaxPool2d(3, dilation=2), torch.ones(1, 2, 9, 9))
    assert "(aten.max_pool2d.default" in message
    assert "dilation is [2, 2]; supported: 1" in message
    message = message_of(nn.ConvTranspose2d(4, 4, 3, groups=2), torch.ones(1, 4, 5, 5))
    assert "transposed convolution in 2 groups; supported: 1" in message
    message = message_of(nn.Conv3d(1, 1, 2), torch.ones(1, 1, 4, 4, 4))
    assert "convolves 3 dimensions; supported: 1 and 2" in message
    message = message_of(nn.AdaptiveAvgPool2d(3), torch.ones(1, 2, 8, 8))
    assert "windows of unequal sizes, from [8, 8] to [3, 3]" in message
    message = message_of(module_of(lambda self, x: x**2.5), torch.ones(3))  # noqa: ARG005
    assert "exponent is 2.5; supported: 0.5, -0.5 and whole numbers" in message
    message = message_of(nn.LSTM(3, 4, proj_size=2), torch.ones(5, 1, 3))
    assert "projections are not supported" in message
    message = message_of(nn.RNN(3, 4), torch.ones(5, 1, 3))
    assert "(aten.rnn_tanh.input): the operator is not supported" in message.replace(", rnn.py", "")


def test_training_mode_in_a_program() -> None:
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).train()
    with quiet():
        program = torch.export.export(module, (torch.ones(2, 3),))
    with pytest.raises(UnsupportedError, match=r"evaluation mode, module\.eval\(\)"):
        import_exported(program)


def test_other_types() -> None:
    message = message_of(nn.Linear(3, 3).double(), torch.ones(1, 3).double())
    assert "input input is float64" in message
    assert "call .float() on the module" in message
    scale = torch.tensor([0.1, 0.2], dtype=torch.float64)
    module = module_of(lambda self, x: x * self.scale.float(), scale=scale)
    assert "holds float64 numbers that float32 does not have" in message_of(module, torch.ones(2))
    module = module_of(lambda self, x: (x * torch.ones(2).half()).half())  # noqa: ARG005
    assert "computes in float16" in message_of(module, torch.ones(2))


def test_branches_on_values() -> None:
    module = module_of(lambda self, x: x * 2 if x.sum() > 0 else x)  # noqa: ARG005
    with pytest.raises(
        UserError, match=r"(?s)torch\.export cannot export it: .*data-dep.*Branches"
    ):
        import_module(module, torch.ones(3))


def test_control_flow() -> None:
    def forward(self: Any, x: Any) -> Any:  # noqa: ARG001
        return torch.cond(x.sum() > 0, lambda v: v + 1, lambda v: v - 1, (x,))

    message = message_of(module_of(forward), torch.ones(3))
    assert "cond" in message
    assert "the operator is not supported" in message


def test_dynamic_shapes() -> None:
    with quiet():
        batch = torch.export.Dim("batch", min=2, max=8)
        program = torch.export.export(
            nn.Linear(3, 2), (torch.ones(4, 3),), dynamic_shapes={"input": {0: batch}}
        )
    with pytest.raises(UserError, match=r"input has the dynamic shape \[.*, 3\]; expected static"):
        import_exported(program)


def test_an_example_of_the_wrong_shape() -> None:
    with pytest.raises(UserError, match=r"Linear.*torch\.export cannot export it"):
        import_module(nn.Linear(3, 2), torch.ones(1, 4))


def test_an_input_that_is_changed() -> None:
    module = module_of(lambda self, x: x.add_(1))  # noqa: ARG005
    assert "user input mutation" in message_of(module, torch.ones(3))


def test_factors_that_give_no_whole_size() -> None:
    module = module_of(lambda self, x: F.interpolate(x, scale_factor=1.3))  # noqa: ARG005
    message = message_of(module, torch.ones(1, 1, 5, 5))
    assert "scale factor 1.3 takes 5 pixels to 6, which is another ratio" in message


def test_outputs_that_are_no_tensors() -> None:
    program = exported(module_of(lambda self, x: (x + 1, 3)), torch.ones(3))  # noqa: ARG005
    with pytest.raises(UnsupportedError, match=r"output 1 is 3; supported: tensors"):
        import_exported(program)


def test_without_pytorch_a_module_is_a_tool_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolError, match=r'pip install "midge\[torch\]"'):
        import_module(object(), ())


def test_importers_do_not_import_pytorch() -> None:
    code = (
        "import sys, midge.importers.torch_export, midge.importers.torch_archive\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
