"""Thirty more networks that look like attention over positions and have none."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.probe.lookalikes import _C, _H, _W, TOKENS, conv, linear, lookalike, number

_N = _H * _W


@lookalike(weight=conv(), scale=number(_C))
def bottleneck_attention_gate(m, x):
    return x * (
        1 + (m.scale.view(1, -1, 1, 1) * x.mean((2, 3), keepdim=True) + m.weight(x)).sigmoid()
    )


@lookalike(mask=conv(_C, 1), into=linear(), out=linear())
def pooled_context_scaled_into_channels(m, x):
    weights = m.mask(x).flatten(2).softmax(-1)
    context = (weights @ x.flatten(2).mT)[:, 0]
    return x * m.out(m.into(context).relu()).sigmoid()[..., None, None]


@lookalike(gate=conv(_C, 1))
def softmax_over_places_as_a_gate(m, x):
    return x * m.gate(x).flatten(2).softmax(-1).view(len(x), 1, *x.shape[2:]) * x[0, 0].numel()


@lookalike(TOKENS, mix=number(4, _N, _N))
def several_learnt_mixings(m, x):
    y = m.mix.softmax(-1) @ x[:, None].unflatten(-1, (4, 2)).movedim(-2, 1).squeeze(2)
    return y.movedim(1, -2).flatten(-2)


@lookalike(TOKENS, bias=number(_N, _N), k=linear(), v=linear(), q=linear())
def attention_free_transformer(m, x):
    k = m.k(x).exp()
    w = m.bias.softmax(-1)
    return m.q(x).sigmoid() * (w @ (k * m.v(x))) / (w @ k)


@lookalike(TOKENS, k=linear(), v=linear(), r=linear(), decay=number(_C))
def weighted_key_values(m, x):
    k, v, out = m.k(x), m.v(x), []
    a, b = torch.zeros_like(k[:, 0]), torch.zeros_like(k[:, 0])
    for t in range(x.shape[1]):
        out.append((a + k[:, t].exp() * v[:, t]) / (b + k[:, t].exp()))
        a, b = (
            s * (-m.decay.abs()).exp() for s in (a + k[:, t].exp() * v[:, t], b + k[:, t].exp())
        )
    return m.r(x).sigmoid() * torch.stack(out, 1)


@lookalike(TOKENS, q=linear(), memory=number(9, _C), values=number(9, _C))
def memory_of_learnt_patterns(m, x):
    k, v = (part[None].expand(len(x), -1, -1) for part in (m.memory, m.values))
    return F.scaled_dot_product_attention(m.q(x), k, v)


@lookalike(TOKENS, centres=number(5, _C), share=linear(_C, 5))
def vectors_of_local_descriptors(m, x):
    share = m.share(x).softmax(-1)
    return share.mT @ x - share.sum(1)[..., None] * m.centres


@lookalike(left=conv(), right=conv())
def cost_volume(m, x):
    left, right = m.left(x), m.right(x.flip(-1))
    costs = [(left * right.roll(d, -1)).sum(1) for d in range(4)]
    share = torch.stack(costs, -1).softmax(-1)
    return share @ torch.arange(4.0)


@lookalike(TOKENS, head=linear(_C, 6))
def sequence_labels(m, x):
    return m.head(x).log_softmax(-1)


@lookalike(TOKENS, teacher=linear(_C, 6), student=linear(_C, 6))
def distilled_logits(m, x):
    soft = (m.teacher(x.mean(1)) / 4).softmax(-1)
    return soft @ m.student(x.mean(1)).log_softmax(-1).T


@lookalike((2, 3, _C, _H, _W), q=linear(), k=linear(), v=linear())
def attention_over_pooled_frames(m, x):
    frames = x.mean((3, 4))
    q, k, v = m.q(frames), m.k(frames), m.v(frames)
    y = (q @ k.mT).softmax(-1) @ v
    return x + y[..., None, None]


@lookalike((2, 30, _H, _W), gamma=number(1))
def channels_as_many_as_positions(m, x):
    flat = x.flatten(2)
    return x + m.gamma * ((flat @ flat.mT).softmax(-1) @ flat).view_as(x)


@lookalike((6, 6, _C), q=linear(), k=linear(), v=linear())
def attention_over_the_batch(m, x):
    q, k, v = (f(x.mean(1)) for f in (m.q, m.k, m.v))
    return x + ((q @ k.T).softmax(-1) @ v)[:, None]


@lookalike(q=linear(), k=linear())
def attention_over_pooled_quarters(m, x):
    pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
    both = torch.stack([pooled, pooled.roll(1, 1)], 1)
    return x + ((m.q(both) @ m.k(both).mT).softmax(-1) @ both).mean(1)[..., None, None]


@lookalike(offset=conv(_C, 8), share=conv(_C, 4), value=conv())
def sampling_at_learnt_offsets(m, x):
    share = m.share(x).flatten(2).mT.softmax(-1)
    where = m.offset(x).unflatten(1, (4, 2)).permute(0, 1, 3, 4, 2).tanh()
    found = torch.stack(
        [F.grid_sample(m.value(x), where[:, i], align_corners=False) for i in range(4)], -1
    )
    return torch.einsum("bcnp,bnp->bcn", found.flatten(2, 3), share).view_as(x)


@lookalike(TOKENS, route=linear(_C, 3), a=linear(), b=linear(), c=linear())
def layers_weighed_for_each_token(m, x):
    layers = torch.stack([m.a(x), m.b(x), m.c(x)], 2)
    return (m.route(x).softmax(-1)[:, :, None] @ layers)[:, :, 0]


@lookalike(TOKENS, depth=number(3))
def layers_weighed_alike(m, x):
    return torch.einsum("l,lbnc->bnc", m.depth.softmax(0), torch.stack([x, x.relu(), x.tanh()]))


@lookalike(TOKENS, q=linear(_C, 6), k=linear(_C, 6))
def outer_product_of_channels(m, x):
    cross = (m.q(x).mT @ m.k(x) / _N).softmax(-1)
    return x[..., :6] @ cross


@lookalike(TOKENS, q=linear(), k=linear(), v=linear())
def linear_attention_with_elu(m, x):
    q, k, v = m.q(x), F.elu(m.k(x)) + 1, m.v(x)
    return q.softmax(-1) @ (k.mT @ v)


@lookalike(maps=conv(_C, 3))
def soft_object_regions(m, x):
    maps = m.maps(x).flatten(2)
    regions = maps.softmax(-1) @ x.flatten(2).mT
    return (maps.softmax(1).mT @ regions).mT.view_as(x)


@lookalike(down=conv(_C, 2), up=conv(2, _C))
def gates_between_scales(m, x):
    small = F.avg_pool2d(x, 2)
    gate = F.interpolate(m.up(m.down(small)).softmax(1), x.shape[2:])
    return gate * x


@lookalike(kernels=number(4, _C, _C), route=linear(_C, 4))
def mixed_kernels(m, x):
    share = m.route(x.mean((2, 3))).softmax(-1)
    kernel = (share @ m.kernels.flatten(1)).view(-1, _C, _C)
    return (kernel @ x.flatten(2)).view_as(x)


@lookalike(TOKENS, order=linear(_C, _N))
def soft_sorting(m, x):
    return m.order(x.mean(1))[:, None].expand(-1, _N, -1).softmax(-1) @ x


@lookalike(TOKENS, weight=linear(_C, _N))
def dense_synthesised_pooling(m, x):
    return m.weight(x.mean(1)).softmax(-1)[:, None] @ x


@lookalike(TOKENS, score=linear(_C, 1))
def pooled_query_for_all(m, x):
    shared = (m.score(x).softmax(1) * x).sum(1, keepdim=True)
    return x * shared


@lookalike(row=conv(_C, _C), column=conv(_C, _C))
def coordinate_gates(m, x):
    return x * m.row(x.mean(3, True)).sigmoid() * m.column(x.mean(2, True)).sigmoid()


@lookalike(TOKENS, first=linear(_C, 4), second=linear(_C, 4))
def bilinear_classifier(m, x):
    return (m.first(x.mean(1))[:, :, None] * m.second(x.amax(1))[:, None]).flatten(1).softmax(-1)


@lookalike(TOKENS, lstm=lambda: nn.LSTM(_C, _C, batch_first=True), score=linear(_C, 1))
def last_state_over_states(m, x):
    states, (last, _) = m.lstm(x)
    return (states @ last[0][..., None]).softmax(1).mT @ states


@lookalike(a=conv(), b=conv())
def gram_of_styles(m, x):
    a, b = m.a(x).flatten(2), m.b(x).flatten(2)
    return ((a @ b.mT) / _N).softmax(-1).flatten(1)
