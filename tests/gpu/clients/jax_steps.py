# SPDX-License-Identifier: MIT
"""JAX: jit, grad, a training step, loops, FFT, linear algebra, and pmap over all devices."""

import os

os.environ.setdefault('XLA_FLAGS', '--xla_gpu_deterministic_ops=true')
os.environ.setdefault('XLA_PYTHON_CLIENT_MEM_FRACTION', '.3')

import jax                                              # noqa: E402  pylint: disable=wrong-import-position
import jax.numpy as jnp                                 # noqa: E402  pylint: disable=wrong-import-position

from case import Skip, case, main                       # noqa: E402  pylint: disable=wrong-import-position


@case('jit and grad: 20 steps of a small network')
def step(clock):
    key = jax.random.key(1)
    sizes = (256, 512, 512, 10)
    weights = [jax.random.normal(k, (m, n)) / m ** 0.5
               for k, m, n in zip(jax.random.split(key, 3), sizes, sizes[1:])]
    x = jax.random.normal(key, (128, 256))
    y = jnp.arange(128) % 10

    def loss(weights):
        hidden = x
        for w in weights[:-1]:
            hidden = jax.nn.relu(hidden @ w)
        return -jnp.mean(jax.nn.log_softmax(hidden @ weights[-1])[jnp.arange(128), y])

    @jax.jit
    def update(weights):
        value, slopes = jax.value_and_grad(loss)(weights)
        return value, [w - 0.1 * g for w, g in zip(weights, slopes)]

    jax.block_until_ready(update(weights))
    losses = []
    with clock:
        for _ in range(20):
            value, weights = update(weights)
            losses.append(value)
        jax.block_until_ready(weights)
    return jnp.stack(losses), weights[-1]


@case('lax.scan and while_loop')
def loops(_):
    final, _ = jax.jit(lambda x: jax.lax.scan(lambda c, _: (c * 1.01 + 0.5, c.sum()), x, None, 100))(
        jnp.ones(1000))
    count = jax.jit(lambda: jax.lax.while_loop(lambda i: i < 1000, lambda i: i + 3, 0))()
    return final, count


@case('convolution, FFT, sort')
def kernels(_):
    x = jax.random.normal(jax.random.key(2), (4, 3, 64, 64))
    w = jax.random.normal(jax.random.key(3), (8, 3, 3, 3))
    out = jax.jit(lambda x, w: jax.lax.conv(x, w, (1, 1), 'SAME'))(x, w)
    return out, jnp.abs(jnp.fft.fft2(x)), jnp.sort(x, axis=-1)


@case('linear algebra: cholesky, qr, svd, solve', rtol=1e-3)
def linalg(_):
    a = jax.random.normal(jax.random.key(4), (64, 64))
    spd = a @ a.T + 64 * jnp.eye(64)
    return (jnp.linalg.cholesky(spd), jnp.abs(jnp.linalg.qr(a)[1]), jnp.linalg.svd(a)[1],
            jnp.linalg.solve(spd, a))


@case('pmap over all devices')
def pmap(_):
    count = jax.local_device_count()
    if count < 2:
        raise Skip('one GPU')
    x = jnp.arange(count * 1000.0).reshape(count, 1000)
    return jax.pmap(lambda x: x / jax.lax.psum(x, 'i'), axis_name='i')(x)


if __name__ == '__main__':
    main()
