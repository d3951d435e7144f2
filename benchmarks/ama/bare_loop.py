"""AMA as a loop of plain torch, which ``benchmarks.ama.speed`` compares with the estimator."""

import math
import time
from copy import deepcopy

import torch
from torch.nn.functional import normalize


def train(
    X, game, n_epochs, batch_size, lr, gp=10.0, w_mix=0.1, w_neg=0.1, w_code=0.01, k=3, delta=0.5
):
    """Train the networks of an AMA game on pixels; return averaged networks and epoch times."""
    E, G, D = game.encoder, game.decoder, game.critic
    autoencoder = [*E.parameters(), *G.parameters()]
    groups = [
        {"params": [*G.parameters()], "betas": (0.0, 0.9)},
        {"params": [*E.parameters()], "betas": (0.5, 0.9)},
    ]
    autoencoder_optimizer = torch.optim.Adam(groups, lr=lr, fused=True)
    critic_optimizer = torch.optim.Adam(D.parameters(), lr=lr, betas=(0.0, 0.9), fused=True)
    weights = list(game.parameters())
    averaged = deepcopy(game).requires_grad_(False)
    averages = list(averaged.parameters())

    n_steps, step, seconds = n_epochs * -(-len(X) // batch_size), 0, []
    for _ in range(n_epochs):
        start = time.process_time()
        for index in torch.randperm(len(X)).split(batch_size):
            for optimizer in (autoencoder_optimizer, critic_optimizer):
                for group in optimizer.param_groups:
                    group["lr"] = lr * (1 - step / n_steps)
            x = X[index] / 255

            with torch.no_grad():  # decoded codes from outside the sphere
                z = E(x)
                n = math.ceil(0.1 * len(x))
                direction = normalize(torch.randn(n, z.shape[1]), dim=1)
                radius = z.shape[1] ** 0.5 * (1 + delta * torch.rand(n, 1))
                x_neg = G(z.mean(0) + z.std(0, correction=0) * radius * direction)
            z = E(torch.cat([x, x_neg]))
            z_x, n_mixed = z[: len(x)], len(x) // k * k
            alpha = 0.5 * torch.rand(n_mixed // k, k, 1)
            z_mix = (alpha * z_x[:n_mixed].unflatten(0, (-1, k))).sum(1) / alpha.sum(1)
            rows = torch.cat([x, x_neg, x[:n_mixed]])
            mirrored = G(torch.cat([z, z_mix.repeat_interleave(k, 0)]))
            parts = [(len(x), 1.0), (n, -w_neg), (n_mixed, w_mix)]
            weight = torch.cat([torch.full((m,), w / m) for m, w in parts])

            fake = mirrored.detach()
            same, other = D(rows.repeat(2, 1), torch.cat([rows, fake])).chunk(2)
            first = rows.clone().requires_grad_()
            second = torch.lerp(rows, fake, torch.rand(len(rows), 1)).requires_grad_()
            slopes = torch.autograd.grad(D(first, second).sum(), (first, second), create_graph=True)
            penalty = (torch.cat(slopes, 1).norm(dim=1) - 1).square().mean()
            critic_optimizer.zero_grad()
            ((weight * (other - same)).sum() + gp * penalty).backward()
            critic_optimizer.step()

            loss = w_code * z_x.norm(dim=1).mean() - (weight * D(rows, mirrored)).sum()
            autoencoder_optimizer.zero_grad()
            loss.backward(inputs=autoencoder)
            autoencoder_optimizer.step()

            decay = min(0.99, (1 + step) / (10 + step))
            torch._foreach_lerp_(averages, weights, 1 - decay)
            step += 1
        seconds.append(time.process_time() - start)
    return averaged.eval(), seconds


@torch.inference_mode()
def score(X, game):
    """Feature score of all images, 128 at a time."""
    scores = []
    for x in X.split(128):
        x = x / 255
        x_hat = game.decoder(game.encoder(x))
        f = game.critic.features
        scores.append((f(x, x) - f(x, x_hat)).abs().sum(1))
    return torch.cat(scores)
