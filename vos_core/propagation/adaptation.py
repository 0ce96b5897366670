"""Online adaptation: fit a copy of the network to one sequence before propagating."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vos_core.adapters import TrainedCopy, require_adapter
from vos_core.errors import ConfigError
from vos_core.optimisation import Solver
from vos_core.precision import Precision, autocast, loss_scaler, require_precision
from vos_core.training_pass import Recorded, training_pass
from vos_core.types import RefinementSample

Loss = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[nn.Module], float]


@dataclass(frozen=True)
class AdaptationSettings:
    """How a network is fitted to one sequence.

    Attributes:
        iterations: Optimisation steps; 0 leaves the network as it is.
        solver: The optimiser and its schedule.
        batch_size: Samples a step.
        workers: Processes that draw them; with 0 they are drawn between the steps. None is for
            whoever draws them to choose.
        precision: Arithmetic of the network.
        seconds: Stop by the clock, too; the schedule then follows whichever of steps and clock is
            farther. The same run on another machine so gives other weights.
        patience: Stop when the score on held-out samples has not risen for this many checks; 0
            checks nothing.
        check_every: Steps from one check to the next.
        compile: Compile the network for training, see :func:`vos_core.training_pass.compiled`.
        adapter: What is trained, see :class:`vos_core.adapters.TrainedCopy`.
    """

    iterations: int
    solver: Solver
    batch_size: int = 4
    workers: int | None = None
    precision: Precision = "auto"
    seconds: float | None = None
    patience: int = 0
    check_every: int = 25
    compile: bool = False
    adapter: str = "all"

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ConfigError: If one is negative, there is no sample a step, or no such adapter or
                precision.
        """
        require_adapter(self.adapter)
        require_precision(self.precision)
        for name, least in (("iterations", 0), ("patience", 0), ("workers", 0), ("batch_size", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} of the adaptation is {value}; give {least} or more.")


def adapt(
    network: nn.Module,
    batches: Iterator[RefinementSample],
    loss: Loss,
    settings: AdaptationSettings,
    on_step: Callable[[int, Tensor], None] | None = None,
    score: Score | None = None,
) -> nn.Module:
    """Return a copy of ``network`` fitted to ``batches``; the network itself stays as it is.

    Safe to call where gradients are off (Lightning's test and predict loops): gradients and
    fresh, trainable weights are made here.

    Args:
        network: ``network(image, previous_mask) -> (B, S, H, W) logits`` of S slots; K networks
            that are averaged answer (K B, S, H, W).
        batches: Endless training batches on the network's device.
        loss: Of these logits and (B, H, W) targets.
        settings: Length, solver, arithmetic, what is trained.
        on_step: Told the step and its loss, for progress bars and logs. To read the loss is to wait
            for a GPU.
        score: How good a network is on held-out samples, for ``settings.patience``. The weights
            of the best check are returned.
    """
    with torch.inference_mode(False), torch.enable_grad():
        trained = TrainedCopy(network, settings.adapter)
        if settings.iterations == 0:
            return trained.fold()
        adapted = trained.network
        optimizer, schedule = settings.solver.build(adapted, settings.iterations)
        clock = _Clock(settings.seconds)
        best = _Best(score, settings) if score and settings.patience else None
        scaler = loss_scaler(next(adapted.parameters()).device, settings.precision)
        forward = training_pass(adapted, compile=settings.compile)
        for step in range(settings.iterations):
            batch = next(batches)
            image = batch["image"].to(memory_format=torch.channels_last)
            with autocast(image.device, settings.precision):
                logits = forward(image, batch["previous_mask"])
            value = loss(logits.float(), batch["target"])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(scaler.scale(value))
            scaler.step(optimizer)
            scaler.update()
            if settings.seconds is not None or step + 1 == settings.iterations:
                value.item()  # waits for a GPU, of whose work the clock knows nothing
            if on_step:
                on_step(step, value.detach())
            done = max(step + 1, int(clock.share * settings.iterations))
            while schedule.last_epoch < min(done, settings.iterations):
                schedule.step()
            if done >= settings.iterations or (best and best.is_past(step, trained)):
                break
        if best:
            best.restore(trained)
        optimizer.zero_grad(set_to_none=True)  # gradients may be in the memory of a recording
        if isinstance(forward, Recorded):
            forward.release()
        return trained.fold()


class _Clock:
    """How much of a time budget is used up; none without a budget."""

    def __init__(self, seconds: float | None) -> None:
        self._began = time.monotonic()
        self._seconds = seconds

    @property
    def share(self) -> float:
        if self._seconds is None:
            return 0.0
        return (time.monotonic() - self._began) / max(self._seconds, 1e-9)


class _Best:
    """Remembers the best weights, and for how long there were none better."""

    def __init__(self, score: Score, settings: AdaptationSettings) -> None:
        self._score = score
        self._settings = settings
        self._best = -1.0
        self._weights: dict[str, Tensor] = {}
        self._checks_since = 0

    def is_past(self, step: int, trained: TrainedCopy) -> bool:
        """Check the network if it is time to, and say whether to give up."""
        if (step + 1) % self._settings.check_every:
            return False
        score = self._measure(trained)
        self._checks_since += 1
        if score > self._best:
            self._best, self._checks_since = score, 0
            self._weights = copy.deepcopy(trained.network.state_dict())
        return self._checks_since >= self._settings.patience

    def restore(self, trained: TrainedCopy) -> None:
        """Give the network its best weights, which may be those it has."""
        if self._weights and self._measure(trained) < self._best:
            trained.network.load_state_dict(self._weights)

    def _measure(self, trained: TrainedCopy) -> float:
        trained.network.eval()
        with torch.no_grad():
            score = self._score(trained.network)
        trained.train()
        return score
