import numpy as np
import pytest

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.errors import MediaError, OptionError
from nonlocal_viz.render import Legend, Panel, lookup, photo_tile, row_tile, sheet
from nonlocal_viz.render.sheet import tile_size

CELL, AT = Rect(20, 20, 24, 24), (22.0, 22.0)


def panel(height: int, lines: int = 2, columns: int = 3, title: str = "a photo") -> Panel:
    tile = np.full((height, 80, 3), (10, 200, 30), np.uint8)
    return Panel(title, [[tile] * columns for _ in range(lines)])


def green(page: np.ndarray) -> np.ndarray:
    return (page == (10, 200, 30)).all(-1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((600, 450), (100, 75)),
        ((1600, 900), (100, 56)),
        ((500, 500), (75, 75)),
        ((900, 1), (100, 1)),
        ((1, 900), (1, 75)),
    ],
)
def test_tiles_keep_the_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert tile_size(size, 100) == expected


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_query_is_marked_on_any_colour_and_the_photo_is_untouched(ground: int) -> None:
    image = np.full((90, 120, 3), ground, np.uint8)
    tile = photo_tile(image, 120, CELL, AT)
    around = tile[8:36, 8:36].astype(int)
    assert around.max() - around.min() > 120
    assert (tile[60:] == ground).all() and (image == ground).all()


def test_a_cell_that_can_be_seen_is_outlined() -> None:
    image = np.full((90, 120, 3), 128, np.uint8)
    tile = photo_tile(image, 120, Rect(30, 30, 60, 60), (45.0, 45.0))
    assert tile[45, 30].min() > 200 and tile[45, 59].min() > 200
    assert (tile[45, 40:50] == 128).all() and (tile[45, :28] == 128).all()


def test_a_mark_at_the_border_stays_in_the_tile() -> None:
    image = np.full((1, 900, 3), 90, np.uint8)
    assert photo_tile(image, 100, Rect(0, 0, 8, 1), (0.0, 0.0)).shape == (1, 100, 3)


def test_a_row_has_the_colours_of_its_own_maximum() -> None:
    image = np.full((90, 120, 3), 100, np.uint8)
    weights = np.array([[0.0, 0.02], [0.0, 0.04]])
    tile = row_tile(image, 120, weights, [0, 60, 120], [0, 45, 90], CELL, AT, alpha=1)
    table = lookup("inferno")
    assert (tile[70, 100] == table[255]).all() and (tile[70, 10] == table[0]).all()
    assert (tile[10, 100] == table[128]).all()
    # A border of cells within a pixel is blended: 3 cells over 100 pixels.
    third = row_tile(
        image, 100, np.array([[0.0, 1.0, 0.0]]), [0, 40, 80, 120], [0, 90], CELL, AT, alpha=1
    )
    assert table[0].sum() < third[60, 33].sum() < table[255].sum()


def test_signed_rows_are_centred_on_zero() -> None:
    image = np.full((90, 120, 3), 100, np.uint8)
    weights = np.array([[0.0, -1.0, 0.5]])
    tile = row_tile(image, 120, weights, [0, 40, 80, 120], [0, 90], CELL, AT, alpha=1, signed=True)
    table = lookup("managua_r")
    assert (tile[80, 10] == table[128]).all() and (tile[80, 60] == table[0]).all()
    assert (tile[80, 110] == table[191]).all()
    assert Legend.of(True) == Legend("managua_r", "−max", "+max")
    with pytest.raises(OptionError, match="linear"):
        row_tile(image, 120, weights, [0, 40, 80, 120], [0, 90], CELL, AT, scale="sqrt")


def test_every_tile_is_laid_out_once_and_whole() -> None:
    panels = [panel(60), panel(40), panel(60)]
    headers = [("a", ""), ("a name that is much too long for its tile", "")]
    for columns in (None, 1, 2, 7):
        page = sheet(panels, headers, tile=80, columns=columns, legends=[Legend.of(False)])
        assert page.dtype == np.uint8 and page.shape[2] == 3
        assert green(page).sum() == 3 * 2 * 80 * (60 + 40 + 60)
        assert page[:5].min() > 240  # a light page


def test_panels_flow_in_columns() -> None:
    panels = [panel(60) for _ in range(4)]
    headers = [("a", ""), ("b", "")]
    wide, tall = (sheet(panels, headers, tile=80, columns=n) for n in (4, 1))
    assert wide.shape[1] > 3 * tall.shape[1] and tall.shape[0] > 3 * wide.shape[0] / 1.2
    landscape = sheet([panel(60) for _ in range(8)], headers, tile=80)
    assert 1 < landscape.shape[1] / landscape.shape[0] < 2


def test_a_second_line_of_headers_and_a_section_have_room() -> None:
    plain = sheet([panel(60)], [("a", ""), ("b", "")], tile=80)
    blocks = sheet([panel(60)], [("a", "layer2.1"), ("b", "layer3.1")], tile=80)
    assert blocks.shape[0] > plain.shape[0] and green(blocks).sum() == green(plain).sum()
    weak = Panel("a photo", panel(60).tiles, section="weak")
    assert sheet([weak], [("a", ""), ("b", "")], tile=80).shape == plain.shape


def test_a_page_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(MediaError, match="smaller tiles"):
        sheet([panel(60) for _ in range(300)], [("a", ""), ("b", "")], tile=80, columns=1)
