"""Every bound of the product in one frozen dataclass, each with the reason for its number.

Code takes a ``Limits`` argument where a bound matters and falls back to :data:`LIMITS`, so that a
test or a private installation can tighten or lift one without patching modules.
"""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds on input, memory and traffic. Units are in the names or the comments."""

    # Media: a 40 MiB file holds any photo that a camera writes; 50 million pixels are 150 MB as RGB,
    # which one worker can hold while it shrinks the picture.
    file_bytes: int = 40 * MIB
    image_pixels: int = 50_000_000
    image_side: int = 16_384

    # Clips: a phone's minute of 1080p is about 100 MB. Frames are kept at the clip's own size, 3 bytes a
    # pixel, and encoded together. A clip whose key frames lie so far apart that more than
    # this many frames have to be decoded to reach those asked for would keep a worker busy for minutes.
    video_bytes: int = 256 * MIB
    video_seconds: float = 4 * 3600.0
    clip_frames: int = 64
    clip_bytes: int = 768 * MIB
    # An animated picture: a thousand frames of 1 megapixel, each of which takes a whole canvas.
    animation_pixels: int = 1_000_000_000
    decoded_frames: int = 20_000
    # A file of a stranger, decoded in a process of its own: of the processor, and of memory above what
    # that process has begun with. 50 million pixels of a photo take 2 to 4 s and .7 GB. Two cores do
    # four at once, clips among them, of which no more are let in than clips_at_once.
    decode_seconds: float = 20.0
    decode_bytes: int = 1024 * MIB
    decoded_at_once: int = 4

    # Lens: the default weights were trained near 200 px; at a short side of 320 px the rows keep
    # their quality and a 4:3 photo gives 40 x 53 cells at stride 8. The long side is bounded so that a
    # panorama cannot ask for an unbounded number of cells.
    encode_short_side: int = 320
    encode_long_side: int = 1024
    # A clip has T times the cells of a picture: 224 px give 28 x 28 cells a frame at stride 8.
    clip_short_side: int = 224

    # Attach: a network is run again on changed pictures to see which token is which. Networks of ordinary
    # orders take a second or two; those that cannot be placed would be searched for minutes.
    placing_seconds: float = 60.0

    # Core: a float32 map of 1 GiB is 16,384 x 16,384; more is refused unless the caller lifts it.
    dense_map_bytes: int = 1024 * MIB

    # Zoo: a ResNet-101 with ten blocks is 0.25 GB in float32; with an optimiser's state beside it still
    # under 1 GiB. The same bound holds for the sum of the sizes inside a zip, which a bomb breaks. The
    # names and shapes of a few hundred tensors take kilobytes.
    checkpoint_bytes: int = 1024 * MIB
    checkpoint_index_bytes: int = 4 * MIB
    checkpoint_entries: int = 10_000
    manifest_bytes: int = 1 * MIB

    # Web: the picture (or frame of a clip) sent to the browser, the views kept for everyone together,
    # and the queue.
    display_side: int = 1600
    display_frame_side: int = 960
    # Factors of a block that the browser holds. As float32, all that the network computed: any photo's
    # (3 MB at most for the default) and eight frames (5.7 MB); 8 MiB take a second over 64 Mbit/s. Above
    # it as float16, which the browser unpacks to twice that; beyond factor_bytes it asks for single rows.
    single_factor_bytes: int = 8 * MIB
    factor_bytes: int = 64 * MIB
    # Tensors that a page of the lesson fetches: as float32 up to this, beyond it as float16.
    lesson_bytes: int = 2_000_000
    # The dozen lines hold a whole map, four times while they are compared: a panorama's of 5120 cells has
    # 105 MB. Of a larger one they are shown, and run where their reader likes.
    lesson_map_bytes: int = 112 * MIB
    # The normalisers of all queries cost a pass over all scores: .2 s of two cores for a photo of 2880
    # cells (8 million scores), 1.7 s for eight frames (125 million), which nobody should wait for
    # before a first row. A panorama of 5120 cells has 26 million.
    normaliser_scores: int = 32_000_000
    view_bytes: int = 1024 * MIB
    queue_size: int = 64
    # Questions of one kind that are answered at once, and clips among them that are decoded: each may
    # take clip_bytes.
    at_once: int = 8
    clips_at_once: int = 2
    # What people send and what is written for them, on disk: a hundred photos and a few clips.
    temporary_bytes: int = 2048 * MIB
    # Files on their way at once: each may be as large as a clip.
    uploads: int = 16


LIMITS = Limits()
