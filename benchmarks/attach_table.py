"""``python -m benchmarks.attach_table``: what ``nv.attach`` shows of small networks of every file of timm.

Each network has random weights and is called once with a random picture. What it says stands in
docs/attach-table.md, which this command writes.
"""

import argparse
import json
import multiprocessing
import queue
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from timm.models import _registry
from torch import nn

import nonlocal_viz as nv
from nonlocal_viz.errors import ProbeError

PAGE = Path(__file__).parent.parent / "docs" / "attach-table.md"
#: {file: networks of it, small and of each kind of attention that it has}; of others the first is taken.
NETWORKS: dict[str, tuple[str, ...]] = {
    "beit": ("beit_base_patch16_224 depth=2",),
    "byoanet": ("botnet26t_256", "eca_halonext26ts", "lambda_resnet26t"),
    "byobnet": ("bat_resnext26ts", "gcresnext26ts", "resnet50_clip"),
    "cait": ("cait_xxs24_224 depth=4",),
    "coat": ("coat_lite_tiny",),
    "convit": ("convit_tiny",),
    "convnext": ("convnext_atto",),
    "cpubone": ("cpubone_nano",),
    "crossvit": ("crossvit_tiny_240",),
    "cspnext": ("cspnext_tiny",),
    "edgenext": ("edgenext_xx_small",),
    "efficientformer_v2": ("efficientformerv2_s0",),
    "fasternet": ("fasternet_t0",),
    "iformer": ("iformer_t",),
    "rdnet": ("rdnet_tiny",),
    "sequencer": ("sequencer2d_s",),
    "tnt": ("tnt_s_legacy_patch16_224",),
    "cspnet": ("cs3darknet_s",),
    "davit": ("davit_tiny depths=1,1,1,1",),
    "deepseek_vit": ("deepseek_vit_412m depth=2",),
    "deit": ("deit_tiny_distilled_patch16_224 depth=3",),
    "densenet": ("densenet121",),
    "dla": ("dla46x_c",),
    "dpn": ("dpn48b",),
    "eva": ("eva02_tiny_patch14_224 depth=3", "vit_tiny_patch16_dinov3_qkvb depth=3"),
    "efficientnet": ("efficientnet_b0",),
    "efficientvim": ("efficientvim_m1",),
    "fastvit": ("fastvit_sa12",),
    "focalnet": ("focalnet_tiny_srf",),
    "gemma4_vit": ("gemma4_vit_167m depth=2",),
    "ghostnet": ("ghostnetv2_100",),
    "gcvit": ("gcvit_xxtiny",),
    "hardcorenas": ("hardcorenas_a",),
    "hgnet": ("hgnetv2_b0",),
    "hieradet_sam2": ("sam2_hiera_tiny",),
    "hiera": ("hiera_tiny_224",),
    "hrnet": ("hrnet_w18_small",),
    "inception_next": ("inception_next_atto",),
    "lcnetv2": ("lcnetv2_small",),
    "levit": ("levit_128s", "levit_conv_128s"),
    "lowformer": ("lowformer_b0",),
    "mambaout": ("test_mambaout",),
    "maxxvit": ("test_maxvit", "test_coatnet", "maxvit_rmlp_pico_rw_256"),
    "metaformer": ("caformer_s18",),
    "mlp_mixer": ("gmlp_ti16_224", "mixer_s16_224"),
    "mobilenetv3": ("mobilenetv3_small_050", "mobilenetv4_hybrid_medium_075"),
    "mobilenetv5": ("mobilenetv5_base",),
    "mobilevit": ("mobilevit_xxs", "mobilevitv2_050"),
    "mvitv2": ("mvitv2_tiny",),
    "naflexvit": ("naflexvit_base_patch16_map depth=2", "naflexvit_base_patch16_siglip depth=2"),
    "nest": ("nest_tiny",),
    "nextvit": ("nextvit_small",),
    "nfnet": ("eca_nfnet_l0",),
    "pit": ("pit_ti_distilled_224",),
    "pvt_v2": ("pvt_v2_b0", "pvt_v2_b2_li"),
    "qwen3_vit": ("qwen3_vit_88m depth=2",),
    "regnet": ("regnety_002",),
    "repvit": ("repvit_m1",),
    "res2net": ("res2net50d",),
    "resnest": ("resnest14d",),
    "resnet": ("ecaresnet26t",),
    "resnetv2": ("resnetv2_50",),
    "rexnet": ("rexnet_100",),
    "senet": ("legacy_seresnet18",),
    "shvit": ("shvit_s1",),
    "swiftformer": ("swiftformer_xs",),
    "swin_transformer": ("swin_tiny_patch4_window7_224 depths=2,2,2,2",),
    "swin_transformer_v2": ("swinv2_tiny_window8_256 depths=2,2,2,2",),
    "swin_transformer_v2_cr": ("swinv2_cr_tiny_ns_224 depths=2,2,2,2",),
    "tiny_vit": ("tiny_vit_5m_224",),
    "twins": ("twins_pcpvt_small", "twins_svt_small"),
    "vgg": ("vgg11",),
    "visformer": ("visformer_tiny",),
    "vision_transformer": ("test_vit", "test_vit2", "vit_base_patch16_siglip_224 depth=2"),
    "vision_transformer_hybrid": ("vit_tiny_r_s16_p8_224 depth=3",),
    "vision_transformer_relpos": ("test_vit_relpos", "vit_srelpos_small_patch16_224 depth=2"),
    "vision_transformer_sam": ("samvit_base_patch16_224 depth=4",),
    "vitamin": ("vitamin_small_224",),
    "volo": ("volo_d1_224",),
    "vovnet": ("vovnet39a",),
    "xcit": ("xcit_nano_12_p16_224",),
}
#: Seconds of a network before it is given up.
LIMIT = 150


