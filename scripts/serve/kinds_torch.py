"""Small networks of PyTorch, exported by torch.onnx.export: `kinds_torch.py FOLDER`, for a Python that has torch.

Writes for each a model NAME.onnx and NAME.npz with inputs and what `forward` says of them, and torch.json: names, and why where one
cannot be exported. Weights are those that the seed gives: what is compared is the arithmetic, not how good a network is.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

ASKED = 10_000
# Rows of `forward` at a time.
AT_A_TIME = 1000


class Recurrent(nn.Module):
    """The last state of a recurrent layer, through a linear one."""

    def __init__(self, kind, **settings):
        super().__init__()
        self.layer = kind(6, 12, batch_first=True, **settings)
        self.out = nn.Linear(24 if settings.get("bidirectional") else 12, 3)

    def forward(self, x):
        return self.out(self.layer(x)[0][:, -1])


class Encoder(nn.Module):
    """A transformer encoder over codes of words, averaged."""

    def __init__(self, layers=2):
        super().__init__()
        self.words, self.place = nn.Embedding(50, 16), nn.Parameter(torch.randn(1, 12, 16) / 4)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, layers), nn.Linear(16, 3)

    def forward(self, ids):
        return self.out(self.encoder(self.words(ids) + self.place).mean(1)).softmax(-1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        return self.layer(x, x, x, need_weights=False)[0]


class Embedded(nn.Module):
    """Codes and numbers together, as tables have them: two inputs."""

    def __init__(self):
        super().__init__()
        self.codes, self.rest = nn.Embedding(10, 4), nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, code, x):
        return self.rest(torch.cat([self.codes(code).flatten(1), x], 1))


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag, self.out = nn.EmbeddingBag(50, 8, mode="mean"), nn.Linear(8, 2)

    def forward(self, ids):
        return self.out(self.bag(ids))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = self.first(x)
        return self.out(torch.relu(x + self.second(x)).mean((2, 3)))


def networks():
    """Name, network, inputs."""
    torch.manual_seed(7)

    def numbers(*shape):
        return torch.randn(ASKED, *shape)

    def codes(count, *shape):
        return torch.randint(0, count, (ASKED, *shape))

    perceptron = [nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 3), nn.Softmax(-1)]
    normed = [nn.Linear(8, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Dropout(0.2), nn.LayerNorm(32), nn.Linear(32, 1)]
    pictures = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)]
    signals = [nn.Conv1d(3, 8, 5), nn.SiLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(8 * 14, 2)]
    coder = [nn.Linear(8, 3), nn.ELU(), nn.Linear(3, 8)]
    return [
        ("MLP, three classes", nn.Sequential(*perceptron), {"x": numbers(8)}),
        ("MLP with norms, GELU, dropout", nn.Sequential(*normed), {"x": numbers(8)}),
        ("MLP in double precision", nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)).double(), {"x": numbers(8).double()}),
        ("autoencoder", nn.Sequential(*coder), {"x": numbers(8)}),
        ("CNN on pictures", nn.Sequential(*pictures), {"x": numbers(1, 14, 14)}),
        ("CNN with a residual", Residual(), {"x": numbers(1, 10, 10)}),
        ("CNN on signals", nn.Sequential(*signals), {"x": numbers(3, 32)}),
        ("RNN", Recurrent(nn.RNN), {"x": numbers(10, 6)}),
        ("LSTM", Recurrent(nn.LSTM), {"x": numbers(10, 6)}),
        ("LSTM, two layers, both ways", Recurrent(nn.LSTM, num_layers=2, bidirectional=True), {"x": numbers(10, 6)}),
        ("GRU", Recurrent(nn.GRU), {"x": numbers(10, 6)}),
        ("attention", Attention(), {"x": numbers(10, 6)}),
        ("transformer encoder", Encoder(), {"ids": codes(50, 12)}),
        ("embedding and numbers", Embedded(), {"code": codes(10, 2), "x": numbers(4)}),
        ("bag of embeddings", Bag(), {"ids": codes(50, 7)}),
    ]


def export(network, inputs, path):
    """The file, and what `forward` says."""
    with torch.no_grad():
        parts = zip(*(value.split(AT_A_TIME) for value in inputs.values()), strict=True)
        said = torch.cat([network(*part) for part in parts])
    # Traced with gradients: without them encoder layers are one fused operator, which has no counterpart in ONNX.
    torch.onnx.export(
        network,
        tuple(value[:2] for value in inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=["y"],
        dynamic_axes={name: {0: "rows"} for name in [*inputs, "y"]},
        opset_version=16,
    )
    return said.numpy()


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    told = {"library": f"PyTorch {torch.__version__}", "cases": []}
    for at, (name, network, inputs) in enumerate(networks()):
        network.eval()
        case = {"name": name, "file": f"torch{at}.onnx", "rows": f"torch{at}.npz"}
        try:
            said = export(network, inputs, folder / case["file"])
            np.savez(folder / case["rows"], said=said, **{f"in_{name}": value.numpy() for name, value in inputs.items()})
        except Exception as error:  # whatever an exporter says is what the table tells
            case = {"name": name, "why": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
        told["cases"].append(case)
    (folder / "torch.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
