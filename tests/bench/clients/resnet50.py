# SPDX-License-Identifier: MIT
"""PyTorch: training steps of ResNet-50 on images of 224 x 224, as people train it: bf16 autocast, channels_last, SGD with
momentum. Written out here, so that every machine runs the same with or without torchvision; the images are made on the
GPU once. cudnn.benchmark stays off, as is PyTorch's default: what it picks differs from run to run."""

from timing import main, torch_client

ITEMS = {'resnet50-16': (15, 16), 'resnet50-256': (5, 256)}

torch = torch_client(ITEMS)
nn = torch.nn
PARAMETERS = 25557032


def convolution(inputs, outputs, size, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3, 1 x 1 up, beside what goes around them."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.around = convolution(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else nn.Identity()
        self.down = convolution(inputs, width, 1)
        self.across = convolution(width, width, 3, stride)
        self.up = convolution(width, outputs, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        inner = self.relu(self.across(self.relu(self.down(x))))
        return self.relu(self.up(inner) + self.around(x))


def resnet50():
    layers = [convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            layers.append(Bottleneck(inputs, width, stride if i == 0 else 1))
            inputs = 4 * width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    return model


def training(batch):
    torch.manual_seed(1)
    model = resnet50().to('cuda', memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 224, 224, device='cuda').to(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (batch,), device='cuda')
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def run(steps):
        for _ in range(steps):
            optimiser.zero_grad()
            with torch.autocast('cuda', torch.bfloat16):
                loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimiser.step()
        return loss.item()          # waits for the whole stream
    return run


if __name__ == '__main__':
    main(torch, ITEMS, training)