class Seen(NamedTuple):
    """What came of one network. ``shown``: (heads, grid of queries, of keys, error of the proof)."""

    file: str
    name: str
    shown: list[tuple[int, str, str, float]]
    refused: list[str]
    seconds: tuple[float, float]
    failed: str = ""


def networks(file: str) -> tuple[str, ...]:
    """Names of networks of a file, each followed by what makes it smaller."""
    return NETWORKS.get(file) or (sorted(_registry._module_to_models[file])[0],)


def built(asked: str) -> nn.Module:
    """A network by its name and ``option=number`` or ``option=number,number``."""
    name, *options = asked.split()
    given = {}
    for option in options:
        what, _, value = option.partition("=")
        numbers = tuple(map(int, value.split(",")))
        given[what] = numbers if "," in value else numbers[0]
    return timm.create_model(name, **given).eval()


def seen_of(file: str, name: str) -> Seen:
    """One network, built, called and read."""
    torch.manual_seed(0)
    net = built(name)
    side = getattr(getattr(net, "patch_embed", None), "img_size", None)
    shape = net.pretrained_cfg.get("input_size", (3, 224, 224))
    x = torch.randn(1, 3, *(side if isinstance(side, tuple) else shape[1:]))
    with torch.inference_mode():
        net(x)
        begun = time.perf_counter()
        net(x)
        alone = time.perf_counter() - begun
        begun = time.perf_counter()
        probe = nv.attach(net)
        try:
            with probe:
                net(x)
            _ = probe.maps
        except ProbeError:
            pass
        whole = time.perf_counter() - begun
    shown = [
        (a.heads, _grid(a.query_grid), _grid(a.key_grid), max(a.proof.values(), default=0.0))
        for a in probe.maps.values()
    ]
    return Seen(file, name, shown, list(probe.refused.values()), (alone, whole))


def _grid(grid: tuple[int, int, int]) -> str:
    return " x ".join(map(str, grid[1:] if grid[0] == 1 else grid))


