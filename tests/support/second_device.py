"""A device that this machine does not have: its tensors lie on the CPU, but whoever mixes them with the CPU's fails.

    from tests.support import second_device
    with second_device.there():
        model.to("second_device")

For tests of code that moves between devices, where there is no GPU. It is set up for the whole process.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("second_device")
DEVICE = torch.device("second_device", 0)
BETWEEN_DEVICES = ("_to_copy", "copy_")


class Far(torch.Tensor):
    """A tensor of that device; `held` is the tensor of the CPU that does its work."""

    @staticmethod
    def __new__(cls, held):
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, device=DEVICE, **layout)
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return dispatch(function, args, kwargs or {})


class there(TorchDispatchMode):
    """Within it, tensors can be made on and moved to the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return dispatch(function, args, kwargs or {})


def dispatch(function, args, kwargs):
    """Do on the CPU what is asked for, and say where the result lies. Raises RuntimeError where devices are mixed."""
    tensors = [part for part in tree_flatten((args, kwargs))[0] if isinstance(part, torch.Tensor)]
    far = any(isinstance(tensor, Far) for tensor in tensors)
    name = function.overloadpacket.__name__
    near = any(not isinstance(tensor, Far) and tensor.ndim for tensor in tensors)  # a number may be of the CPU
    if far and near and name not in BETWEEN_DEVICES:
        raise RuntimeError(f"{name} was given tensors of two devices")
    if kwargs.get("device") is not None:
        far = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map(lambda part: part.held if isinstance(part, Far) else part, (args, kwargs))
    result = function(*args, **kwargs)
    if name.endswith("_") and not name.startswith("_"):
        return tensors[0]  # changed in place
    return tree_map(lambda part: Far(part) if far and isinstance(part, torch.Tensor) else part, result)
