"""What every page of the lesson has to say of a picture, worked out by the core in a way of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

import nonlocal_viz as nv
from nonlocal_viz.core.ancestor import nonlocal_means

Numbers = dict[str, float]


@dataclass
class Seen:
    """A picture, a block, and the pixel that is asked about; ``lens`` gives the lens of a model."""

    view: Any
    block: str
    x: float
    y: float
    frame: int
    lens: Callable[[str], Any]
    source: Any

    @cached_property
    def inside(self) -> Any:
        """Every tensor of the block, in double precision where that matters."""
        return self.view.anatomy(self.block, self.frame)

    @cached_property
    def grid(self) -> Any:
        return self.view.query_grid(self.block)

    @cached_property
    def q(self) -> int:
        return int(self.grid.index(self.x, self.y, self.frame))

    @cached_property
    def dense(self) -> np.ndarray:
        """(N, M)"""
        return self.view.affinity(self.block).dense()[0].double().numpy()

    @property
    def row(self) -> np.ndarray:
        return self.dense[self.q]

    @cached_property
    def scores(self) -> np.ndarray:
        """(M,), of the query: theta phi^T in double precision."""
        theta, phi = self.inside.theta[0].double(), self.inside.phi[0].double()
        return (theta[self.q] @ phi.T).numpy()

    def centre(self, cell: int) -> np.ndarray:
        return np.array(self.grid.rect(int(cell)).centre)

    def key(self, x: float, y: float) -> int:
        return int(self.grid.index(x, y))

    def of(self, model: str) -> "Seen":
        """The same picture through another model."""
        view = self.lens(model).open(self.source)
        return Seen(view, self.block, self.x, self.y, self.frame, self.lens, self.source)


def spread(row: np.ndarray) -> float:
    """As if spread evenly over so many keys: exp of the entropy."""
    held = row[row > 0]
    return float(np.exp(-(held * np.log(held)).sum()))


def guess(seen: Seen) -> Numbers:
    row, count = seen.row, len(seen.row)
    best = int(row.argmax())
    far = round(float(np.linalg.norm(seen.centre(best) - seen.centre(seen.q))))
    return {
        "m": count,
        "peakTimes": row[best] * count,
        "selfTimes": row[seen.q] * count,
        "distance": far,
        "nowTimes": row[best] * count,
        "nowFar": far,
        "selfShare": 100 * float((seen.dense.argmax(1) == np.arange(len(seen.dense))).mean()),
    }


def cells(seen: Seen) -> Numbers:
    theta = seen.lens("default").source.block(seen.block).theta
    (_, rows, columns), x = seen.grid.cells, seen.inside.x
    return {
        "rows": rows,
        "columns": columns,
        "n": rows * columns,
        "c": x.shape[2],
        "d": seen.inside.theta.shape[2],
        "thetaNumbers": sum(p.numel() for p in theta.parameters()),
        "xTop": float(x[0, seen.q].max()),
    }


def score(seen: Seen, strong: int, weak: int) -> Numbers:
    inside, count = seen.inside, len(seen.row)
    products = (inside.theta[0, seen.q] * inside.phi[0, strong]).double().numpy()
    others = (inside.theta[0, seen.q] * inside.phi[0, weak]).double().numpy()
    lead, tall = seen.scores[strong] - seen.scores[weak], int(np.abs(products).argmax())
    return {
        "tall": tall,
        "tallOne": products[tall],
        "tallTwo": others[tall],
        "tallLead": products[tall] - others[tall],
        "d": len(products),
        "s1": seen.scores[strong],
        "s2": seen.scores[weak],
        "diff": lead,
        "ratio": float(np.exp(lead)),
        "askTruth": float(seen.row[strong] / seen.row[weak]),
        "plus": products[products > 0].sum(),
        "minus": -products[products < 0].sum(),
        "score": seen.scores[strong],
        "weight": seen.row[strong],
        "times": seen.row[strong] * count,
        "tallest": int(np.abs(products).argmax()),
        "normaliser": float(np.logaddexp.reduce(seen.scores)),
    }


def row(seen: Seen) -> Numbers:
    columns = seen.dense.sum(0)
    with np.errstate(divide="ignore"):
        ratio = seen.row / seen.dense[:, seen.q]
    most = int(np.where(seen.row * len(seen.row) >= 1, ratio, 0).argmax())
    return {
        "there": seen.row[most],
        "back": seen.dense[most, seen.q],
        "n": len(seen.dense),
        "m": len(seen.row),
        "rowSum": 1.0,
        "support": round(spread(seen.row)),
        "keysNow": len(seen.row),
        "heat": 1.0,
        "colsum": columns.max(),
    }


def output(seen: Seen) -> Numbers:
    inside, q = seen.inside, seen.q
    x, added = inside.x[0].double(), inside.added[0].double()
    y = torch.nn.functional.normalize(inside.y[0].double(), dim=1)
    step = max(1, len(y) // 24)
    others = (y @ y[q])[[k for k in range(step // 2, len(y), step) if k != q]]

    def alike(gamma: float) -> float:
        z = torch.nn.functional.normalize(x + gamma * added, dim=1)
        return float((z @ z[q]).mean())

    moved = float(added[q].norm() / x[q].norm())
    return {
        "c": x.shape[1],
        "d": inside.y.shape[2],
        "movedWhole": moved,
        "alikeBefore": alike(0),
        "alikeAfter": alike(1),
        "yOthers": len(others),
        "yLeast": float(others.min()),
        "yMost": float(others.max()),
        "gamma": 0.0,
        "moved": 0.0,
        "alike": alike(0),
        "xSize": float(x[q].norm()),
        "ySize": float(inside.y[0, q].norm()),
        "addedSize": 0.0,
        "zSize": float(x[q].norm()),
    }


def channels(seen: Seen) -> Numbers:
    theta, phi = seen.inside.theta[0].double(), seen.inside.phi[0].double()
    return {
        "n": len(theta),
        "m": len(phi),
        "d": theta.shape[1],
        "positionNumbers": len(theta) * len(phi),
        "channelNumbers": theta.shape[1] ** 2,
        "channelTop": float((theta.T @ phi).abs().max()),
        "rowNow": seen.q,
        "channelMoved": 0,
    }


def same(seen: Seen) -> Numbers:
    theta, phi = seen.inside.theta[0, seen.q].double(), seen.inside.phi[0].double()
    heads = [
        spread((a @ b.T).softmax(0).numpy())
        for a, b in zip(theta.chunk(8), phi.chunk(8, dim=1), strict=True)
    ]
    scaled = torch.from_numpy(seen.scores / len(theta) ** 0.5).softmax(0).numpy()
    return {
        "compared": len(seen.dense),
        "c": (wide := seen.inside.x.shape[2]),
        "rest": wide - len(theta),
        "root": wide**0.5,
        "factor": wide**0.5,
        "zMax": float(seen.inside.z.abs().max()),
        "supportOurs": round(spread(seen.row)),
        "supportScaled": round(spread(scaled)),
        "supportLeast": round(min(heads)),
        "supportMost": round(max(heads)),
    }


def cousins(seen: Seen) -> Numbers:
    found: Numbers = {}
    for name in ("gaussian", "embedded_gaussian", "dot_product", "concatenation"):
        of = seen if name == "embedded_gaussian" else seen.of(name)
        found |= {f"{name}Sum": of.row.sum(), f"sum_{name}": of.row.sum()}
        if "gaussian" in name:
            found[f"{name}Support"] = round(spread(of.row))
    frames = torch.from_numpy(np.array(seen.view.frames))
    ancestor = nonlocal_means(frames, seen.grid.cells).row(seen.q)[0].double().numpy()
    found |= {"nonlocal_meansSum": 1.0, "nonlocal_meansSupport": round(spread(ancestor))}
    for place, at in (("stone", (760, 290)), ("belly", (370, 400))):
        if seen.view.size[0] > at[0] and seen.view.size[1] > at[1]:
            key, count = seen.key(*at), len(ancestor)
            found |= {f"colour_{place}": ancestor[key] * count}
            found |= {f"learned_{place}": seen.row[key] * count}
    return found


def time(seen: Seen) -> Numbers:
    frames, rows, columns = seen.grid.cells
    shares = 100 * seen.row.reshape(frames, -1).sum(1)
    best = int(seen.row.argmax()) // (rows * columns)
    return {
        "frames": frames,
        "rows": rows,
        "columns": columns,
        "n": frames * rows * columns,
        "even": 100 / frames,
        "t": seen.frame,
        "first": shares[0],
        "kt": best,
        "keyFrame": best,
        "queryFrame": seen.frame,
        "ownShare": shares[seen.frame],
    }


def carry(seen: Seen) -> Numbers:
    adds = seen.row * seen.inside.sizes()[0].double().numpy()
    heavy, best, shares = int(seen.row.argmax()), int(adds.argmax()), 100 * adds / adds.sum()
    return {
        "m": len(adds),
        "heavyWeight": seen.row[heavy],
        "bestWeight": seen.row[best],
        "rank": 1 + int((adds > adds[heavy]).sum()),
        "heavyAdds": shares[heavy],
        "bestAdds": shares[best],
    }


def alike(seen: Seen) -> Numbers:
    """Of two places that are not near each other."""
    (width, height), a = seen.view.size, seen.row
    b = seen.dense[seen.key(600 / 1024 * width, 400 / 576 * height)]
    unit = seen.dense / np.linalg.norm(seen.dense, axis=1, keepdims=True)
    return {
        "cosine": float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
        "meanCosine": float((unit.mean(0) ** 2).sum()),
    }


def sink(seen: Seen) -> Numbers:
    columns, count = seen.dense.sum(0), len(seen.dense)
    best, few = int(columns.argmax()), max(1, round(len(columns) / 100))
    column = seen.dense[:, best]
    even = columns.mean() / count
    middles = np.array([seen.centre(k) for k in range(count)])
    far = np.linalg.norm(middles - middles[best], axis=1) > 0.1 * np.hypot(*seen.view.size)
    over = 100 * float((column > even).mean())
    return {
        "sinkTimes": columns[best] / columns.mean(),
        "bound": 10,
        "sinkOver": over,
        "sinkUnder": 100 - over,
        "sinkTenth": 100 * np.sort(column)[-max(1, round(count / 10)) :].sum() / column.sum(),
        "sinkShare": 100 * float((seen.dense.argmax(1) == best).mean()),
        "fewShare": 100 * np.sort(columns)[-few:].sum() / columns.sum(),
        "gives": column[far].max() / even,
        "spares": column.min() / even,
        "givesNow": column[seen.q] / even,
    }


def dead(seen: Seen) -> Numbers:
    found = output(seen)
    return {
        "deadAdded": 0.0,
        "liveAdded": float(seen.inside.added[0, seen.q].norm()),
        "alikeDead": found["alikeBefore"],
        "alikeLive": found["alikeAfter"],
    }


def code(seen: Seen) -> Numbers:
    return {"n": len(seen.row), "c": seen.inside.x.shape[2]}


def lenses() -> Callable[[str], Any]:
    """A lens of each model, made once."""
    known: dict[str, Any] = {}

    def lens(model: str) -> Any:
        if model not in known:
            known[model] = nv.Lens(nv.load_model(model, "cpu"))
        return known[model]

    return lens
