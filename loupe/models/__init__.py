"""The architectures by name: ``config_class, model_class = MODELS["edsr"]``. One paper per file."""

from torch import nn

from loupe.models.edsr import EDSR, EDSRConfig
from loupe.models.pixel_baselines import BaselineConfig, IndependentPixels, Regression
from loupe.models.pixel_recursive import PixelRecursive, PixelRecursiveConfig

MODELS: dict[str, tuple[type, type[nn.Module]]] = {
    "edsr": (EDSRConfig, EDSR),
    "pixel_recursive": (PixelRecursiveConfig, PixelRecursive),
    "independent_pixels": (BaselineConfig, IndependentPixels),
    "pixel_regression": (BaselineConfig, Regression),
}
