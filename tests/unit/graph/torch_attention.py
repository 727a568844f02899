# SPDX-License-Identifier: Apache-2.0
"""Transformers in PyTorch as people write them, to be exported: attention by hand and by PyTorch's functions, masked,
causal and not, with projections apart and in one."""
import torch
import torch.nn.functional as F
from torch import nn


class ByHand(nn.Module):
    """BERT's: three projections, scores divided, a mask of tokens that is added."""

    def __init__(self, dim, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def parts(self, x):
        return self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))

    def forward(self, x, mask):
        q, k, v = self.parts(x)
        s = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5)
        if mask is not None:
            s = s + mask
        if self.causal:
            t = x.shape[1]
            s = s.masked_fill(torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1), float("-inf"))
        p = F.dropout(s.softmax(-1), 0.1, self.training)
        return self.o((p @ v).transpose(1, 2).reshape(x.shape))


class Together(nn.Module):
    """One projection for all three, and PyTorch's own function."""

    def __init__(self, dim, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.o = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def parts(self, x):
        n, t, d = x.shape
        return self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x, mask):
        y = F.scaled_dot_product_attention(*self.parts(x), attn_mask=mask, is_causal=self.causal)
        return self.o(y.transpose(1, 2).reshape(x.shape))


class Batched(nn.Module):
    """OPT's of old: queries scaled, batch and heads one dimension, torch.bmm."""

    def __init__(self, dim, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))

    def parts(self, x):
        return ByHand.parts(self, x)

    def split(self, x):
        return ByHand.split(self, x)

    def forward(self, x, mask):
        n, t, d = x.shape
        h, w = self.heads, d // self.heads
        q, k, v = (m.view(n, t, h, w).transpose(1, 2).reshape(n * h, t, w)
                   for m in (self.q(x) * w ** -0.5, self.k(x), self.v(x)))
        s = torch.bmm(q, k.transpose(1, 2))
        if self.causal:
            causal = torch.full((t, t), torch.finfo(torch.float32).min).triu(1)
            s = (s.view(n, h, t, t) + causal[None, None]).view(n * h, t, t)
        y = torch.bmm(s.softmax(-1), v).view(n, h, t, w).transpose(1, 2).reshape(n, t, d)
        return self.o(y)


class Torch(nn.Module):
    """PyTorch's layer; its batch is the second dimension inside."""

    def __init__(self, dim, heads, causal=False, weights=False):
        super().__init__()
        self.heads, self.causal, self.weights = heads, causal, weights
        self.a = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.o = self.a.out_proj
        for bias in (self.a.in_proj_bias, self.a.out_proj.bias):
            nn.init.normal_(bias, 0, 0.1)

    def parts(self, x):
        return [ByHand.split(self, y) for y in F.linear(x, self.a.in_proj_weight, self.a.in_proj_bias).chunk(3, -1)]

    def forward(self, x, mask):
        m = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if self.causal else None
        return self.a(x, x, x, attn_mask=m, need_weights=self.weights)[0]


