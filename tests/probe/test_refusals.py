"""What is no attention over positions is refused by its kind."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.probe.families import family_of, global_context
from nonlocal_viz.probe.records import Capture
from nonlocal_viz.probe.refusals import over_channels
from tests.probe.small import Attends


class Channels(nn.Module):
    """Features that look at features (XCiT): two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (2, 4)).permute(0, 2, 3, 1) for t in self.qkv(x).chunk(3, -1))
        y: Tensor = ((q @ k.mT).softmax(-1) @ v).permute(0, 3, 1, 2).flatten(2)
        return y


class Linearised(Channels):
    """Keys softmaxed over positions, queries over features."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        y: Tensor = q.softmax(-1) @ (k.softmax(1).mT @ v)
        return y


class Pooled(Channels):
    """One weight for each position, by itself."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.qkv(x)[..., :1].softmax(1).mT @ x
        return y


class Normalised(Channels):
    """Weights normalised over heads (DeepViT's)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        a = self.norm((q @ k.mT).softmax(-1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return (a @ v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Channels, "attention over channels"),
        (Linearised, "linear attention"),
        (Pooled, "a pooling"),
        (Normalised, "normalised over heads"),
    ],
)
def test_its_kind_is_said(kind: type[nn.Module], said: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), kind()).eval()
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(2, 12, 8))
    assert not probe.maps
    assert said in probe.refused["1"]


class Decoder(nn.Module):
    """Learnt queries that look at one another before they look at the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.objects = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 11, 8))
        self.among, self.q, self.kv = Attends(), nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.kv(self.stem(x).flatten(2).mT).chunk(2, -1)
        return (self.q(self.among(self.objects)) @ k.mT).softmax(-1) @ v


def test_objects_among_themselves_are_no_places() -> None:
    torch.manual_seed(0)
    net = Decoder().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 20, 24))
    assert "11 tokens are objects" in probe.refused["among"]


class Reads(nn.Module):
    """A text beside a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.text = nn.Embedding(20, 8), Attends()

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        return self.text(self.words(words)) + x.mean()


def test_text_lies_on_no_picture() -> None:
    torch.manual_seed(0)
    net = Reads().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 16, 16), torch.randint(20, (1, 13)))
    assert not probe.maps and "13 tokens are text" in probe.refused["text"]


class Streams(nn.Module):
    """A class token that looks at itself and at the tokens of another stream (CrossViT)."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, ours: Tensor, theirs: Tensor) -> Tensor:
        k, v = self.kv(torch.cat((ours[:, :1], theirs), 1)).chunk(2, -1)
        return (self.q(ours[:, :1]) @ k.mT).softmax(-1) @ v


def test_keys_of_another_stream_do_not_pass_for_padding() -> None:
    torch.manual_seed(0)
    net = Streams().eval()
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(1, 13, 8), torch.randn(1, 6, 8))
    assert not probe.maps and "made of other tokens" in probe.refused[""]


class Context(nn.Module):
    """timm's names: a mask of one channel, something added and something multiplied everywhere."""

    def __init__(self, mean: bool = False) -> None:
        super().__init__()
        self.conv_attn = nn.Conv2d(4, 1, 1)
        self.mlp_add = nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1))
        self.mlp_scale, self.mean = nn.Conv2d(4, 4, 1), mean

    def forward(self, x: Tensor) -> Tensor:
        self.used = self.conv_attn(x).flatten(2).softmax(-1)
        context = (x.flatten(2) @ self.used.mT)[..., None]
        context = x.mean((2, 3), keepdim=True) if self.mean else context
        y: Tensor = x * self.mlp_scale(context).sigmoid() + self.mlp_add(context)
        return y


def test_global_context_is_known_by_its_structure() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(Context()).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(2, 4, 3, 5))
    a = probe.maps["0"]
    torch.testing.assert_close(a.row((1, 2)), net[0].used[:, 0])
    torch.testing.assert_close(a.row((0, 0)), a.row((2, 4)))
    assert "one map" in a.notes[0]
    net = nn.Sequential(Context(mean=True)).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(2, 4, 3, 5))
    assert not probe.maps and "context made again differs" in probe.refused["0"]


