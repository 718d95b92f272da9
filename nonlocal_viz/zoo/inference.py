"""The architecture of a network whose file holds weights and nothing else.

Invariant: what is taken from the file is proved by its keys and shapes; whatever else a network has to
know is what the caller said, or else a guess that stands as a sentence in ``assumptions``, with the
argument that would settle it.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from nonlocal_viz.core.layouts import DEPTHS
from nonlocal_viz.core.residual import Bottleneck
from nonlocal_viz.core.resnet import BLOCKS_PREFIX, block_name
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.foreign import foreign_blocks, sentence_on, some

_STAGES = tuple(f"layer{s}" for s in range(1, 5))
_TORCHVISION = re.compile(r"(?:conv1|bn1|fc|layer[1-4]\.\d+\.(?:conv\d|bn\d|downsample\.\d))\.")
_BLOCK = re.compile(re.escape(BLOCKS_PREFIX) + r"((?:" + "|".join(_STAGES) + r")_\d{1,3})\.(.+)")


def read_architecture(state: Mapping[str, Tensor], name: str) -> dict[str, Any]:
    """Keyword arguments of NonLocalResNet, as far as the keys and shapes of its state dict prove them.

    A dot product has the keys of an embedded Gaussian, which is the name that both get here.

    Args:
        state: of a NonLocalResNet.
        name: of the file, for sentences.

    Raises:
        CheckpointError: it is not the state dict of such a network, or has no non-local block under our
            names; the message names what looks like a block under others.
    """
    depth = _depth(state)
    blocks = _blocks(state)
    strangers = foreign_blocks(state)
    if depth is None:
        raise CheckpointError(_no_resnet(state, name, strangers))
    classifier = state.get("fc.weight")
    if classifier is None or classifier.ndim != 2:
        raise CheckpointError(
            f"{name} is a ResNet-{depth} without a classifier (no matrix 'fc.weight'), which is not read "
            "here; add one, of zeros if need be."
        )
    if not blocks:
        raise CheckpointError(_no_block(state, name, depth, strangers))
    options = {key: _block_options(key, parts, name) for key, parts in blocks.items()}
    first, *others = options
    for other in others:
        if options[other] != options[first]:
            raise CheckpointError(
                f"The blocks {first!r} and {other!r} of {name} are of different kinds (their weights have "
                "other names or widths), and a network here has one kind."
            )
    return {
        "depth": depth,
        "blocks": sorted(blocks, key=lambda block: [int(n) for n in re.findall(r"\d+", block)]),
        "num_classes": int(classifier.shape[0]),
        "block": options[first],
    }


def assumptions(architecture: Mapping[str, Any], given: Collection[str]) -> tuple[str, ...]:
    """A sentence for each thing that such a network does and that neither its weights nor its owner told.

    Args:
        architecture: with what was given already in it.
        given: names of the arguments that the owner gave.
    """
    guesses = _guesses(architecture)
    return tuple(sentence for name, sentence in guesses.items() if name not in given)


def _depth(state: Mapping[str, Tensor]) -> int | None:
    counts = dict.fromkeys(_STAGES, 0)
    for key in state:
        if match := re.match(r"(layer[1-4])\.(\d{1,3})\.", key):
            counts[match[1]] = max(counts[match[1]], int(match[2]) + 1)
    wide = "layer1.0.conv3.weight" in state
    for depth, (residual, stages) in DEPTHS.items():
        if tuple(counts.values()) == stages and wide == (residual is Bottleneck):
            return depth
    return None


def _blocks(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """{block's name: {key within the block: weight}}."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        if match := _BLOCK.fullmatch(key):
            found.setdefault(block_name(match[1]), {})[match[2]] = value
    return found


def _block_options(block: str, parts: Mapping[str, Tensor], name: str) -> dict[str, Any]:
    value = parts.get("g.0.weight", parts.get("g.weight"))
    if value is None or value.ndim != 4 or tuple(value.shape[2:]) != (1, 1):
        raise CheckpointError(
            f"The block {block!r} of {name} has no g of 1x1 convolutions in two dimensions."
        )
    instantiation = "embedded_gaussian"
    if "concat_project.0.weight" in parts:
        instantiation = "concatenation"
    elif not any(part.startswith("theta.") for part in parts):
        instantiation = "gaussian"
    inner, channels = value.shape[:2]
    return {
        "instantiation": instantiation,
        "inter_channels": None if inner == max(1, channels // 2) else int(inner),
        "sub_sample": "g.0.weight" in parts,
        "bn_layer": "W.1.weight" in parts,
    }


def _guesses(architecture: Mapping[str, Any]) -> dict[str, str]:
    block = architecture["block"]
    guesses = {}
    if block["instantiation"] == "embedded_gaussian":
        guesses["instantiation"] = (
            "That the rows are a softmax (embedded Gaussian) is assumed: a dot product has the same "
            "weights. instantiation='dot_product' says that it is one."
        )
    # A scale is of a softmax alone.
    if block["instantiation"] in ("embedded_gaussian", "gaussian"):
        guesses["use_scale"] = (
            "That scores are not divided by the root of their number of channels is assumed: no weight "
            "tells. use_scale=True says that they are."
        )
    if block["sub_sample"]:
        guesses["pool_first"] = (
            "That keys are pooled after their convolution is assumed: the weights are the same either way. "
            "pool_first=True says that they are pooled before."
        )
    guesses["padding_mode"] = (
        "That convolutions are padded with zeros is assumed: no weight tells. "
        "padding_mode='replicate', 'reflect' or 'circular' says otherwise."
    )
    guesses["dilations"] = (
        "That no residual block is dilated is assumed: no weight tells. "
        "dilations={'layer2.1': [4, 3]}, for example, says which are."
    )
    # torchvision has no other for its shallow networks.
    if DEPTHS[architecture["depth"]][0] is Bottleneck:
        guesses["output_stride"] = (
            "The output stride 32 is assumed: no weight tells. output_stride=16 or 8 says that the last "
            "stages are dilated instead of strided."
        )
    guesses["normalisation"] = (
        "The mean and standard deviation of ImageNet are assumed for the colours: no weight tells. "
        "normalisation=(mean, std) gives others."
    )
    return guesses


def _no_resnet(state: Mapping[str, Tensor], name: str, strangers: Mapping[str, list[str]]) -> str:
    kind = "a ResNet-" + ", ".join(map(str, list(DEPTHS)[:-1])) + f" or {list(DEPTHS)[-1]}"
    if strangers:
        return (
            f"{name} {sentence_on(strangers)}. It is no state dict of {kind} as torchvision names them, "
            "which is what can be read here."
        )
    ours = list(_blocks(state))
    if ours:
        return (
            f"{name} holds the non-local blocks {', '.join(ours)}, and not the whole of {kind} around "
            "them; save the state dict of the whole model."
        )
    return f"{name} is no state dict of {kind} (its {len(state)} weights are {some(list(state))})."


def _no_block(
    state: Mapping[str, Tensor], name: str, depth: int, strangers: Mapping[str, list[str]]
) -> str:
    if strangers:
        return (
            f"{name} is a ResNet-{depth} that {sentence_on(strangers)}; here a block behind layer2.1 has "
            f"keys that begin with '{BLOCKS_PREFIX}layer2_1.'. Rename them, and mind what theirs computes: "
            "scale, pooling and normalisation differ between projects."
        )
    unknown = [key for key in state if not _TORCHVISION.match(key)]
    if unknown:
        return (
            f"{name} is a ResNet-{depth} with {len(unknown)} weights that are not known here "
            f"({some(unknown)}); if they are a block's, they are not named as one is here: its keys begin "
            f"with '{BLOCKS_PREFIX}layer2_1.' behind layer2.1."
        )
    return (
        f"{name} is a ResNet-{depth} without a non-local block (no key begins with '{BLOCKS_PREFIX}', and "
        "none looks like a block under another name), so there would be nothing to look at."
    )
