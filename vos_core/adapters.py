"""What of a network is trained on one sequence: all, a part, one stream, or updates of low rank.

Fewer trained parameters make cheaper steps, and can keep what the network learnt before. For that
it has to have learnt something; a network of random weights is best trained in full.
"""

import copy
import math
import re

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vos_core.errors import ConfigError, nearest
from vos_core.networks.streams import Streams

_PARTS = ("all", "last_layers", "decoder", "normalisation")
_NORMALISATIONS = (
    nn.BatchNorm2d,
    nn.SyncBatchNorm,
    nn.InstanceNorm2d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
# The scale of an update is alpha / rank, so that another rank needs no other learning rate. As in
# the paper, alpha is the first rank that was tried.
_ALPHA = 4


def require_adapter(adapter: str) -> None:
    """Refuse a name that is none of an adapter.

    Raises:
        ConfigError: If it is unknown, or is "lora" or "stream" without a number of 1 or more.
    """
    if adapter not in _PARTS and not _number(adapter, "lora") and not _number(adapter, "stream"):
        known = [*_PARTS, "lora:4", "stream:1"]
        raise ConfigError(
            f"adapter is {adapter!r}; give {', '.join(_PARTS)}, lora with a rank, as in lora:4, or "
            f"stream with its number, as in stream:1.{nearest(adapter, known)}"
        )


def trained_modules(network: nn.Module, adapter: str) -> set[nn.Module]:
    """Return the modules whose own parameters, without those of modules in them, are trained.

    Args:
        network: Names its ``last_layers`` and its ``encoder``, if the adapter needs them.
        adapter: See :class:`TrainedCopy`.

    Raises:
        ConfigError: If the adapter is unknown, or the network has or names no such part.
    """
    require_adapter(adapter)
    modules = set(network.modules())
    if adapter == "all":
        return modules
    if stream := _number(adapter, "stream"):
        return modules - set(_other_streams(network, stream))
    if adapter == "decoder":
        return modules - _modules_of(network, "encoder", adapter)
    if adapter == "normalisation":
        layers: set[nn.Module] = {
            module for module in modules if isinstance(module, _NORMALISATIONS)
        }
        if not layers:
            raise ConfigError(
                f"{type(network).__name__} has no normalisation layers that adapter "
                "'normalisation' could train; choose another adapter."
            )
        return layers
    return _modules_of(network, "last_layers", adapter)


class TrainedCopy:
    """A copy of a network for training, of which an adapter says what may change.

    Frozen parameters ask for no gradient; :meth:`vos_core.optimisation.Solver.build` passes them
    over. Normalisation layers that are not trained answer as in evaluation, by the statistics they
    have, which stay; those that are trained go by the batch and update theirs. Dropout is on in
    all of the network, as it is without an adapter. Streams that are not trained are not run.

    Args:
        network: Stays as it is.
        adapter: "all"; "last_layers", those the network names; "decoder", all but its ``encoder``;
            "normalisation", scales and shifts of normalisation layers; or "lora:4", low-rank
            updates of the convolutions, here of rank 4, with the last layers in full: an object
            may be unlike all seen before, and these are small; or "stream:1", the first of several
            networks, while the others stay as they are (so LucidTracker's motion stream does).

    Attributes:
        network: The copy, in training mode. Low-rank updates are modules of it until :meth:`fold`.

    Raises:
        ConfigError: If the adapter is unknown, or the network has or names no such part.
    """

    def __init__(self, network: nn.Module, adapter: str) -> None:
        self.network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        trained = trained_modules(self.network, adapter)
        kept = {id(p) for module in trained for p in module.parameters(recurse=False)}
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._frozen = [p for p in parameters if id(p) not in kept]
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        untrained = {name: m for name, m in self.network.named_modules() if m not in trained}
        resting = nn.Module if _number(adapter, "stream") else _NORMALISATIONS
        self._resting = [module for module in untrained.values() if isinstance(module, resting)]
        self._updated: dict[str, LowRankConv] = {}
        if rank := _number(adapter, "lora"):
            self._updated = {
                name: LowRankConv(module, rank)
                for name, module in untrained.items()
                if isinstance(module, nn.Conv2d) and module.groups == 1
            }
        for name, update in self._updated.items():
            self.network.set_submodule(name, update)
        self.train()

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def train(self) -> None:
        """Bring to training mode all but normalisation layers and streams that are not trained."""
        self.network.train()
        for module in self._resting:
            module.eval()

    def fold(self) -> nn.Module:
        """Return the network as a plain one, in evaluation mode, low-rank updates added in."""
        for name, update in self._updated.items():
            self.network.set_submodule(name, update.folded())
        self._updated = {}
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        return self.network.eval()


class LowRankConv(nn.Module):
    """A convolution of weight W + (alpha / rank) B A, of which A and B are trained.

    Hu et al.: "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv:2106.09685), section
    4.1. Weights of (out, in, k, k) are taken as matrices of (out, in k k), so A is (rank, in k k)
    and B (out, rank). B is zero at first: the answer is that of the convolution alone. A is drawn
    as a linear layer's weights are, where the paper says Gaussian.

    A module around the convolution, not a parametrization of its weight: torch gives each
    parametrized module a class of its own, for which ``torch.compile`` compiles every copy anew.

    Args:
        conv: Ungrouped; kept and only changed by :meth:`folded`.
        rank: Of the update.
    """

    def __init__(self, conv: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.conv = conv
        weight = conv.weight.detach()
        self.down = nn.Parameter(weight.new_empty(rank, weight[0].numel()))  # A
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))  # B
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self._scale = _ALPHA / rank

    @property
    def weight(self) -> Tensor:
        """The updated weight, (out, in, k, k)."""
        update = self._scale * (self.up @ self.down)
        return self.conv.weight + update.view(self.conv.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out, h, w) of (B, in, H, W)."""
        # by way of the convolution, whose forward may be a subclass's, such as timm's with padding
        answer: Tensor = functional_call(self.conv, {"weight": self.weight}, (x,))
        return answer

    def folded(self) -> nn.Conv2d:
        """Return the convolution, the update added to its weight."""
        with torch.no_grad():
            self.conv.weight.copy_(self.weight)
        return self.conv


def _number(adapter: str, kind: str) -> int:
    """Return the number of an adapter such as "lora:4", 0 if it is of another kind."""
    match = re.fullmatch(kind + r":(\d+)", adapter)
    return int(match[1]) if match else 0


def _other_streams(network: nn.Module, stream: int) -> list[nn.Module]:
    """Return the modules of all streams but one, counted from 1."""
    streams = list(network.networks) if isinstance(network, Streams) else []
    if stream > len(streams):
        raise ConfigError(
            f"adapter 'stream:{stream}' trains one of several networks, but there "
            f"{f'are {len(streams)}' if streams else 'is one'}; choose another adapter, or name "
            "more inputs."
        )
    return [module for k, each in enumerate(streams, 1) if k != stream for module in each.modules()]


def _modules_of(network: nn.Module, part: str, adapter: str) -> set[nn.Module]:
    if isinstance(network, Streams):
        return {m for each in network.networks for m in _modules_of(each, part, adapter)}
    named: nn.Module | list[nn.Module] | None = getattr(network, part, None)
    if named is None:
        raise ConfigError(
            f"{type(network).__name__} does not name its {part}, which adapter {adapter!r} needs; "
            "add it to the network as an attribute, or choose adapter 'all'."
        )
    layers = [named] if isinstance(named, nn.Module) else named
    return {module for layer in layers for module in layer.modules()}
