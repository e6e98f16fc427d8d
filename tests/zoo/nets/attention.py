"""Attention, recurrent layers, embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row

TOKENS, DIM = 6, 4  # a row of the image is a token
SCORES = 2 * 2 * TOKENS * TOKENS * DIM  # q·kᵀ and its product with v


@row("attention", other_flops=SCORES)
class attention_by_hand(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.qkv = nn.Linear(6, DIM), nn.Linear(DIM, 3 * DIM)
        self.proj, self.head = nn.Linear(DIM, DIM), nn.Linear(DIM, 3)

    def forward(self, x):
        x = self.embed(x.squeeze(1))
        n, t, d = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        p = (q @ k.transpose(-1, -2) / (d // 2) ** 0.5).softmax(-1)
        x = x + self.proj((p @ v).transpose(1, 2).reshape(n, t, d))
        return self.head(x.mean(1))


@row("attention", other_flops=SCORES)
class torch_attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(6, DIM), nn.Linear(DIM, 3)
        self.attention = nn.MultiheadAttention(DIM, 2, batch_first=True)

    def forward(self, x):
        x = self.embed(x.squeeze(1))
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(x.mean(1))


@row("attention", other_flops=SCORES)
class fused_attention(nn.Module):
    """`scaled_dot_product_attention`, causal."""

    def __init__(self):
        super().__init__()
        self.embed, self.qkv = nn.Linear(6, DIM), nn.Linear(DIM, 3 * DIM, bias=False)
        self.head = nn.Linear(DIM, 3)

    def forward(self, x):
        q, k, v = self.qkv(self.embed(x.squeeze(1))).chunk(3, -1)
        return self.head(F.scaled_dot_product_attention(q, k, v, is_causal=True).mean(1))


@row("attention", other_flops=SCORES)
class encoder_layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(6, DIM), nn.Linear(DIM, 3)
        self.layer = nn.TransformerEncoderLayer(DIM, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x):
        return self.head(self.layer(self.embed(x.squeeze(1))).mean(1))


@row("attention", other_flops=2 * 2 * 10 * 10 * 8)
class vit(nn.Module):
    """Patches of 2×2, a class token, positions, a block before whose parts stands a norm."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(1, 8, 2, stride=2)
        self.cls = nn.Parameter(torch.zeros(1, 1, 8))
        self.position = nn.Parameter(0.02 * torch.randn(1, 10, 8))
        self.norm1, self.norm2, self.norm = nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.position
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm(x[:, 0]))


@row("attention", other_flops=2 * 2 * 2 * TOKENS * DIM)
class learned_queries(nn.Module):
    """As a perceiver or a pooling head asks: the queries come from no example."""

    def __init__(self):
        super().__init__()
        self.embed, self.kv = nn.Linear(6, DIM), nn.Linear(DIM, 2 * DIM)
        self.queries, self.q = nn.Parameter(torch.randn(2, DIM)), nn.Linear(DIM, DIM)
        self.head = nn.Linear(2 * DIM, 3)

    def forward(self, x):
        k, v = self.kv(self.embed(x.squeeze(1))).chunk(2, -1)
        q = self.q(self.queries.expand(len(x), -1, -1))
        return self.head(((q @ k.transpose(1, 2)).softmax(-1) @ v).flatten(1))


@row("attention", other_flops=2 * 2 * 7 * DIM)
class class_attention(nn.Module):
    """The query is the class token, which no example has reached yet."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, DIM)
        self.cls = nn.Parameter(torch.randn(1, 1, DIM))
        self.q, self.k, self.v = (nn.Linear(DIM, DIM) for _ in range(3))
        self.head = nn.Linear(DIM, 3)

    def forward(self, x):
        x = self.embed(x.squeeze(1))
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
        q, k, v = self.q(x[:, :1]), self.k(x), self.v(x)
        return self.head(((q @ k.transpose(1, 2)).softmax(-1) @ v).squeeze(1))


@row("recurrent")
class lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.lstm(x.squeeze(1))[0][:, -1])


@row("recurrent", relu=True)
class rnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(6, 5, batch_first=True, nonlinearity="relu")
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.rnn(x.squeeze(1))[1][-1])


@row("recurrent")
class gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.gru(x.squeeze(1))[1][-1])


@row("recurrent", relu=True)
class unrolled(nn.Module):
    """A recurrent network of linear layers."""

    def __init__(self):
        super().__init__()
        self.take, self.keep, self.head = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        h = x.new_zeros(len(x), 5)
        for t in range(x.shape[2]):
            h = F.relu(self.take(x[:, 0, t]) + self.keep(h))
        return self.head(h)


@row("recurrent")
class embedding(nn.Module):
    """Pixels as tokens."""

    def __init__(self):
        super().__init__()
        self.table, self.fc = nn.Embedding(8, 4), nn.Linear(4, 7)
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        tokens = ((x.flatten(1) + 3) * 4 / 3).long().clamp(0, 7)
        return self.head(F.relu(self.fc(self.table(tokens).mean(1))))


@row("recurrent")
class tied_embedding(nn.Module):
    """The head is the table of tokens, one of which stands for each class."""

    def __init__(self):
        super().__init__()
        self.table, self.fc = nn.Embedding(3, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 3, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        tokens = (x.flatten(1) + 2).long().clamp(0, 2)
        return self.head(F.relu(self.fc(self.table(tokens).mean(1))))
