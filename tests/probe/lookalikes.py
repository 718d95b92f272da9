"""Thirty networks that look like attention over positions and have none: no map is made of these."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: {name: (a network of it, what it is given)}
LOOKALIKES: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {}
_C, _H, _W = 8, 5, 6


class Of(nn.Module):
    """A network whose forward is a function of itself and x; ``parts`` are its modules and parameters."""

    def __init__(self, forward: Callable[["Of", Tensor], Tensor], **parts: object) -> None:
        super().__init__()
        self._run = forward
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self, x)


def lookalike(shape: tuple[int, ...] = (2, _C, _H, _W), **parts: Callable[[], object]):
    """Lists a forward as a look-alike that is given ``shape``."""

    def listed(forward: Callable[[Of, Tensor], Tensor]) -> Callable[[Of, Tensor], Tensor]:
        def made() -> tuple[nn.Module, Tensor]:
            torch.manual_seed(0)
            net = Of(forward, **{name: part() for name, part in parts.items()}).eval()
            return net, torch.randn(shape)

        LOOKALIKES[forward.__name__] = made
        return forward

    return listed


def linear(i: int = _C, o: int = _C) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(i, o)


def conv(i: int = _C, o: int = _C, k: int = 1) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(i, o, k, padding=k // 2)


def number(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(shape)


TOKENS = (2, _H * _W, _C)


@lookalike(down=linear(_C, 4), up=linear(4, _C))
def squeeze_and_excitation(m, x):
    return x * m.up(F.relu(m.down(x.mean((2, 3))))).sigmoid()[..., None, None]


@lookalike(attn=conv(2, 1, 3), down=linear(_C, 4), up=linear(4, _C))
def cbam(m, x):
    channel = m.up(F.relu(m.down(x.mean((2, 3))))) + m.up(F.relu(m.down(x.amax((2, 3)))))
    x = x * channel.sigmoid()[..., None, None]
    return x * m.attn(torch.cat([x.mean(1, True), x.amax(1, True)], 1)).sigmoid()


@lookalike(conv=lambda: nn.Conv1d(1, 1, 3, padding=1))
def efficient_channels(m, x):
    return x * m.conv(x.mean((2, 3))[:, None]).sigmoid()[:, 0, :, None, None]


@lookalike(attn=conv(), value=conv())
def a_gate_named_attn(m, x):
    return m.attn(x).sigmoid() * m.value(x)


@lookalike(TOKENS, tokens=linear(_H * _W, _H * _W), channels=linear())
def mixer(m, x):
    x = x + m.tokens(x.mT).mT
    return x + m.channels(x)


@lookalike(TOKENS, into=linear(_C, 2 * _C), tokens=linear(_H * _W, _H * _W), out=linear())
def gated_mlp(m, x):
    u, v = m.into(x).chunk(2, -1)
    return m.out(u * m.tokens(v.mT).mT)


@lookalike(TOKENS, weight=number(_H * _W, _H * _W))
def softmax_of_a_parameter_over_tokens(m, x):
    return m.weight.softmax(-1) @ x


@lookalike(TOKENS, gate=linear(_C, 4), experts=number(4, _C, _C))
def dense_experts(m, x):
    each = torch.einsum("bnc,ecd->bned", x, m.experts)
    return (m.gate(x).softmax(-1)[:, :, None] @ each)[:, :, 0]


@lookalike(TOKENS, gate=linear(_C, 4), experts=number(4, _C, _C))
def best_two_experts(m, x):
    weight, which = m.gate(x).softmax(-1).topk(2, -1)
    each = torch.einsum("bnc,bnkcd->bnkd", x, m.experts[which])
    return (weight[..., None] * each).sum(2)


@lookalike(TOKENS, slots=number(_C, 6), expert=linear())
def soft_experts(m, x):
    score = x @ m.slots
    given = score.softmax(1).mT @ x
    return score.softmax(2) @ m.expert(given)


@lookalike(TOKENS, head=linear(_C, 5), names=number(5, _C))
def classifier_with_soft_labels(m, x):
    return m.head(x.mean(1)).softmax(-1) @ m.names


@lookalike(head=conv(_C, 5), names=number(5, _C))
def segments_embedded_again(m, x):
    return (m.head(x).flatten(2).mT.softmax(-1) @ m.names).mT.unflatten(2, x.shape[2:])


@lookalike(score=conv(_C, 1))
def softmax_pooling(m, x):
    weights = m.score(x).flatten(2).softmax(-1)
    return (x.flatten(2) @ weights.mT)[..., 0]


@lookalike(TOKENS, score=linear(_C, 3), out=linear())
def three_attentive_poolings(m, x):
    return m.out(m.score(x).softmax(1).mT @ x)


@lookalike(TOKENS, a=linear(_C, 4), b=linear(_C, 4), w=linear(4, 1))
def gated_bag_pooling(m, x):
    score = m.w(m.a(x).tanh() * m.b(x).sigmoid()).softmax(1)
    return score.mT @ x


@lookalike(TOKENS, book=number(7, _C))
def soft_codebook(m, x):
    return (-torch.cdist(x, m.book[None].expand(len(x), -1, -1))).softmax(-1) @ m.book


@lookalike(TOKENS, book=number(7, _C))
def codebook_by_products(m, x):
    return (x @ m.book.T).softmax(-1) @ m.book


@lookalike(TOKENS, book=number(7, _C))
def codebook_straight_through(m, x):
    soft = (x @ m.book.T).softmax(-1)
    hard = F.one_hot(soft.argmax(-1), 7).to(x)
    return (hard + soft - soft.detach()) @ m.book


@lookalike(score=conv(_C, 3))
def soft_argmax(m, x):
    rows, columns = torch.meshgrid(torch.arange(_H), torch.arange(_W), indexing="ij")
    place = torch.stack([rows, columns], -1).view(-1, 2).to(x)
    return m.score(x).flatten(2).softmax(-1) @ place


@lookalike(TOKENS, share=linear(_C, 3), means=number(3, 4))
def mixture_head(m, x):
    return m.share(x).softmax(-1) @ m.means


@lookalike(TOKENS, q=linear(), k=linear())
def contrastive_logits(m, x):
    q, k = F.normalize(m.q(x.mean(1)), dim=-1), F.normalize(m.k(x.amax(1)), dim=-1)
    return (q @ k.T / 0.1).softmax(-1)


@lookalike(TOKENS, q=linear(), k=linear())
def agreement_within_the_batch(m, x):
    a = (m.q(x.mean(1)) @ m.k(x.mean(1)).T).softmax(-1)
    return a @ x.flatten(1)


@lookalike(gamma=number(1))
def channel_attention(m, x):
    flat = x.flatten(2)
    return x + m.gamma * ((flat @ flat.mT).softmax(-1) @ flat).view_as(x)


@lookalike(TOKENS, qkv=linear(_C, 3 * _C), scale=number(2, 1, 1))
def cross_covariance(m, x):
    q, k, v = m.qkv(x).unflatten(-1, (3, 2, _C // 2)).permute(2, 0, 3, 4, 1)
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    y = (q @ k.mT * m.scale).softmax(-1) @ v
    return y.permute(0, 3, 1, 2).flatten(2)


@lookalike(TOKENS, qkv=linear(_C, 3 * _C))
def channels_by_the_fused_kernel(m, x):
    q, k, v = m.qkv(x).chunk(3, -1)
    return F.scaled_dot_product_attention(q.mT, k.mT, v.mT).mT


@lookalike(TOKENS, vote=number(_C, 3 * 4))
def capsules(m, x):
    votes = (x @ m.vote).unflatten(-1, (3, 4))
    b = torch.zeros(votes.shape[:3])
    for _ in range(2):
        pose = torch.einsum("bni,bnid->bid", b.softmax(-1), votes)
        b = b + torch.einsum("bid,bnid->bni", pose, votes)
    return pose


@lookalike(TOKENS, gru=lambda: nn.GRU(_C, _C, batch_first=True))
def a_recurrent_sequence(m, x):
    return m.gru(x)[0]


@lookalike(kernel=conv(_C, 9))
def dynamic_filters(m, x):
    weight = m.kernel(x).flatten(2).softmax(1)
    windows = F.unfold(x, 3, padding=1).unflatten(1, (_C, 9))
    return (windows * weight[:, None]).sum(2).unflatten(2, x.shape[2:])


@lookalike(up=conv(_C, 9 * 4))
def convex_upsampling(m, x):
    weight = m.up(x).unflatten(1, (9, 4)).softmax(1)
    near = F.unfold(x, 3, padding=1).view(len(x), _C, 9, 1, _H, _W)
    return F.pixel_shuffle((weight[:, None] * near).sum(2).flatten(1, 2), 2)


@lookalike(a=conv(), b=conv())
def selective_kernels(m, x):
    parts = torch.stack([m.a(x), m.b(x)], 1)
    weight = parts.sum(1).mean((2, 3))[:, None].expand(-1, 2, -1).softmax(1)
    return (parts * weight[..., None, None]).sum(1)


@lookalike(a=conv(), b=conv(), c=conv())
def bilinear_pooling(m, x):
    return m.a(x).flatten(2) @ m.b(x).flatten(2).mT @ m.c(x).flatten(2)


@lookalike(maps=conv(_C, 4), value=conv())
def double_attention(m, x):
    gathered = m.value(x).flatten(2) @ m.maps(x).flatten(2).softmax(-1).mT
    return gathered @ m.maps(x).flatten(2).softmax(1)


@lookalike(q=conv(), k=conv(), v=conv())
def linear_attention_of_two_softmaxes(m, x):
    q, k, v = (f(x).flatten(2) for f in (m.q, m.k, m.v))
    return ((k.softmax(-1) @ v.mT).mT @ q.softmax(1)).view_as(x)


@lookalike(TOKENS, graph=number(_H * _W, 4), w=linear())
def graph_of_learnt_nodes(m, x):
    return m.w((m.graph @ m.graph.T).relu().softmax(-1) @ x)


@lookalike(theta=linear(2 * 3, 6))
def a_spatial_transformer(m, x):
    theta = m.theta(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1)[:, :6]).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), False), align_corners=False)
