# SPDX-License-Identifier: Apache-2.0
"""The networks of core/train/networks for 32 x 32 images and ten classes, as modules of PyTorch; nn is torch.nn."""


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


def mobilenetv2(nn, width=1):
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
	layers = conv(3, channels, 3) + [nn.ReLU6()]
	for expansion, outputs, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
			(6, 160, 3, 2), (6, 320, 1, 1)):
		for i in range(blocks):
			layers.append(Bottleneck(channels, rounded(outputs * width), expansion, stride if i == 0 else 1))
			channels = rounded(outputs * width)
	last = rounded(1280 * max(width, 1))
	layers += conv(channels, last, 1) + [nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10)]
	return nn.Sequential(*layers)