def test_other_modules_with_a_mask_are_not_taken_for_it() -> None:
    assert family_of(Context()) is global_context
    head = nn.Sequential(nn.Conv2d(4, 1, 1), nn.Conv2d(4, 4, 1))
    assert not global_context.recognises(head)
    other = Context()
    other.mlp_add = nn.Linear(3, 4)
    assert not global_context.recognises(other)


def test_a_bias_that_is_written_into_the_scores() -> None:
    """MViT's: scores are given their bias in place, as a whole; the query is added to the output."""

    class Written(Channels):
        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            scores = q @ k.mT * 0.5
            bias = torch.arange(12.0).view(3, 4, 1, 1) / 9
            scores[:, 0:, 0:] = (scores.view(-1, 3, 4, 3, 4) + bias.mT).view(-1, 12, 12)
            scores[:, 0:, 0:] = scores.view(-1, 12, 12) * torch.linspace(0, 1, 12)
            self.used = scores.softmax(-1)
            return self.used @ v + q

    torch.manual_seed(0)
    net = nn.Sequential(Written()).eval()
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(2, 12, 8))
    torch.testing.assert_close(probe.maps["0"].dense(), net[0].used)


class Pool(nn.Module):
    """Tokens that attended, normalised and pooled by a softmax over them (CCT)."""

    def __init__(self) -> None:
        super().__init__()
        self.attend, self.norm, self.score = Attends(), nn.LayerNorm(8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x + self.attend(x))
        return self.score(x).softmax(1).mT @ x


def test_a_pooling_of_tokens_that_attended_is_said_to_be_one() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(Pool()).eval()
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(1, 12, 8))
    assert [*probe.maps] == ["0.attend"] and "or a pooling" in probe.refused["0"]


class Runs(nn.Module):
    """Keys pooled of five tokens in a row each, over the ends of rows (Next-ViT)."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv, self.pool = nn.Linear(8, 8), nn.Linear(8, 16), nn.AvgPool1d(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.kv(self.pool(x.mT).mT).chunk(2, -1)
        self.used = (self.q(x) @ k.mT).softmax(-1)
        return self.used @ v


def test_keys_that_are_pooled_over_the_ends_of_rows_are_no_grid() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(Runs()).eval()
    with torch.no_grad(), nv.attach(net, grid=(5, 4)) as probe:
        net(torch.randn(1, 20, 8))
    assert not probe.maps and "5 cells each, one row after another" in probe.refused["0"]
    with torch.no_grad(), nv.attach(net, grid=(2, 10)) as probe:
        net(torch.randn(1, 20, 8))
    a = probe.maps["0"]
    assert a.query_grid == (1, 2, 10) and a.key_grid == (1, 2, 2)
    torch.testing.assert_close(a.dense(), net[0].used)


def test_as_many_features_as_positions_are_not_said_to_be_channels() -> None:
    x = torch.randn(1, 16, 4, 4)
    for sides, said in (((8, 16), True), ((16, 16), False)):
        one = torch.randn(1, *sides)
        assert over_channels(Capture("", one, one, (), True, one), x) is said


class Unlike(nn.Module):
    """Scores of pairs that are no products of queries and keys."""

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.score = score

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x) for part in (self.q, self.k, self.v))
        return self.score(q, k).softmax(-1) @ v


@pytest.mark.parametrize(
    "score",
    [
        lambda q, k: -torch.cdist(q, k),
        lambda q, k: -torch.cdist(q, k, p=1),
        lambda q, k: -(q[:, :, None] - k[:, None]).square().sum(-1),
        lambda q, k: (q[:, :, None] + k[:, None]).tanh().sum(-1),
    ],
)
@pytest.mark.parametrize("tokens", [24, 40])
def test_scores_that_are_no_products_are_said_to_be(
    score: Callable[[Tensor, Tensor], Tensor], tokens: int
) -> None:
    torch.manual_seed(0)
    net = Unlike(score).eval()
    with torch.no_grad(), nv.attach(net, grid=(4, tokens // 4)) as probe:
        net(torch.randn(2, tokens, 8))
    assert not probe.maps and "by no product of the two" in probe.refused[""]
