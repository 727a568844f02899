# SPDX-License-Identifier: Apache-2.0
"""bert, opt and vit in PyTorch, written from the papers, on the weights of our files; attention as torch_attention.Variant has
it. w: tensors by the names of the file."""
import torch
import torch.nn.functional as F


def linear(w, x, name):
    y = x @ w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def norm(w, x, name, epsilon):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w.get(f"{name}.bias"), epsilon)


def attention(w, x, name, heads, causal, variant):
    def split(y):
        return y.view(*y.shape[:2], heads, -1).transpose(1, 2)

    q, k, v = (split(linear(w, x, f"{name}.{part}")) for part in ("query", "key", "value"))
    return linear(w, variant.attend(q, k, v, x, None, causal), f"{name}.output")


def feed_forward(w, x, name, activation):
    return linear(w, activation(linear(w, x, f"{name}.up")), f"{name}.down")


def pre_norm(w, x, layers, heads, causal, activation, epsilon, variant):
    for i in range(layers):
        name = f"layer{i}"
        x = x + attention(w, norm(w, x, f"{name}.attention_norm", epsilon), f"{name}.attention", heads, causal, variant)
        x = x + feed_forward(w, norm(w, x, f"{name}.ffn_norm", epsilon), f"{name}.ffn", activation)
    return norm(w, x, "norm", epsilon)


def bert(w, tokens, d, variant):
    x = norm(w, w["embedding.weight"][tokens] + w["positions.weight"], "embedding_norm", 1e-12)
    for i in range(d["layers"]):
        name = f"layer{i}"
        x = norm(w, x + attention(w, x, f"{name}.attention", d["heads"], False, variant), f"{name}.attention_norm", 1e-12)
        x = norm(w, x + feed_forward(w, x, f"{name}.ffn", F.gelu), f"{name}.ffn_norm", 1e-12)
    x = norm(w, F.gelu(linear(w, x, "head.dense")), "head.norm", 1e-12)
    return F.linear(x, w["embedding.weight"] if d.get("tied", True) else w["head.weight"], w["head.bias"])


def opt(w, tokens, d, variant):
    x = w["embedding.weight"][tokens] + w["positions.weight"]
    x = pre_norm(w, x, d["layers"], d["heads"], True, F.relu, 1e-5, variant)
    return F.linear(x, w["embedding.weight"] if d.get("tied", True) else w["head.weight"])


def vit(w, images, d, variant):
    x = F.conv2d(images, w["patches.weight"], w["patches.bias"], d.get("patch", 4)).flatten(2).transpose(1, 2)
    if d.get("patch_norm"):
        x = norm(w, x, "patch_norm", 1e-6)
    mean = d.get("pool") == "mean"
    if not mean:
        x = torch.cat([w["class.weight"].expand(x.shape[0], -1, -1), x], 1)
    x = pre_norm(w, x + w["positions.weight"], d["layers"], d["heads"], False, F.gelu, 1e-6, variant)
    return F.linear(x.mean(1) if mean else x[:, 0], w["linear.weight"], w["linear.bias"])


NETWORKS = {"bert": bert, "opt": opt, "vit": vit}
