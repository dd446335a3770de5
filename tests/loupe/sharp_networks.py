"""Small pixel recursive networks, untrained, that draw pictures of contrast: for tests of drawing."""

import torch

from loupe.models.pixel_recursive import PixelRecursive, PixelRecursiveConfig

CONFIGS = {
    "small kernels": PixelRecursiveConfig(
        scale=2, features=4, blocks=1, prior_features=12, layers=3, first_kernel=7, kernel=3, hidden=20
    ),
    "large kernels, uneven groups": PixelRecursiveConfig(
        scale=2, features=4, blocks=1, prior_features=13, layers=2, first_kernel=5, kernel=5, hidden=17
    ),
}


def build(name: str = "small kernels", *, sharpness: float = 6.0) -> PixelRecursive:
    """Untrained, with weights large enough that the levels of all neighbours matter. In double precision."""
    torch.manual_seed(0)
    model = PixelRecursive(CONFIGS[name]).double().eval()
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.mul_(2)
        model.prior.logits.weight *= sharpness
        model.conditioning.logits.weight *= sharpness
    return model
