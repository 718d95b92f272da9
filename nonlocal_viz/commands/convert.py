"""``nonlocal-viz convert``: a published checkpoint of somebody else's code as a file of ours."""

import argparse
from pathlib import Path
from typing import Any

from nonlocal_viz.commands.arguments import add_force, add_quiet, check_out, say_notes

ORDER = 7
HELP = "a published checkpoint as a file of ours: the network, or its blocks alone"
EXAMPLES = """\
nonlocal-viz convert net.pth
nonlocal-viz convert I3D_NLN_8x8_R50.pkl --out blocks.safetensors
nonlocal-viz convert mine.pth --instantiation dot_product --no-use-scale --out mine.safetensors
"""
_OPTIONS = ("instantiation", "use_scale", "sub_sample", "pool_first")


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz convert``."""
    parser.add_argument(
        "file",
        type=Path,
        help="of mmcv, mmaction2, mmsegmentation, SlowFast, video-nonlocal-net, AlexHex7 and their like",
    )
    parser.add_argument("--out", type=Path, help="a .safetensors file (the name, so ended, here)")
    parser.add_argument("--instantiation", help="the form of its blocks, where no weight tells it")
    for option, said in (
        ("--use-scale", "scores are divided by the root of the channels"),
        ("--sub-sample", "keys are pooled"),
        ("--pool-first", "keys are pooled before their convolutions"),
    ):
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=said)
    add_force(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the network where it can be one of ours, else its blocks, and say what was assumed.

    Raises:
        CheckpointError: it cannot be read, or holds nothing that is known here.
        WritingError: the file cannot be written, or is there already.
    """
    from nonlocal_viz.errors import CheckpointError, WritingError
    from nonlocal_viz.zoo import load_blocks, save_blocks, save_model
    from nonlocal_viz.zoo.loading import load_model
    from nonlocal_viz.zoo.saving import SUFFIX

    out = arguments.out or Path(f"{arguments.file.stem}{SUFFIX}")
    if out.suffix != SUFFIX:
        raise WritingError(f"It is written as a {SUFFIX} file; call it {out.stem}{SUFFIX}.")
    check_out(out, arguments.force)
    given = {name: getattr(arguments, name) for name in _OPTIONS}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        model = load_model(arguments.file, "cpu", **options)
    except CheckpointError as whole:
        blocks = _blocks_or(whole, lambda: load_blocks(arguments.file, **options))
        say_notes([str(whole)], arguments.quiet)
        save_blocks(blocks, out)
        say_notes(blocks.notes, arguments.quiet)
        print(f"{out}: {len(blocks)} blocks of {blocks.family}; nv.zoo.load_blocks opens them")
        return 0
    save_model(model, out)
    say_notes(model.about.assumptions, arguments.quiet)
    print(f"{out}: a ResNet with blocks {', '.join(model.block_names)}; --model {out} opens it")
    return 0


def _blocks_or(whole: Exception, load: Any) -> Any:
    """The blocks; where there are none either, what was said of the whole."""
    from nonlocal_viz.errors import CheckpointError

    try:
        return load()
    except CheckpointError:
        raise whole from None