class Variant:
    """Attention as a job's "attention" describes it, by the papers' equations. tensors: of the rewritten network, by name;
    new ones come in the order of the layers."""

    def __init__(self, description, tensors):
        self.name = description if isinstance(description, str) else description["name"]
        self.fields = {} if isinstance(description, str) else description
        self.tensors = {k: torch.from_numpy(v).double() for k, v in tensors.items()
                        if ".gate" in k and k.endswith((".weight", ".bias"))}
        self.layer = 0

    def clip(self, p, causal):
        if self.name != "clipped_softmax":
            return p
        t = p.shape[-1]
        zeta = self.fields.get("zeta", 1)
        gamma = self.fields.get("gamma", -self.fields.get("alpha", 3) / t)
        factor, shift = zeta - gamma, gamma
        if causal and self.fields.get("renormalize"):
            eta, beta = zeta, zeta - gamma + t * gamma
            k = torch.arange(1, t + 1, dtype=p.dtype)[:, None]
            factor = torch.where(k > 1, (k * eta - beta) / (k - 1).clamp(min=1), 1.)
            shift = torch.where(k > 1, (beta - eta) / (k - 1).clamp(min=1), 0.)
        return (factor * p + shift).clamp(0, 1)

    def gate(self, context, x):
        """context [N, H, T, d], x [N, T, width]"""
        if self.name != "gated":
            return context
        kind, heads = self.fields.get("gate", "linear"), context.shape[1]
        per = 4 if kind == "mlp" else 2
        own = list(self.tensors.values())[per * self.layer:per * (self.layer + 1)]
        self.layer += 1
        if kind == "all_heads":
            logits = (x @ own[0] + own[1]).transpose(1, 2)[..., None]
        else:
            y = x.reshape(*x.shape[:2], heads, -1)
            logits = []
            for h in range(heads):
                z = y[:, :, h]
                for i in range(0, per, 2):
                    z = z @ own[i][h] + own[i + 1][h]
                    z = F.relu(z) if i + 2 < per else z
                logits.append(z)
            logits = torch.stack(logits, 1)
        return context * torch.sigmoid(logits)

    def attend(self, q, k, v, x, mask, causal):
        s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            s = s + mask
        if causal:
            s = s.masked_fill(torch.ones(s.shape[-2:], dtype=torch.bool).triu(1), float("-inf"))
        c = self.gate(self.clip(s.softmax(-1), causal) @ v, x)
        return c.transpose(1, 2).reshape(x.shape)


ATTENTIONS = {"by_hand": ByHand, "together": Together, "batched": Batched, "torch": Torch}


class Encoder(nn.Module):
    """Tokens to scores of tokens, with layer norms before or behind."""

    def __init__(self, attention, causal, masked=False, dim=16, heads=4, layers=2, vocabulary=31, length=12, before=True, **more):
        super().__init__()
        self.before, self.masked = before, masked
        self.table, self.positions = nn.Embedding(vocabulary, dim), nn.Parameter(torch.randn(length, dim) * 0.1)
        self.layers = nn.ModuleList(nn.ModuleDict({
            "n1": nn.LayerNorm(dim), "a": ATTENTIONS[attention](dim, heads, causal, **more), "n2": nn.LayerNorm(dim),
            "up": nn.Linear(dim, 4 * dim), "down": nn.Linear(4 * dim, dim)}) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, vocabulary, bias=False)

    def forward(self, tokens, attention_mask=None, variant=None):
        x = self.table(tokens) + self.positions
        mask = None
        if self.masked:
            mask = (1 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for m in self.layers:
            def attention(y, a=m["a"]):
                return a.o(variant.attend(*a.parts(y), y, mask, a.causal)) if variant else a(y, mask)

            if self.before:
                x = x + attention(m["n1"](x))
                x = x + m["down"](F.relu(m["up"](m["n2"](x))))
            else:
                x = m["n1"](x + attention(x))
                x = m["n2"](x + m["down"](F.gelu(m["up"](x))))
        return self.head(self.norm(x))

    def example(self, rows=2):
        tokens = torch.randint(0, self.table.num_embeddings, (rows, self.positions.shape[0]))
        return (tokens, torch.ones_like(tokens)) if self.masked else (tokens,)

    def export(self, path, dynamo=False):
        names = ["tokens", "attention_mask"][:2 if self.masked else 1]
        if dynamo:
            batch = torch.export.Dim("N", min=1, max=4096)
            torch.onnx.export(self, self.example(), path, input_names=names, output_names=["logits"], opset_version=18,
                              dynamo=True, external_data=False, dynamic_shapes=tuple({0: batch} for _ in names))
        else:
            torch.onnx.export(self, self.example(), path, input_names=names, output_names=["logits"], opset_version=17,
                              dynamo=False, dynamic_axes={n: {0: "N"} for n in [*names, "logits"]})
