"""What is wrong with weights that do not fit a network."""

from collections.abc import Mapping

from torch import Tensor

_NAMED = 3  # tensors named in a message


def misfit(ours: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """Say how weights differ from those that a network needs.

    Args:
        ours: Name -> tensor of the network.
        given: Name -> tensor to be loaded.

    Returns:
        Such as "3 tensors differ: a.weight is (8, 4), not (8, 3); b.bias is missing; ...", or None
        where they fit.
    """
    wrong = [
        f"{name} is missing"
        if name not in given
        else f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in ours.items()
        if name not in given or given[name].shape != tensor.shape
    ]
    wrong += [f"{name} is unknown" for name in given if name not in ours]
    if not wrong:
        return None
    shown = "; ".join(wrong[:_NAMED]) + "; ..." * (len(wrong) > _NAMED)
    return f"{len(wrong)} tensors differ: {shown}"
