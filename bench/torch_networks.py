# SPDX-License-Identifier: Apache-2.0
"""The networks of core/train/networks for 32 x 32 images and ten classes, and of tokens, as modules of PyTorch; nn is torch.nn."""


def resnet8(nn):
	class Stack(nn.Module):
		def __init__(self, channels, outputs, stride):
			super().__init__()
			self.conv1 = nn.Conv2d(channels, outputs, 3, stride, 1)
			self.bn1 = nn.BatchNorm2d(outputs)
			self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
			self.bn2 = nn.BatchNorm2d(outputs)
			self.shortcut = nn.Conv2d(channels, outputs, 1, stride) if stride != 1 else nn.Identity()
			self.relu = nn.ReLU()

		def forward(self, x):
			y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
			return self.relu(y + self.shortcut(x))

	return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), Stack(16, 16, 1), Stack(16, 32, 2),
		Stack(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenetv2(nn, width=1, strides="cifar", expansion=6):
	def rounded(channels):
		n = max(8, int(channels + 4) // 8 * 8)
		return n + 8 if n < 0.9 * channels else n

	def conv(channels, outputs, kernel, stride=1, groups=1):
		return [nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]

	class Bottleneck(nn.Module):
		def __init__(self, channels, outputs, expansion, stride):
			super().__init__()
			wide = channels * expansion
			layers = conv(channels, wide, 1) + [nn.ReLU6()] if expansion != 1 else []
			layers += conv(wide, wide, 3, stride, wide) + [nn.ReLU6()] + conv(wide, outputs, 1)
			self.layers = nn.Sequential(*layers)
			self.adds = stride == 1 and channels == outputs

		def forward(self, x):
			y = self.layers(x)
			return x + y if self.adds else y

	channels = rounded(32 * width)
	first = 1 if strides == "cifar" else 2
	layers = conv(3, channels, 3, first) + [nn.ReLU6()]
	for outputs, blocks, stride in ((16, 1, 1), (24, 2, first), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)):
		for i in range(blocks):
			layers.append(Bottleneck(channels, rounded(outputs * width), expansion if outputs > 16 else 1, stride if i == 0 else 1))
			channels = rounded(outputs * width)
	last = rounded(1280 * max(width, 1))
	layers += conv(channels, last, 1) + [nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10)]
	return nn.Sequential(*layers)


def bert(nn, vocabulary=256, length=128, width=256, layers=4, heads=4):
	"""With its defaults; tokens to scores [N, vocabulary, T]."""
	import torch

	class Block(nn.Module):
		def __init__(self):
			super().__init__()
			self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
			self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
			self.attention_norm, self.ffn_norm = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)

		def forward(self, x):
			q, k, v = (layer(x).unflatten(2, (heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
			y = torch.softmax(q @ k.transpose(2, 3) * (width // heads) ** -0.5, -1) @ v
			x = self.attention_norm(x + self.output(y.transpose(1, 2).flatten(2)))
			return self.ffn_norm(x + self.down(nn.functional.gelu(self.up(x))))

	class Bert(nn.Module):
		def __init__(self):
			super().__init__()
			self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Parameter(torch.zeros(length, width))
			self.norm, self.head_norm = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)
			self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
			self.dense, self.bias = nn.Linear(width, width), nn.Parameter(torch.zeros(vocabulary))

		def forward(self, x):
			y = self.blocks(self.norm(self.embedding(x) + self.positions))
			y = self.head_norm(nn.functional.gelu(self.dense(y)))
			return nn.functional.linear(y, self.embedding.weight, self.bias).transpose(1, 2)

	return Bert()
