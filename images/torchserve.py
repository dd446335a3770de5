"""TorchServe's layout of a model that ships, and how our runtime starts it: python torchserve.py MODEL FOLDER."""

import sys
from pathlib import Path

from serving.archive import write_layout
from serving.runtimes import MODELS, serving_runtime_torchserve
from serving.settings import ServingSettings


def main() -> None:
    """Write config/, model-store/, and beside them env, command and probe."""
    model, folder = sys.argv[1], Path(sys.argv[2])
    write_layout(folder, [model], ServingSettings(), mounted_at=Path(MODELS))
    (container,) = serving_runtime_torchserve(image="x")["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]} | {"LOUPE_SERVE_MODELS": model}
    (folder / "env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    (folder / "command").write_text(container["command"][2])
    (folder / "probe").write_text(container["startupProbe"]["exec"]["command"][2])
    print(f"archive: {(folder / 'model-store' / f'{model}.mar').stat().st_size} bytes")


if __name__ == "__main__":
    main()
