"""Drawing: step by step as the whole network would, reproducible, and true to what is given."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from loupe.choosing import Choice, choose, entropy_bits
from loupe.errors import InvalidOption
from loupe.sampling import Given, Sampler, bits_per_subpixel, draw_naively
from tests.loupe.sharp_networks import CONFIGS, build


def pictures(count: int = 2, height: int = 4, width: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "choice", [Choice(seed=5), Choice(temperature=0.7, seed=2), Choice(top_p=0.8), Choice(greedy=True)], ids=str
)
def test_steps_draw_what_the_whole_network_draws(name: str, choice: Choice) -> None:
    model = build(name)
    quick = Sampler(model).draw(pictures(), samples=2, choice=choice)
    naive = draw_naively(model, pictures(), samples=2, choice=choice)
    np.testing.assert_array_equal(quick.pictures, naive.pictures)
    np.testing.assert_allclose(quick.entropy, naive.entropy, atol=1e-4)
    assert quick.pictures.std() > 20


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("mask", ["prefix", "left", "holes"])
def test_completion_keeps_what_is_given(name: str, mask: str) -> None:
    model, rng = build(name), np.random.default_rng(3)
    known = {
        "prefix": np.arange(80).reshape(8, 10) < 43,
        "left": np.tile(np.arange(10) < 4, (8, 1)),
        "holes": rng.random((8, 10)) < 0.5,
    }[mask]
    given = Given(rng.integers(256, size=(8, 10, 3), dtype=np.uint8), known)
    quick = Sampler(model).draw(pictures(), samples=2, given=given)
    naive = draw_naively(model, pictures(), samples=2, given=given)
    np.testing.assert_array_equal(quick.pictures, naive.pictures)
    assert (quick.pictures[:, :, known] == given.picture[known]).all()
    assert (quick.entropy[:, :, known] == 0).all()
    assert (quick.entropy[:, :, ~known] > 0).all()


def test_a_picture_completed_from_its_own_start_comes_out_again() -> None:
    """The prefix is exact: the same random numbers go on where the picture was cut."""
    sampler = Sampler(build())
    whole = sampler.draw(pictures(1), choice=Choice(seed=9)).pictures
    known = np.arange(80).reshape(8, 10) < 37
    again = sampler.draw(pictures(1), choice=Choice(seed=9), given=Given(whole[0, 0], known)).pictures
    np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize("double", [True, False])
def test_a_sample_does_not_depend_on_its_neighbours(double: bool) -> None:
    model = build() if double else build().float()
    sampler, lr = Sampler(model), pictures(5)
    alone = sampler.draw(lr[2:3], samples=1, choice=Choice(seed=4)).pictures
    few = sampler.draw(lr, samples=3, choice=Choice(seed=4)).pictures
    many = sampler.draw(lr, samples=9, choice=Choice(seed=4)).pictures  # 45 lanes
    np.testing.assert_array_equal(few[2, 0], alone[0, 0])
    np.testing.assert_array_equal(many[:, :3], few)
    assert not np.array_equal(few[2, 0], few[2, 1])
    assert not np.array_equal(alone, sampler.draw(lr[2:3], choice=Choice(seed=5)).pictures)


def test_rows_are_told_as_they_are_drawn() -> None:
    seen: list[tuple[int, np.ndarray]] = []
    drawn = Sampler(build()).draw(pictures(), samples=2, on_row=lambda y, p: seen.append((y, p.copy())))
    assert [y for y, _ in seen] == list(range(8))
    for y, so_far in seen:
        np.testing.assert_array_equal(so_far[:, :, : y + 1], drawn.pictures[:, :, : y + 1])
        assert (so_far[:, :, y + 1 :] == 0).all()


def test_chosen_as_often_as_likely() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.0001, 0.2999]))[:, None].repeat(20_000, 1)
    uniform = np.random.default_rng(0).random(20_000)

    def shares(**options: object) -> np.ndarray:
        return np.bincount(choose(logits, uniform, Choice(**options)), minlength=4) / 20_000  # type: ignore[arg-type]

    np.testing.assert_allclose(shares(), [0.1, 0.6, 0.0001, 0.2999], atol=0.01)
    colder = np.array([0.1, 0.6, 0.0001, 0.2999]) ** 2
    np.testing.assert_allclose(shares(temperature=0.5), colder / colder.sum(), atol=0.01)
    np.testing.assert_allclose(shares(top_p=0.7), [0, 2 / 3, 0, 1 / 3], atol=0.01)
    np.testing.assert_allclose(shares(top_p=0.5), [0, 1, 0, 0])
    np.testing.assert_allclose(shares(greedy=True), [0, 1, 0, 0])
    assert choose(logits[:, :1], np.array([1 - 2**-53]), Choice()) == 3


def test_entropy_is_in_bits() -> None:
    even, sure = np.zeros((256, 1)), np.zeros((256, 1))
    sure[7] = 1e3
    two = np.full((256, 1), -1e3)
    two[[3, 9]] = 0
    for logits, bits in ((even, 8), (sure, 0), (two, 1)):
        assert entropy_bits(logits)[0] == pytest.approx(bits, abs=1e-9)


def test_likelihood_is_that_of_the_choices() -> None:
    """Bits of a drawn picture, counted over the steps that drew it."""
    model = build(sharpness=1.0)
    lr = pictures(1, 2, 2)
    drawn = torch.from_numpy(Sampler(model).draw(lr).pictures[0, 0]).permute(2, 0, 1)[None].double() / 255
    total = 0.0
    for y, x, colour in itertools.product(range(4), range(4), range(3)):
        logits = model(lr.double(), drawn).joint[0, colour, :, y, x]
        total -= logits.log_softmax(0)[(drawn[0, colour, y, x] * 255).round().long()].item() / np.log(2)
    assert bits_per_subpixel(model, lr.double(), drawn).item() == pytest.approx(total / 48, rel=1e-5)


@pytest.mark.parametrize(
    ("option", "value"), [("temperature", 0.0), ("temperature", 9.0), ("top_p", 0.0), ("top_p", 1.5), ("seed", -1)]
)
def test_a_choice_out_of_range_is_refused(option: str, value: float) -> None:
    with pytest.raises(InvalidOption, match=rf"{option}: got {value}, expected"):
        Choice(**{option: value})  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    sampler = Sampler(build())
    with pytest.raises(InvalidOption, match="samples: got 0, expected 1 or more"):
        sampler.draw(pictures(), samples=0)
    with pytest.raises(InvalidOption, match=r"given: got \(3, 3, 3\) and \(8, 10\), expected"):
        sampler.draw(pictures(), given=Given(np.zeros((3, 3, 3), np.uint8), np.zeros((8, 10), bool)))


def test_one_thread_draws_and_the_others_come_back() -> None:
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        sampler = Sampler(build())
        sampler.draw(pictures(1), on_row=lambda *_: seen.append(torch.get_num_threads()))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda seed: sampler.draw(pictures(1), choice=Choice(seed=seed)), range(4)))
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
