import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.locking_patterns import Assignment, code, decode, joint


def test_codes_count_all_patterns_and_come_back():
    numbers = torch.arange(81)
    patterns = decode(numbers, 4)
    assert patterns.shape == (81, 4)
    assert torch.equal(code(patterns), numbers)
    assert code(torch.tensor([1, 0, 0, 2])) == 27 + 2
    assert torch.equal(code(decode(torch.arange(64), 3, tones=3), tones=3), torch.arange(64))


def test_joint_probabilities_are_products_in_the_order_of_code():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(5, 3, 3, generator=generator, dtype=torch.float64)
    p = p / p.sum(-1, keepdim=True)
    table = joint(p)
    assert table.shape == (5, 27)
    assert torch.allclose(table.sum(-1), torch.ones(5, dtype=torch.float64))
    number = int(code(torch.tensor([2, 0, 1])))
    assert torch.allclose(table[:, number], p[:, 0, 2] * p[:, 1, 0] * p[:, 2, 1])


def test_most_frequent_class_owns_a_pattern_and_rare_ones_are_not_taught():
    mass = torch.zeros(9, 2, dtype=torch.float64)
    mass[1], mass[4], mass[7] = torch.tensor([6.0, 1.0]), torch.tensor([0.0, 9.0]), torch.tensor([1.0, 0.0])
    assignment = Assignment.from_mass(mass, 2, least=5.0)
    assert assignment.owner.tolist() == [-1, 0, -1, -1, 1, -1, -1, 0, -1]
    assert assignment.targets(0).tolist() == decode(torch.tensor([1]), 2).tolist()
    assert assignment.classify(decode(torch.tensor([0, 4, 7]), 2)).tolist() == [-1, 1, 0]


def test_every_class_gets_a_pattern_to_learn():
    mass = torch.zeros(9, 3, dtype=torch.float64)
    mass[1], mass[4] = torch.tensor([6.0, 1.0, 0.0]), torch.tensor([0.0, 2.0, 9.0])
    mass[5] = torch.tensor([3.0, 2.0, 0.0])
    assignment = Assignment.from_mass(mass, 2, least=5.0)
    assert [len(assignment.targets(k)) for k in range(3)] == [1, 1, 1]
    assert assignment.owner[5] == 1, "the pattern in which the class without one has its largest share"


def test_a_class_that_shows_nothing_is_refused():
    with pytest.raises(ParameterError, match="class 1 shows no pattern"):
        Assignment.from_mass(torch.tensor([[1.0, 0.0]] * 9), 2)
    with pytest.raises(ParameterError, match="cannot tell them apart"):
        mass = torch.zeros(9, 2)
        mass[3] = 1.0
        Assignment.from_mass(mass, 2)


def test_wrong_shapes_are_refused():
    with pytest.raises(ParameterError, match="one entry per pattern"):
        Assignment(torch.zeros(8), torch.zeros(8, dtype=torch.bool), 2)
