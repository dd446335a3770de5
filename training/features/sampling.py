"""Which pictures to cut more crops from: those with texture, by their features.

    weights = read_weights(repository, [entry.sha256 for entry in pack.entries])
    Crops(..., weights=weights)

Off by default. Texture is the variance of the Laplacian without noise's share in it, so a noisy picture of a
plain wall does not count as one of leaves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from loupe.quality import Quality
from training.features.measuring import FeatureError
from training.features.repository import read_historical

# Noise of variance 1 adds to sharpness the sum of the squares of 0 1 0, 1 -4 1, 0 1 0, which is 20; noise_sigma, being
# a lower decile, comes out 5% low: 20 / 0.95^2 = 22.
NOISE_GAIN = 22.0
LIMIT = 4.0  # no picture is drawn more than so many times as often, or as seldom, as an average one


def read_weights(repository: Path, pictures: Sequence[str]) -> tuple[float, ...]:
    """``sampling_weights`` by the historical features of a Feast repository. FeatureError if it knows no picture."""
    features = read_historical(repository, pictures)
    if not features:
        raise FeatureError(f"{repository}: got features of none of the {len(pictures)} pictures; measure them first")
    return sampling_weights(features, pictures)


def sampling_weights(
    features: Mapping[str, Quality], pictures: Sequence[str], *, strength: float = 0.5
) -> tuple[float, ...]:
    """A weight for each of ``pictures`` (SHA-256), 1 on average; 1 for those without features.

    One standard deviation above the mean of the logarithm of texture weighs e^strength; strength 0 is 1 for all.
    """
    known = [index for index, picture in enumerate(pictures) if picture in features]
    weights = np.ones(len(pictures))
    texture = np.log1p([texture_of(features[pictures[index]]) for index in known])
    if len(known) > 1 and texture.std() > 0:
        standard = (texture - texture.mean()) / texture.std()
        chosen = np.clip(np.exp(strength * standard), 1 / LIMIT, LIMIT)
        weights[known] = chosen / chosen.mean()
    return tuple(weights.tolist())


def texture_of(quality: Quality) -> float:
    """Sharpness that is not noise, in squared levels."""
    return max(0.0, quality.sharpness - NOISE_GAIN * quality.noise_sigma**2)
