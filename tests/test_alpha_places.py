"""Repeated measurements are one sample: of equal places, and of clusters of places."""

import pytest
import torch

from wsapps.alpha import alpha_by_samples
from wsapps.alpha.places import places_of
from wsapps.fields import SinusoidalField


def test_samples_of_one_place_are_one():
    places, values = torch.rand(30, 2), torch.rand(30, 3)
    once = places_of(places, values)
    assert once[0] is places
    assert once[1] is values
    thrice = torch.cat([places, places, places]), torch.cat([values - 1, values + 2, values - 1])
    merged_places, merged_values = places_of(*thrice)
    order = (merged_places[:, None] == places).all(dim=2).float().argmax(dim=1)
    torch.testing.assert_close(merged_places, places[order])
    torch.testing.assert_close(merged_values, values[order])


def test_of_one_place_alone_alpha_is_chosen_as_well():
    samples, values = torch.zeros(50, 2), torch.rand(50, 1)
    for count in (1, 50):
        choice = alpha_by_samples(
            lambda alpha: SinusoidalField(2, 1, 16, 1, alpha=alpha), samples[:count], values[:count]
        )
        assert choice.alpha == 1.0
        assert "one place" in choice.chosen.fate


def repeated(places: torch.Tensor, times: int, jitter: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Measurements of places, and the number of each one's place."""
    number = torch.arange(len(places)).repeat(times)
    noise = torch.randn(len(number), places.shape[1], generator=torch.Generator().manual_seed(0))
    return places[number] + jitter * noise, number[:, None].float()


@pytest.mark.parametrize("jitter", [1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("times", [2, 5, 100])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_clusters_are_one_place_each(dimensions, times, jitter):
    side = {1: 40, 2: 7, 3: 4}[dimensions]
    axes = torch.meshgrid(*[torch.linspace(-1, 1, side)] * dimensions, indexing="ij")
    places = torch.stack(axes, dim=-1).reshape(-1, dimensions)
    merged, numbers = places_of(*repeated(places, times, jitter))
    assert sorted(numbers[:, 0].tolist()) == list(range(len(places)))
    assert float((merged - places[numbers[:, 0].long()]).abs().max()) < 4 * jitter + 1e-6


def track(generator: torch.Generator) -> torch.Tensor:
    first, last = 2 * torch.rand(2, 1, 2, generator=generator) - 1
    return torch.lerp(first, last, torch.linspace(0, 1, 200)[:, None])


def spread(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    random = {
        "line": lambda: 2 * torch.rand(3000, 1, generator=generator) - 1,
        "square": lambda: 2 * torch.rand(3000, 2, generator=generator) - 1,
        "cube": lambda: 2 * torch.rand(3000, 3, generator=generator) - 1,
        "sphere": lambda: torch.nn.functional.normalize(torch.randn(3000, 3, generator=generator), dim=1),
        "near a surface": lambda: torch.cat(
            [
                torch.nn.functional.normalize(torch.randn(2500, 3, generator=generator), dim=1)
                * (0.5 + 0.01 * torch.randn(2500, 1, generator=generator)),
                2 * torch.rand(500, 3, generator=generator) - 1,
            ]
        ),
        "a few frames": lambda: torch.cartesian_prod(
            torch.linspace(-1, 1, 3), *[torch.linspace(-1, 1, 60)] * 2
        ),
        "tracks": lambda: torch.cat([track(generator) for _ in range(12)]),
        "islands": lambda: (
            (
                torch.randint(3, (12, 1, 2), generator=generator)
                + 0.1 * torch.cartesian_prod(*[torch.linspace(-1, 1, 20)] * 2)
            )
            .reshape(-1, 2)
            .unique(dim=0)
        ),
    }
    return random[kind]()


@pytest.mark.parametrize(
    "kind", ["line", "square", "cube", "sphere", "near a surface", "a few frames", "tracks", "islands"]
)
def test_samples_in_no_clusters_are_left_as_they_are(kind):
    samples = spread(kind)
    values = samples[:, :1]
    assert places_of(samples, values)[0] is samples
    assert places_of(samples, values)[1] is values


def test_repeats_that_shake_choose_what_repeats_choose():
    places = torch.linspace(-1, 1, 45)[:, None]

    def chosen(jitter: float) -> tuple[float, bool]:
        samples, _ = repeated(places, 60, jitter)
        noise = torch.randn(len(samples), 1, generator=torch.Generator().manual_seed(1))
        values = torch.sin(3 * samples + 0.5) + 0.1 * noise
        choice = alpha_by_samples(lambda a: SinusoidalField(1, 1, 64, 2, alpha=a), samples, values)
        return choice.alpha, choice.memorises

    assert chosen(0.0) == chosen(1e-6) == chosen(1e-3) == (1.0, True)
