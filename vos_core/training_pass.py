"""How a network is run in training: as it is, compiled, or recorded on a GPU."""

import gc
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor, Tensor], Tensor]


def training_pass(network: nn.Module, *, compile: bool) -> Forward:
    """Return what answers as a network does, in less time where gradients are wanted.

    Small networks keep a GPU waiting for each next kernel. So on a CUDA device those whose
    ``can_be_recorded`` says so are recorded, see :class:`Recorded`, and others go as they are.

    Args:
        network: ``network(image, previous_mask) -> logits``.
        compile: Compile it instead, see :func:`compiled`.
    """
    if compile:
        return compiled(network)
    if next(network.parameters()).is_cuda and getattr(network, "can_be_recorded", False):
        return Recorded(network)
    return network


def compiled(network: nn.Module) -> Forward:
    """Return a network as torch.compile makes it; copies of it share what was compiled.

    The first call takes up to a minute, for the forward and the backward pass. On a GPU both are
    recorded as CUDA graphs, so each answer has to be used up before the next is asked for.
    """
    # small networks keep a GPU waiting for its next kernel, whatever code the kernels are of
    mode = "reduce-overhead" if next(network.parameters()).is_cuda else "default"
    return cast("Forward", torch.compile(network, mode=mode))


class Recorded:
    """A network whose forward and backward pass are recorded as CUDA graphs at the first call.

    To record takes as long as some ten steps and changes nothing of the network. Batches of
    another size, or of the network in evaluation, go the usual way. An answer has to be used up
    before the next is asked for, and gradients cannot be accumulated.

    Args:
        network: In training, on a CUDA device. Its forward pass must not depend on numbers that it
            computes, nor send any from the CPU. Weights that have no part in it get no gradient.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._graphs: Forward | None = None
        self._sizes: tuple[torch.Size, torch.Size] | None = None

    def __call__(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Return the logits of the (B, 3 + C, H, W) frames and (B, S, H, W) masks of a batch."""
        if not (self._network.training and torch.is_grad_enabled()):
            logits: Tensor = self._network(image, previous_mask)
            return logits
        if self._graphs is None:
            self._graphs = self._record(image, previous_mask)
            self._sizes = image.shape, previous_mask.shape
        same = self._sizes == (image.shape, previous_mask.shape)
        return (self._graphs if same else self._network)(image, previous_mask)

    def release(self) -> None:
        """Free the memory that the graphs take; a later call records anew."""
        self._graphs = None
        gc.collect()  # classes that torch makes for a recording refer to themselves

    def _record(self, image: Tensor, previous_mask: Tensor) -> Forward:
        inputs = (image.clone(), previous_mask.clone())  # into which those of each step are copied
        before = [buffer.clone() for buffer in self._network.buffers()]
        graphs = torch.cuda.make_graphed_callables(
            _Passes(self._network), inputs, allow_unused_input=True
        )
        with torch.no_grad():
            for buffer, value in zip(self._network.buffers(), before, strict=True):
                buffer.copy_(value)
        return cast("Forward", graphs)


class _Passes(nn.Module):
    """Is changed by being recorded, in place of the network in it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        logits: Tensor = self.network(image, previous_mask)
        return logits
