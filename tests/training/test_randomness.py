"""Stateless randomness: functions of their purpose, and nothing leaks."""

from __future__ import annotations

import torch

from lth_bench.training.randomness import generator, seed_of, seeded


def test_a_purpose_gives_the_same_numbers_and_another_gives_others():
    a = torch.rand(5, generator=generator("order", 0, 1))
    assert torch.equal(a, torch.rand(5, generator=generator("order", 0, 1)))
    assert not torch.equal(a, torch.rand(5, generator=generator("order", 1, 0)))


def test_parts_do_not_run_together():
    assert seed_of("a", 11) != seed_of("a", 1, 1)
    assert seed_of("a", "1") != seed_of("a", 1)


def test_seeds_are_the_same_on_every_machine():
    assert seed_of("order", 0, 0) == 7901208443182338894


def test_seeded_gives_the_global_state_back():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded("init", 7):
        torch.rand(100)
    assert torch.equal(torch.rand(2), expected)
