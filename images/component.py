"""One component as Kubeflow runs it, by its executor: python component.py FOLDER."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import components.ingest


def main() -> None:
    """Run ``ingest`` over a folder of pictures; its manifest must name them all."""
    pictures = Path(sys.argv[1])
    folder = Path(tempfile.mkdtemp())
    output = folder / "output.json"
    artifact = {
        "name": "manifest",
        "type": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
        "uri": str(folder / "manifest"),
    }
    inputs = {"parameterValues": {"data": str(pictures), "store": str(folder / "store"), "fingerprint": "1"}}
    outputs = {"artifacts": {"manifest": {"artifacts": [artifact]}}, "outputFile": str(output), "parameters": {}}
    command = [sys.executable, "-m", "kfp.dsl.executor_main", "--component_module_path", components.ingest.__file__]
    command += [
        "--function_to_execute",
        "ingest",
        "--executor_input",
        json.dumps({"inputs": inputs, "outputs": outputs}),
    ]
    subprocess.run(command, check=True)
    made = json.loads(output.read_text())
    print(f"component ingest: {json.dumps(made)[:300]}")


if __name__ == "__main__":
    main()
