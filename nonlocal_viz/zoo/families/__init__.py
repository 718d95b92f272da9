"""Published checkpoints of non-local networks, one module a family.

A family has a ``NAME``, ``blocks(state, file_name)``, which gives every block of its kind in a state dict
as one of ours (:class:`~.parts.Found`), and ``torchvision_name(key)``, what torchvision calls a weight of
the network around them, None where it has no name for it. A family is recognised by its keys, wherever in
the file they lie; a part that is no 1x1 convolution is a CheckpointError, and the next family is asked.
"""

from types import ModuleType

from nonlocal_viz.zoo.families import alexhex7, caffe2, gans, mmcv, resnet3d, slowfast, timm

#: The most particular names first.
FAMILIES: tuple[ModuleType, ...] = (slowfast, caffe2, resnet3d, mmcv, gans, timm, alexhex7)
