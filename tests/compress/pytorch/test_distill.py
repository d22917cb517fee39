"""Distillation: a student comes closer to its teacher."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 - behind the check that it is there

from midge.compress.torch_distill import distill, distillation_loss  # noqa: E402
from midge.driver.aware import quantization_aware  # noqa: E402
from midge.errors import UserError  # noqa: E402


def _teacher_and_data() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Dropout(0.5), nn.Linear(32, 4))
    x = torch.randn(192, 8)
    with torch.no_grad():
        teacher[3].weight *= 10
        labels = teacher.eval()(x).argmax(1)
    teacher.train()
    return teacher, x, labels


def _batches(x: Tensor, labels: Tensor | None = None) -> list[object]:
    if labels is None:
        return list(x.split(48))
    return list(zip(x.split(48), labels.split(48), strict=True))


def _distance(teacher: nn.Module, student: nn.Module, x: Tensor) -> float:
    teacher.eval()
    with torch.no_grad():
        return distillation_loss(student(x), teacher(x), temperature=1.0).item()


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_student_comes_closer_to_its_teacher(with_labels: bool) -> None:
    teacher, x, labels = _teacher_and_data()
    weights = [p.clone() for p in teacher.parameters()]
    student = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))
    before = _distance(teacher, student, x)
    teacher.train()
    told: list[int] = []
    losses = distill(
        teacher,
        student,
        _batches(x, labels if with_labels else None),
        epochs=25,
        optimizer=torch.optim.Adam(student.parameters(), 1e-2),
        on_epoch=lambda number, _: told.append(number),
    )
    assert teacher.training
    assert not student.training
    assert all(torch.equal(p, w) for p, w in zip(teacher.parameters(), weights, strict=True))
    assert told == list(range(25))
    assert len(losses) == 25
    assert losses[-1] < 0.6 * losses[0]
    assert _distance(teacher, student, x) < 0.4 * before


class _TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        outputs: Tensor = self.linear(torch.cat([left, right], 1))
        return outputs


def test_inputs_of_a_module_of_several_come_as_a_tuple() -> None:
    _, x, labels = _teacher_and_data()
    torch.manual_seed(1)
    teacher, student = _TwoInputs(), _TwoInputs()
    halves = (x[:, :5], x[:, 5:])
    for batch in (((halves), labels), ([*halves],)):
        losses = distill(
            teacher,
            student,
            [batch],
            steps=8,
            optimizer=torch.optim.Adam(student.parameters(), 1e-2),
        )
        assert losses[-1] < losses[0]


def test_steps_are_counted_across_epochs() -> None:
    teacher, x, labels = _teacher_and_data()
    student = nn.Linear(8, 4)
    counted: list[int] = []
    student.register_forward_hook(lambda *_: counted.append(1))
    assert len(distill(teacher, student, _batches(x, labels), steps=6)) == 2
    assert len(counted) == 6


def test_a_quantised_student_learns_from_its_float_self() -> None:
    teacher, x, _ = _teacher_and_data()
    teacher.eval()
    aware = quantization_aware(teacher, x[:48], weights="int4", observer="minmax")
    before = _distance(teacher, aware.module, x)
    optimizer = torch.optim.Adam(aware.module.parameters(), 2e-3)
    distill(teacher, aware.module, _batches(x), epochs=20, optimizer=optimizer)
    assert _distance(teacher, aware.module, x) < before


def test_the_loss_is_the_papers() -> None:
    student = torch.tensor([[1.0, -1.0, 0.5]], requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0, -1.0]], requires_grad=True)
    labels = torch.tensor([1])
    p, q = (teacher / 3).softmax(1), (student / 3).softmax(1)
    followed = 9 * (p * (p / q).log()).sum()
    own = -student.log_softmax(1)[0, 1]
    loss = distillation_loss(student, teacher, labels, temperature=3, alpha=0.3)
    assert loss.item() == pytest.approx((0.3 * followed + 0.7 * own).item(), rel=1e-5)
    loss.backward()
    assert student.grad is not None
    assert teacher.grad is None
    alone = distillation_loss(student, teacher, temperature=3)
    assert alone.item() == pytest.approx(followed.item(), rel=1e-5)
    assert distillation_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; expected over 0"),
        ({"alpha": 1.5}, "alpha is 1.5; expected from 0 to 1"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 3), **arguments)


def test_what_does_not_fit_is_refused() -> None:
    teacher, x, labels = _teacher_and_data()
    with pytest.raises(UserError, match=r"student are \[2, 3\] and of the teacher \[2, 4\]"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(UserError, match="the loader gives no batch"):
        distill(teacher, nn.Linear(8, 4), [])
    with pytest.raises(UserError, match="the loader gives dict"):
        distill(teacher, nn.Linear(8, 4), [{"x": x}])
    with pytest.raises(UserError, match="expected at least 1"):
        distill(teacher, nn.Linear(8, 4), _batches(x, labels), epochs=0)
    bad = nn.Linear(8, 4)
    nn.init.constant_(bad.weight, float("nan"))
    with pytest.raises(UserError, match="the student's loss is nan in epoch 0"):
        distill(teacher, bad, _batches(x, labels))
