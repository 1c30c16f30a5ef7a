"""Muon (Jordan et al. 2024): momentum, orthogonalised by a Newton-Schulz iteration, for the matrices.

torch.optim.Muon computes in bfloat16, which is slow on CPUs without bf16 units; this one is float32
and batches matrices of one shape.
"""

import collections

import torch

A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(g, steps=5):
    """g [batch, rows, columns] -> the same shape with singular values near 1"""
    tall = g.shape[1] > g.shape[2]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr=5e-3, momentum=0.95, weight_decay=0.05):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = collections.defaultdict(list)
            for parameter in group["params"]:
                shapes[parameter.shape].append(parameter)
            for shape, parameters in shapes.items():
                self._step_shape(group, shape, parameters)

    def _step_shape(self, group, shape, parameters):
        updates = []
        for parameter in parameters:
            momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            momentum.lerp_(parameter.grad, 1 - group["momentum"])
            updates.append(parameter.grad.lerp(momentum, group["momentum"]))
        # 0.2 * sqrt(max(shape)) gives updates the root mean square of AdamW's.
        scale = 0.2 * max(shape) ** 0.5 * group["lr"]
        for parameter, update in zip(parameters, orthogonalise(torch.stack(updates))):
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)
