"""ALAD as a loop of plain torch, which ``benchmarks.studies.speed`` compares with the estimator."""

from copy import deepcopy

import torch
from torch.nn.functional import softplus


def train(X, game, n_epochs, batch_size, lr, decay=0.999):
    """Train the networks of an ALAD game; return networks with averaged weights."""
    E, G, d_xz, d_xx, d_zz = game.encoder, game.decoder, game.d_xz, game.d_xx, game.d_zz
    generator = [*E.parameters(), *G.parameters()]
    discriminator = [*d_xz.parameters(), *d_xx.parameters(), *d_zz.parameters()]
    generator_optimizer = torch.optim.Adam(generator, lr=lr, fused=True)
    discriminator_optimizer = torch.optim.Adam(discriminator, lr=lr, fused=True)
    weights = list(game.parameters())
    averaged = deepcopy(game).requires_grad_(False)
    averages = list(averaged.parameters())

    n_steps, step = n_epochs * -(-len(X) // batch_size), 0
    for _ in range(n_epochs):
        for index in torch.randperm(len(X), device=X.device).split(batch_size):
            for optimizer in (generator_optimizer, discriminator_optimizer):
                optimizer.param_groups[0]["lr"] = lr * (1 - step / n_steps)
            step += 1
            x = X[index]
            z = torch.randn(len(x), game.latent_dim, device=X.device)
            z_x, x_z = E(x), G(z)
            x_hat, z_hat = G(z_x), E(x_z)

            # One call of each discriminator for both halves: fewer, larger matrix products.
            pairs = (
                (d_xz, (x, x_z.detach()), (z_x.detach(), z)),
                (d_xx, (x, x), (x, x_hat.detach())),
                (d_zz, (z, z), (z, z_hat.detach())),
            )
            loss = 0
            for D, first, second in pairs:
                real, fake = D(torch.cat(first), torch.cat(second)).chunk(2)
                loss = loss + softplus(-real).mean() + softplus(fake).mean()
            discriminator_optimizer.zero_grad()
            loss.backward()
            discriminator_optimizer.step()

            # The pairs (x, x) and (z, z) do not depend on the encoder and the decoder.
            real = d_xz(x, z_x)
            fake = d_xz(x_z, z), d_xx(x, x_hat), d_zz(z, z_hat)
            loss = softplus(real).mean() + sum(softplus(-f).mean() for f in fake)
            generator_optimizer.zero_grad()
            loss.backward(inputs=generator)
            generator_optimizer.step()

            torch._foreach_lerp_(averages, weights, 1 - decay)
    return averaged.eval()


@torch.inference_mode()
def score(X, game):
    """Feature score of all rows, in one pass."""
    x_hat = game.decoder(game.encoder(X))
    return (game.d_xx.features(X, X) - game.d_xx.features(X, x_hat)).abs().sum(-1)
