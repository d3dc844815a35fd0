"""PyTorch: the defaults of its container. TorchScript is loaded without a script; any other model needs a model_fn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import arrays, formats
from .handlers import Handlers

MODEL_FILE = "model.pt"
_SUFFIXES = (".pt", ".pth")


class PytorchHandlers(Handlers):
    """Tensors are on the GPU where there is one. Text becomes float32, NumPy's format keeps its type."""

    def load(self) -> None:
        import torch

        torch.set_num_threads(1)  # a worker is one of many, for one core
        super().load()

    def model_fn(self, model_dir: str) -> Any:
        import torch

        path = _model_file(Path(model_dir))
        try:
            return torch.jit.load(str(path), map_location=_device()).eval()
        except RuntimeError as error:
            raise RuntimeError(
                f"Failed to load {path.name}. Please ensure model is saved using torchscript, or write a "
                f"model_fn(model_dir) in the script: {error}"
            ) from error

    def input_fn(self, body: Any, content_type: str) -> Any:
        import torch

        array = arrays.decode(body, content_type)
        text = formats.media_type(content_type) in (formats.JSON, formats.CSV, formats.JSON_LINES)
        tensor = torch.tensor(array, dtype=torch.float32) if text else torch.from_numpy(array)
        return tensor.to(_device())

    def predict_fn(self, data: Any, model: Any) -> Any:
        import torch

        model.to(_device())
        model.eval()
        with torch.no_grad():
            return model(data)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        if hasattr(prediction, "detach"):
            prediction = prediction.detach().cpu().numpy()
        return arrays.encode(prediction, accept)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _model_file(folder: Path) -> Path:
    path = folder / MODEL_FILE
    if path.is_file():
        return path
    files = sorted(entry for entry in folder.iterdir() if entry.suffix in _SUFFIXES and entry.is_file())
    if len(files) != 1:
        raise ValueError(
            f"Exactly one .pth or .pt file is required for PyTorch models without a model_fn(model_dir): the model has "
            f"{', '.join(path.name for path in files) or 'none'}"
        )
    return files[0]
