"""A PyTorch step of MobileNetV2 on pairs, in a process of its own: `python -m benchmarks.torch_step PART THREADS`.

PART: what is trained, "last-block" (behind the last residual sum) or "all", as stability_train.model names it. Prints
"ready", then for each line read the seconds of one step: 16 pairs, cross-entropy of the clean half and 1 x KL to the
noisy one, Adam, batch normalisation frozen, channels last. The network is torchvision's, written by hand.
"""

import sys
import time
from typing import Any

import torch
from torch import nn

PAIRS = 16
# Expansion, channels, repeats, first stride: Sandler et al., "MobileNetV2" (2018), table 2.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def convolution(
    taken: int, given: int, *, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
) -> list[Any]:
    layers: list[Any] = [nn.Conv2d(taken, given, kernel, stride, kernel // 2, groups=groups, bias=False)]
    return [*layers, nn.BatchNorm2d(given), *([nn.ReLU6()] if relu else [])]


class Block(nn.Module):
    def __init__(self, taken: int, given: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = taken * expansion
        layers = convolution(taken, wide, kernel=1) if expansion > 1 else []
        layers += convolution(wide, wide, kernel=3, stride=stride, groups=wide)
        self.inner = nn.Sequential(*layers, *convolution(wide, given, kernel=1, relu=False))
        self.sums = stride == 1 and taken == given

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(tensor)
        return tensor + found if self.sums else found


def mobilenet_v2(classes: int) -> tuple[nn.Sequential, int]:
    """Give the network, and the number of its parts up to and with the last residual sum."""
    parts: list[nn.Module] = [nn.Sequential(*convolution(3, 32, kernel=3, stride=2))]
    taken, last = 32, 0
    for expansion, given, repeats, first in STAGES:
        for number in range(repeats):
            parts.append(Block(taken, given, expansion=expansion, stride=1 if number else first))
            taken = given
            last = len(parts) if parts[-1].sums else last
    parts.append(nn.Sequential(*convolution(320, 1280, kernel=1)))
    parts.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, classes)))
    return nn.Sequential(*parts), last


def make_step(part: str) -> Any:
    torch.manual_seed(0)
    network, last = mobilenet_v2(6)
    network = network.to(memory_format=torch.channels_last).eval()  # frozen statistics
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    cut = last if part == "last-block" else 0
    front, tail = network[:cut].requires_grad_(False), network[cut:]
    optimiser = torch.optim.Adam([one for one in tail.parameters() if one.requires_grad], lr=1e-3)
    pictures = torch.randn(2 * PAIRS, 3, 224, 224).to(memory_format=torch.channels_last)
    targets = torch.randint(6, (PAIRS,))

    def step() -> float:
        started = time.perf_counter()
        with torch.no_grad():
            features = front(pictures)
        clean, noisy = tail(features).log_softmax(1).split(PAIRS)
        stability = (clean.exp() * (clean - noisy)).sum(1).mean()
        loss = nn.functional.nll_loss(clean, targets) + stability
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        loss.item()
        return time.perf_counter() - started

    return step


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    one = make_step(sys.argv[1])
    one()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(one(), flush=True)
