"""Networks side by side that look at different things, their answers averaged.

LucidTracker (Khoreva et al., DAVIS 2017 challenge) has a network that sees colours, one that sees
how fast pixels move, one that sees both, and with a semantic segmentation as a third input its best
result is the mean of four such networks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError, nearest
from vos_core.networks.registry import build_network, network_options

CUES = ("motion", "semantics")
"""What a network can see beside colours, in the order of the channels after them."""

_IMAGE = "image"
_LEAST = 1e-6  # of a probability


def used_cues(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the cues that some networks look at, in the order of :data:`CUES`.

    Args:
        inputs: For each network what it sees, joined by "+": "image", "motion", "image+motion", ...

    Raises:
        ConfigError: If there is no network, or a name is unknown or said twice.
    """
    if not inputs:
        raise ConfigError("inputs name no network; say what it sees, such as 'image'.")
    for each in inputs:
        names = each.split("+")
        for name in names:
            if name not in (_IMAGE, *CUES):
                known = (_IMAGE, *CUES)
                raise ConfigError(
                    f"a network cannot see {name!r}, but {', '.join(known)}.{nearest(name, known)}"
                )
        if len(set(names)) < len(names):
            raise ConfigError(f"inputs {each!r} say the same twice.")
    return tuple(cue for cue in CUES if any(cue in each.split("+") for each in inputs))


def seen_channels(network: str, cues: Sequence[str]) -> list[int]:
    """Return the channels of a picture with cues that a network sees.

    A network that sees no colours is shown its first cue in their place, three times (MaskTrack,
    CVPR 2017, section 3.3).

    Args:
        network: What it sees, as for :func:`used_cues`.
        cues: The channels after RGB.

    Example:
        >>> seen_channels("image+semantics", ["motion", "semantics"])
        [0, 1, 2, 4]
        >>> seen_channels("motion", ["motion"])
        [3, 3, 3]
    """
    names = network.split("+")
    further = [3 + k for k, cue in enumerate(cues) if cue in names]
    return [0, 1, 2, *further] if _IMAGE in names else further[:1] * 3 + further[1:]


class Streams(nn.Module):
    """Networks that look at the same frames and masks; each learns for itself.

    Args:
        networks: ``network(image, previous_mask) -> (B, S, H, W) logits`` each.
        channels: What each sees of a frame and its cues.
    """

    def __init__(self, networks: Sequence[nn.Module], channels: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._channels = [list(each) for each in channels]

    @property
    def can_be_recorded(self) -> bool:
        """Whether all of them can, see :func:`vos_core.training_pass.training_pass`."""
        return all(getattr(network, "can_be_recorded", False) for network in self.networks)

    @property
    def encoder(self) -> list[nn.Module]:
        """The networks' encoders."""
        return self._parts("encoder")

    @property
    def last_layers(self) -> list[nn.Module]:
        """The layers that give the answers, for learning rates of their own."""
        return self._parts("last_layers")

    def _parts(self, name: str) -> list[nn.Module]:
        parts: list[nn.Module] = []
        for network in self.networks:
            named: nn.Module | list[nn.Module] = getattr(network, name)
            parts += [named] if isinstance(named, nn.Module) else named
        return parts

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Refine masks.

        Args:
            image: (B, 3 + C, H, W) float in [0, 1], RGB and all cues.
            previous_mask: (B, S, H, W) float in [0, 1].

        Returns:
            (B, S, H, W) logits of the mean probabilities; in training, where each network answers
            for itself, (K * B, S, H, W) of one network after the other, those in evaluation mode
            left out.
        """
        answers = [
            network(torch.stack([image[:, k] for k in channels], dim=1), previous_mask)
            for network, channels in zip(self.networks, self._channels, strict=True)
            if network.training or not self.training
        ]
        return torch.cat(answers) if self.training else average_logits(answers)


def build_streams(
    network: str, inputs: Sequence[str], *, pretrained: bool, slots: int, **options: object
) -> nn.Module:
    """Build a network for each of some inputs, or the plain network if there is but one.

    Args:
        network: As for :func:`vos_core.networks.build_network`.
        inputs: What each sees, as for :func:`used_cues`.
        pretrained: Start from ImageNet weights.
        slots: Objects that each answers for at once.
        **options: What else each is built from.

    Raises:
        ConfigError: If a name or an option is unknown, or there is no slot, or the network lacks
            the options "cues" or "slots" where they are needed.
    """
    if slots < 1:
        raise ConfigError(f"slots is {slots}; give 1 or more.")
    cues = used_cues(inputs)
    channels = [seen_channels(each, cues) for each in inputs]
    taken = network_options(network)
    if slots > 1 and "slots" not in taken:
        raise ConfigError(f"network {network!r} answers for one object: it has no option 'slots'.")
    if any(len(each) > 3 for each in channels) and "cues" not in taken:
        raise ConfigError(
            f"network {network!r} sees colours alone: it has no option 'cues' for the inputs "
            f"{', '.join(inputs)}."
        )
    networks = []
    for each in channels:
        # what a network need not know of, it need not have as an option
        asked = {"cues": len(each) - 3} if len(each) > 3 else {}
        asked |= {"slots": slots} if slots > 1 else {}
        asked |= {"pretrained": pretrained} if pretrained or "pretrained" in taken else {}
        networks.append(build_network(network, **asked, **options))
    if channels == [list(range(3 + len(cues)))]:
        return networks[0]
    return Streams(networks, channels)


def average_logits(answers: Sequence[Tensor]) -> Tensor:
    """Return the logits of the mean probabilities of some answers.

    Args:
        answers: (B, S, H, W) logits each, the scores of S objects over that of background.

    Returns:
        (B, S, H, W).
    """
    if len(answers) == 1:
        return answers[0]
    scores = [torch.cat([torch.zeros_like(each[:, :1]), each], dim=1) for each in answers]
    mean = torch.stack([each.float().softmax(dim=1) for each in scores]).mean(dim=0)
    logs = mean.clamp(min=_LEAST).log()
    return logs[:, 1:] - logs[:, :1]