def _work(wanted: list[tuple[str, str]], told: Any) -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for file, name in wanted:
        try:
            told.put(seen_of(file, name))
        except Exception as error:
            told.put(Seen(file, name, [], [], (0, 0), f"{type(error).__name__}: {error}"[:200]))


def _line(seen: Seen) -> str:
    if seen.failed:
        return f"| {seen.file} | {seen.name} | could not be called: {seen.failed} | | |"
    kinds = Counter((f"{q} on {k}" if q != k else q, h) for h, q, k, _ in seen.shown)
    shown = ", ".join(
        f"{count} of {heads} head{'s' if heads > 1 else ''}, {grids}"
        for (grids, heads), count in kinds.items()
    )
    if seen.shown:
        shown += f" (within {max(error for *_, error in seen.shown):.0e})"
    refused = "; ".join(f"{n}: {why}" for why, n in Counter(seen.refused).items())
    nothing = "no attention over positions" if not seen.shown and not seen.refused else ""
    alone, whole = seen.seconds
    cells = (seen.file, seen.name, shown or nothing, refused, f"{alone:.2f}, {whole:.1f}")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def page(found: list[Seen]) -> str:
    """The document."""
    some = [seen for seen in found if seen.shown or seen.refused]
    all_shown = [seen for seen in some if not seen.refused]
    maps, refused = sum(len(s.shown) for s in found), sum(len(s.refused) for s in found)
    return "\n".join(
        [
            "# Small networks of every model file of timm",
            "",
            f"Written by `python -m benchmarks.attach_table` with timm {timm.__version__} and torch "
            f"{torch.__version__.split('+')[0]}: random weights, one call with a random picture.",
            f"Of {len(found)} networks of {len({s.file for s in found})} files {len(some)} have products "
            f"that may be attention; of {len(all_shown)} every "
            f"map is shown. {maps} maps are shown, {refused} are refused by name.",
            "",
            "The seconds are those of the call alone and of the call with `nv.attach`, reading and proving "
            "included, on one thread.",
            "",
            "| file | network | shown: maps, heads, cells (error of proofs) | refused | seconds |",
            "|---|---|---|---|---|",
            *map(_line, found),
            "",
        ]
    )


def run(files: list[str], keep: Path | None = None, limit: float = LIMIT) -> list[Seen]:
    """What came of the networks of every file, in their order, in a process of their own: one that takes
    longer than ``limit`` seconds is given up, and the rest goes on without it. What ``keep`` holds of an
    earlier run is not done again."""
    context = multiprocessing.get_context("spawn")
    wanted = [(file, name) for file in files for name in networks(file)]
    lines = keep.read_text(encoding="utf-8").splitlines() if keep and keep.exists() else []
    known = {(seen.file, seen.name): seen for seen in (Seen(*json.loads(line)) for line in lines)}
    left = [one for one in wanted if one not in known]
    while left:
        told = context.Queue()
        process = context.Process(target=_work, args=(left, told))
        process.start()
        while left:
            try:
                seen = told.get(timeout=limit)
            except queue.Empty:
                late = f"no answer within {limit:.0f} seconds"
                seen = Seen(*left[0], [], [], (0, 0), late)
            print(_line(seen), flush=True)
            known[left.pop(0)] = seen
            if keep:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(seen) + "\n")
            if seen.failed.startswith("no answer"):
                break
        process.kill()
        process.join()
    return [known[one] for one in wanted]


def main() -> None:
    """Run all files, or those named, and write the document where all were run."""
    parser = argparse.ArgumentParser(prog="benchmarks.attach_table", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="of timm.models; default all")
    parser.add_argument(
        "--keep", type=Path, help="a file of what was found, so that a run can go on"
    )
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds of a network at most")
    args = parser.parse_args()
    found = run(args.files or sorted(_registry._module_to_models), args.keep, args.limit)
    if not args.files:
        PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
