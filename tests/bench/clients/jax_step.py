# SPDX-License-Identifier: MIT
"""JAX: jitted training steps of a convolutional network on images of 32 x 32, in JAX's default precision (TF32), SGD with
momentum. XLA chooses kernels without timing them, else two processes would run different ones."""

import functools
import importlib.util
import os

from timing import client, leave, main

ITEMS = {'jax-step': (200, 256)}        # images
SIZES = (3, 64, 128, 256)
CLASSES = 10

os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
os.environ.setdefault('XLA_FLAGS', '--xla_gpu_autotune_level=0')
jax = client(ITEMS, 'jax')
if not any(importlib.util.find_spec(f'jax_cuda{version}_plugin') for version in (12, 13)):
    leave(ITEMS, 'jax has no CUDA plugin')
jnp = jax.numpy


def loss_of(weights, images, labels):
    x = images
    for kernel in weights[:-1]:
        x = jax.lax.conv_general_dilated(x, kernel, (2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
        x = jax.nn.relu(x)
    logits = x.mean((1, 2)) @ weights[-1]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1))
def step(weights, momenta, images, labels):
    loss, slopes = jax.value_and_grad(loss_of)(weights, images, labels)
    momenta = [0.9 * momentum + slope for momentum, slope in zip(momenta, slopes)]
    weights = [weight - 0.01 * momentum for weight, momentum in zip(weights, momenta)]
    return weights, momenta, loss


def made(key):
    """Weights, each scaled by how many numbers it sums."""
    shapes = [(3, 3, a, b) for a, b in zip(SIZES, SIZES[1:])] + [(SIZES[-1], CLASSES)]
    keys = jax.random.split(key, len(shapes))
    return [jax.random.normal(k, shape) * (2 * shape[-1] / jnp.prod(jnp.array(shape))) ** 0.5
            for k, shape in zip(keys, shapes)]


def training(batch):
    if jax.default_backend() != 'gpu':
        raise RuntimeError(f'jax has found no GPU and would use {jax.default_backend()}')
    first, second, third = jax.random.split(jax.random.key(1), 3)
    state = made(first)
    state = state, [jnp.zeros_like(weight) for weight in state]
    images = jax.random.normal(second, (batch, 32, 32, SIZES[0]))
    labels = jax.random.randint(third, (batch,), 0, CLASSES)

    def run(steps):
        nonlocal state
        for _ in range(steps):
            *state, loss = step(*state, images, labels)
        jax.block_until_ready(state)
        return float(loss)
    return run


if __name__ == '__main__':
    main(jax, ITEMS, training)
