"""Checkpoints of non-local networks that others have published: where they lie, and under whose terms.

None of them comes with this package, and none is fetched unasked. Numbers and addresses are those of the
source that an entry names; sha256 is what its publisher says, most often the first eight digits, which
OpenMMLab writes into a file's name. No torch here, so that a list is printed at once.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

from nonlocal_viz.errors import CheckpointError

_FBV = (
    "https://dl.fbaipublicfiles.com/video-nonlocal/",
    "https://s3.amazonaws.com/video-nonlocal/",
)
_PSF = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/"
_OMA = "https://download.openmmlab.com/mmaction/v1.0/recognition/i3d/"
_OMS = "https://download.openmmlab.com/mmsegmentation/v0.5/nonlocal_net/"
_TSM = "TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e100_dense_nl.pth"


class Published(NamedTuple):
    """A file that somebody else has published.

    Attributes:
        name: what it is called here.
        metric: what it reaches, as its source says.
        licence: of the weights; ``unknown`` where the source does not say.
        source: the repository whose page lists it.
        addresses: where it lies, tried in this order.
        sha256: the sum of the file or its first digits; empty where nobody has published one.
        instantiation: the form of its blocks where no weight tells it.
    """

    name: str
    metric: str
    licence: str
    source: str
    addresses: tuple[str, ...]
    sha256: str = ""
    instantiation: str | None = None

    @property
    def file(self) -> str:
        """The last part of its address."""
        return self.addresses[0].rsplit("/", 1)[-1]

    def entry(self) -> dict[str, object]:
        """All that is known, for JSON."""
        return {key: value for key, value in self._asdict().items() if key != "name" and value}


def _wang(name: str, file: str, top1: str) -> Published:
    return Published(
        name,
        f"Kinetics-400 top-1 {top1}",
        "CC-BY-NC-4.0",
        "facebookresearch/video-nonlocal-net",
        tuple(base + file for base in _FBV),
    )


def _mmaction(form: str, top1: str, digits: str) -> Published:
    long = f"i3d_imagenet-pretrained-r50-nl-{form}_8xb8-32x2x1-100e_kinetics400-rgb"
    return Published(
        f"mmaction-i3d-{form}",
        f"Kinetics-400 top-1 {top1}",
        "Apache-2.0",
        "open-mmlab/mmaction2",
        (f"{_OMA}{long}/{long}_20220812-{digits}.pth",),
        digits,
        form.replace("-", "_"),
    )


def _mmseg(name: str, folder: str, file: str, metric: str) -> Published:
    return Published(
        f"mmseg-{name}",
        metric,
        "Apache-2.0",
        "open-mmlab/mmsegmentation",
        (f"{_OMS}{folder}/{folder}_{file}.pth",),
        file.rsplit("-", 1)[-1],
        "embedded_gaussian",
    )


#: Those of the paper's authors first.
PUBLISHED: tuple[Published, ...] = (
    _wang("wang-c2d-8x8", "c2d_nonlocal_8x8_IN_pretrain_400k.pkl", "74.4"),
    _wang("wang-c2d-32x2", "c2d_nonlocal_32x2_IN_pretrain_400k.pkl", "73.9"),
    _wang("wang-i3d-8x8", "i3d_nonlocal_8x8_IN_pretrain_400k.pkl", "74.7"),
    _wang("wang-i3d-32x2", "i3d_nonlocal_32x2_IN_pretrain_400k.pkl", "74.9"),
    Published(
        "slowfast-i3d-8x8",
        "Kinetics-400 top-1 74.0",
        "Apache-2.0",
        "facebookresearch/SlowFast",
        (f"{_PSF}kinetics400/I3D_NLN_8x8_R50.pkl",),
        instantiation="embedded_gaussian",
    ),
    Published(
        "slowfast-ava-r101",
        "AVA 2.2 mAP 29.1",
        "Apache-2.0",
        "facebookresearch/SlowFast",
        (f"{_PSF}ava/SLOWFAST_32x2_R101_50_50.pkl",),
        instantiation="dot_product",
    ),
    _mmaction("embedded-gaussian", "74.73", "afd8f562"),
    _mmaction("dot-product", "74.80", "8e1f2148"),
    _mmaction("gaussian", "73.97", "0c5cbf5a"),
    _mmseg(
        "cityscapes-r50",
        "nonlocal_r50-d8_512x1024_40k_cityscapes",
        "20200605_210748-c75e81e3",
        "Cityscapes mIoU 78.24",
    ),
    _mmseg(
        "cityscapes-r101",
        "nonlocal_r101-d8_512x1024_40k_cityscapes",
        "20200605_210748-d63729fa",
        "Cityscapes mIoU 78.66",
    ),
    _mmseg(
        "ade20k-r50",
        "nonlocal_r50-d8_512x512_80k_ade20k",
        "20200615_015801-5ae0aa33",
        "ADE20K mIoU 40.75",
    ),
    _mmseg(
        "ade20k-r101",
        "nonlocal_r101-d8_512x512_80k_ade20k",
        "20200615_015758-24105919",
        "ADE20K mIoU 42.90",
    ),
    _mmseg(
        "voc-r50",
        "nonlocal_r50-d8_512x512_20k_voc12aug",
        "20200617_222613-07f2a57c",
        "Pascal VOC 2012 mIoU 76.20",
    ),
    Published(
        "tsm-nl",
        "Kinetics-400 top-1 75.6",
        "MIT",
        "mit-han-lab/temporal-shift-module",
        (
            f"https://file.lzhu.me/projects/tsm/models/{_TSM}",
            f"https://hanlab18.mit.edu/projects/tsm/models/{_TSM}",
        ),
        instantiation="embedded_gaussian",
    ),
    Published(
        "alexhex7-mnist",
        "MNIST; no number published",
        "unknown",
        "AlexHex7/Non-local_pytorch",
        ("https://github.com/AlexHex7/Non-local_pytorch/raw/master/weights/net.pth",),
    ),
)


def find_published(name: str) -> Published:
    """The entry of a name.

    Raises:
        CheckpointError: there is none; the message names those that there are.
    """
    for entry in PUBLISHED:
        if entry.name == name:
            return entry
    raise CheckpointError(
        f"No published checkpoint is called {name[:80]!r} here; there are "
        f"{', '.join(entry.name for entry in PUBLISHED)}."
    )


def list_published(pattern: str = "*") -> tuple[Published, ...]:
    """Those whose names fit a pattern, as of files."""
    return tuple(entry for entry in PUBLISHED if fnmatchcase(entry.name, pattern))
