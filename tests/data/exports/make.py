"""Export the same networks in several ways, without their weights: ``python tests/data/exports/make.py``.

Needs torch, torchvision, transformers and onnxscript. The files beside this script were made with the versions that
`versions.json` names; ``truth.json`` holds torch's own counts of multiply-accumulates (FlopCounterMode / 2).
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
import torchvision
import transformers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

HERE = Path(__file__).parent
KEEP = 1024


class Norm(nn.Module):
    """RMSNorm out of primitives."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Block(nn.Module):
    """A decoder block: rotary embedding, grouped heads, a cache of keys and values, SwiGLU."""

    def __init__(self, width: int, heads: int, groups: int, inner: int, eager: bool) -> None:
        super().__init__()
        self.heads, self.groups, self.size, self.eager = heads, groups, width // heads, eager
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def rotated(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        half = self.size // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin

    def forward(self, x, cos, sin, mask, past_k, past_v):  # type: ignore[no-untyped-def]
        b, s, width = x.shape
        h = self.norm1(x)
        q = self.rotated(self.q(h).view(b, s, self.heads, self.size).transpose(1, 2), cos, sin)
        k = self.rotated(self.k(h).view(b, s, self.groups, self.size).transpose(1, 2), cos, sin)
        v = self.v(h).view(b, s, self.groups, self.size).transpose(1, 2)
        k, v = torch.cat((past_k, k), dim=2), torch.cat((past_v, v), dim=2)
        times = self.heads // self.groups
        kk = k[:, :, None].expand(-1, -1, times, -1, -1).reshape(b, self.heads, -1, self.size)
        vv = v[:, :, None].expand(-1, -1, times, -1, -1).reshape(b, self.heads, -1, self.size)
        if self.eager:
            scores = q @ kk.transpose(2, 3) / self.size**0.5 + mask
            a = torch.softmax(scores, dim=-1) @ vv
        else:
            a = nn.functional.scaled_dot_product_attention(q, kk, vv, attn_mask=mask)
        x = x + self.o(a.transpose(1, 2).reshape(b, s, width))
        h = self.norm2(x)
        return x + self.down(nn.functional.silu(self.gate(h)) * self.up(h)), k, v


class Decoder(nn.Module):
    """Two blocks and a head, as a model with past keys and values as inputs."""

    def __init__(self, eager: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(1000, 256)
        self.blocks = nn.ModuleList(Block(256, 8, 2, 512, eager) for _ in range(2))
        self.norm, self.head = Norm(256), nn.Linear(256, 1000, bias=False)

    def forward(self, ids, cos, sin, mask, k0, v0, k1, v1):  # type: ignore[no-untyped-def]
        x = self.table(ids)
        x, k0, v0 = self.blocks[0](x, cos, sin, mask, k0, v0)
        x, k1, v1 = self.blocks[1](x, cos, sin, mask, k1, v1)
        return self.head(self.norm(x)), k0, v0, k1, v1


def decoder_inputs(new: int = 3, past: int = 16) -> tuple[torch.Tensor, ...]:
    cache = [torch.zeros(1, 2, past, 32) for _ in range(4)]
    rotary = [torch.zeros(1, 1, new, 32) for _ in range(2)]
    return (torch.zeros(1, new, dtype=torch.int64), *rotary, torch.zeros(1, 1, new, past + new), *cache)


def bert(attention: str) -> nn.Module:
    config = transformers.BertConfig(num_hidden_layers=2, hidden_size=128, num_attention_heads=4,
                                     intermediate_size=512, vocab_size=1000)  # fmt: skip
    config._attn_implementation = attention
    model = transformers.BertModel(config, add_pooling_layer=False).eval()

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return self.model(input_ids=ids, attention_mask=mask, return_dict=False)[0]

    return Plain()


def vit() -> nn.Module:
    return torchvision.models.VisionTransformer(64, 16, 2, 4, 128, 512, num_classes=10).eval()


class Tagger(nn.Module):
    """Embedding, two LSTM layers, a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.lstm = nn.Embedding(1000, 64), nn.LSTM(64, 96, num_layers=2)
        self.head = nn.Linear(96, 1000)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.table(ids))[0])


class UNet(nn.Module):
    """Two levels, a skip connection, a transposed convolution, normalisation left as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU())
        self.bottom = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
        self.up, self.out = nn.ConvTranspose2d(32, 16, 2, stride=2), nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(x)
        return self.out(torch.cat((x, self.up(self.bottom(x))), dim=1))


NETWORKS: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
    "bert_eager": (
        lambda: bert("eager"),
        (torch.zeros(2, 64, dtype=torch.int64), torch.ones(2, 64, dtype=torch.int64)),
    ),
    "bert_sdpa": (lambda: bert("sdpa"), (torch.zeros(2, 64, dtype=torch.int64), torch.ones(2, 64, dtype=torch.int64))),
    "vit": (vit, (torch.zeros(2, 3, 64, 64),)),
    "resnet18": (lambda: torchvision.models.resnet18().eval(), (torch.zeros(2, 3, 64, 64),)),
    "lstm": (lambda: Tagger().eval(), (torch.zeros(5, 2, dtype=torch.int64),)),
    "unet": (lambda: UNet().eval(), (torch.zeros(2, 3, 32, 32),)),
    "decoder_eager": (lambda: Decoder(True).eval(), decoder_inputs()),
    "decoder_sdpa": (lambda: Decoder(False).eval(), decoder_inputs()),
}


def strip(path: Path) -> None:
    """Leave out the weights: large initialisers point to a file that is not there."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > KEEP:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            del tensor.external_data[:]
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", "weights"
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString())


def step(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    """Return torch's count of multiply-accumulates of forward and backward, from the sum of all outputs."""
    counter = FlopCounterMode(display=False)
    with counter:
        found = model(*inputs)
        outputs = [found] if torch.is_tensor(found) else list(found.values() if hasattr(found, "values") else found)
        sum(output.sum() for output in outputs).backward()
    return counter.get_total_flops() // 2


def main() -> None:
    warnings.simplefilter("ignore")
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into it
    torch.backends.mkldnn.enabled = False  # nor into its LSTM
    truth, training = {}, {}
    for name, (build, inputs) in NETWORKS.items():
        torch.manual_seed(0)
        model = build()
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            model(*inputs)
        truth[name] = counter.get_total_flops() // 2
        training[name] = step(model, inputs)
        for way in ("torchscript", "dynamo"):
            path = HERE / f"{name}_{way}.onnx"
            try:
                torch.onnx.export(
                    model, inputs, str(path), dynamo=way == "dynamo", opset_version=18, external_data=False
                )
                strip(path)
            except Exception as error:
                print(name, way, type(error).__name__, str(error)[:200])
    (HERE / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    with torch.device("meta"):
        training["resnet18 224"] = step(torchvision.models.resnet18().eval(), (torch.zeros(1, 3, 224, 224),))
        config = transformers.BertConfig()
        config._attn_implementation = "eager"
        training["bert_base 128"] = step(
            transformers.BertModel(config).eval(), (torch.zeros(1, 128, dtype=torch.int64),)
        )
    (HERE / "truth_training.json").write_text(json.dumps(training, indent=1) + "\n")
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, transformers, onnx)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
