"""The architectures by name: ``config_class, model_class = MODELS["edsr"]``. One paper per file."""

from torch import nn

from loupe.models.edsr import EDSR, EDSRConfig

MODELS: dict[str, tuple[type, type[nn.Module]]] = {
    "edsr": (EDSRConfig, EDSR),
}
