"""Statistics of an ordinary picture, for tests that need some."""

from loupe.quality import Quality

QUALITY = Quality(
    light_mean=100,
    light_spread=50,
    noise_sigma=1,
    sharpness=500,
    blockiness=1,
    colourfulness=40,
    entropy=7,
    edge_density=0.1,
    width=64,
    height=64,
)
