"""Triton kernels of the hidden layers, launched by :mod:`stcnn.nn.kernels.triton.launch`.

Formulas: :mod:`stcnn.nn.stack.engine`.

Convention: maps are rows, ``(T, lanes)`` with ``lanes = B Y X C``; a program owns ``LANES`` neighbouring lanes, one per
thread, and walks through time, so that a warp always touches one contiguous piece of a row. It asks for ``BATCH`` rows
before it uses the first: the recurrence waits for its own result, memory need not. Every value is read once and written
once. Sums over time stay in registers and leave as one number per lane, in a fixed order: no atomics, same sums always.

State and sums within a batch have the type of ``v`` (float32, or float64 in tests), sums over batches float64; what the
convolutions read and write may be of any type.

Of a kernel of K samples (``FINITE``) ``v[t - K]`` is looked up again; before the first row it lies in ``earlier``, the
rows of the one clip that all others start with (``SHARED``). ``BATCH <= K``, so that no batch looks up
rows that it writes itself, nor rows behind the last.

Names: ``t`` is the first row of a batch, ``k`` counts rows from there, ``n`` are the lanes; ``until`` (frames, or 0 on
lanes beyond the last) and ``since`` (0, or NEVER) bound the rows that exist.
"""

# Triton compiles these functions: arguments of a kernel are pointers and sizes and take no annotations, tuples are
# unrolled by adding to them, and branches on constants are taken while compiling.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0913, PLR0915, RUF005
from __future__ import annotations

import triton
import triton.language as tl

NEVER: tl.constexpr = tl.constexpr(2**30)


@triton.jit
def _rows_from(rows, t, lanes, n):
    """Addresses of row ``t``; offsets within a batch fit 32 bits, those from the start of all rows do not."""
    return rows + n + tl.cast(t, tl.int64) * lanes


@triton.jit
def _delayed(v, earlier, t, n, since, lanes, clip_lanes, earlier_frames, taps,
             SHARED: tl.constexpr, COUNT: tl.constexpr, STEP: tl.constexpr):  # fmt: skip
    """``v[t' - K]`` for COUNT rows ``t' = t, t + STEP, ...``; zero before the first frame of all."""
    own = _rows_from(v, t - taps, lanes, n)
    lag = since - (t - taps)
    found = ()
    if SHARED:
        row = t - taps + earlier_frames
        shared = _rows_from(earlier, row, clip_lanes, n % clip_lanes)
        exists = since - row
    for k in tl.static_range(COUNT):
        value = tl.load(own + STEP * k * lanes, mask=lag <= STEP * k, other=0.0)
        if SHARED:
            mask = (lag > STEP * k) & (exists <= STEP * k)
            value += tl.load(shared + STEP * k * clip_lanes, mask=mask, other=0.0)
        found = found + (value,)
    return found


@triton.jit
def _on_window(n, inside, channels, columns, clip_lanes, top, left, height, width):
    """Where lane ``n`` lies in rows ``(B, height, width, C)`` of a window of the lattice, and whether it is in it."""
    place = (n % clip_lanes) // channels
    y, x = place // columns - top, place % columns - left
    within = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return ((n // clip_lanes * height + y) * width + x) * channels + n % channels, within


@triton.jit
def integrate(
    u, v, start, earlier, leak, tail_weight, sums,
    frames, lanes, clip_lanes, start_lanes, earlier_frames, channels, taps,
    MOMENTS: tl.constexpr, FINITE: tl.constexpr, SHARED: tl.constexpr, BATCH: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """``v[t] = v[t-1] + b (u[t] - v[t-1])`` from row ``start``; ``sums`` of ``y`` and ``y^2``, ``(2, lanes)``."""
    n = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside, c = n < lanes, n % channels
    until, since = tl.where(inside, frames, 0), tl.where(inside, 0, NEVER)
    kind: tl.constexpr = v.dtype.element_ty
    b = tl.load(leak + c, mask=inside, other=0.0)
    state = tl.load(start + n % start_lanes, mask=inside, other=0.0)
    total, squares = tl.zeros((LANES,), tl.float64), tl.zeros((LANES,), tl.float64)
    if FINITE:
        r = tl.load(tail_weight + c, mask=inside, other=0.0)
    for t in range(0, frames, BATCH):
        read, written, bound = _rows_from(u, t, lanes, n), _rows_from(v, t, lanes, n), until - t
        drive = ()
        for k in tl.static_range(BATCH):
            drive = drive + (tl.load(read + k * lanes, mask=bound > k, other=0.0),)
        if MOMENTS and FINITE:
            delayed = _delayed(v, earlier, t, n, since, lanes, clip_lanes, earlier_frames, taps, SHARED, BATCH, 1)
        sum_y, sum_yy = tl.zeros((LANES,), kind), tl.zeros((LANES,), kind)
        for k in tl.static_range(BATCH):
            state += b * (drive[k].to(kind) - state)
            tl.store(written + k * lanes, state, mask=bound > k)
            if MOMENTS:
                y = state
                if FINITE:
                    y -= r * delayed[k]
                y = tl.where(bound > k, y, 0.0)
                sum_y += y
                sum_yy += y * y
        if MOMENTS:
            total += sum_y.to(tl.float64)
            squares += sum_yy.to(tl.float64)
            if FINITE:
                tl.debug_barrier()  # rows written here are looked up by later batches
    if MOMENTS:
        tl.store(sums + n, total, mask=inside)
        tl.store(sums + lanes + n, squares, mask=inside)


@triton.jit
def activate(
    v, x, earlier, scale, shift, tail_weight, frames, lanes, clip_lanes, earlier_frames, channels, taps, slope,
    columns, top, left, height, width, x_lanes,
    FINITE: tl.constexpr, SHARED: tl.constexpr, WINDOW: tl.constexpr, BATCH: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Leaky rectifier of ``scale y + shift`` into ``x`` ``(T, x_lanes)``: all lanes, or those of a window."""
    n = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside, c, to, t = n < lanes, n % channels, n, tl.program_id(1) * BATCH
    if WINDOW:
        to, inside = _on_window(n, inside, channels, columns, clip_lanes, top, left, height, width)
    factor, offset = tl.load(scale + c, mask=inside, other=0.0), tl.load(shift + c, mask=inside, other=0.0)
    read, written, bound = _rows_from(v, t, lanes, n), _rows_from(x, t, x_lanes, to), tl.where(inside, frames, 0) - t
    y = ()
    for k in tl.static_range(BATCH):
        y = y + (tl.load(read + k * lanes, mask=bound > k, other=0.0),)
    if FINITE:
        r = tl.load(tail_weight + c, mask=inside, other=0.0)
        since = tl.where(inside, 0, NEVER)
        delayed = _delayed(v, earlier, t, n, since, lanes, clip_lanes, earlier_frames, taps, SHARED, BATCH, 1)
    for k in tl.static_range(BATCH):
        value = y[k]
        if FINITE:
            value -= r * delayed[k]
        z = factor * value + offset
        z = tl.where(z > 0, z, slope * z)
        tl.store(written + k * x_lanes, z.to(x.dtype.element_ty), mask=bound > k)


@triton.jit
def sum_adjoint(
    d, v, earlier, scale, shift, mean, tail_weight, sums,
    frames, lanes, clip_lanes, earlier_frames, channels, taps, slope,
    FINITE: tl.constexpr, SHARED: tl.constexpr, BATCH: tl.constexpr, BATCHES: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Sums of ``dz`` and ``dz (y - mean)`` over ``BATCH x BATCHES`` frames, ``(pieces, 2, lanes)``.

    ``d`` is the gradient behind the rectifier, ``dz`` that in front of it.
    """
    n = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside, c = n < lanes, n % channels
    until, since = tl.where(inside, frames, 0), tl.where(inside, 0, NEVER)
    kind: tl.constexpr = v.dtype.element_ty
    factor, offset = tl.load(scale + c, mask=inside, other=0.0), tl.load(shift + c, mask=inside, other=0.0)
    mu = tl.load(mean + c, mask=inside, other=0.0)
    if FINITE:
        r = tl.load(tail_weight + c, mask=inside, other=0.0)
    total, dot = tl.zeros((LANES,), kind), tl.zeros((LANES,), kind)
    first = tl.program_id(1) * BATCHES * BATCH
    for t in range(first, tl.minimum(first + BATCHES * BATCH, frames), BATCH):
        maps, grads, bound = _rows_from(v, t, lanes, n), _rows_from(d, t, lanes, n), until - t
        y, grad = (), ()
        for k in tl.static_range(BATCH):
            y = y + (tl.load(maps + k * lanes, mask=bound > k, other=0.0),)
            grad = grad + (tl.load(grads + k * lanes, mask=bound > k, other=0.0),)
        if FINITE:
            delayed = _delayed(v, earlier, t, n, since, lanes, clip_lanes, earlier_frames, taps, SHARED, BATCH, 1)
        for k in tl.static_range(BATCH):
            value = y[k]
            if FINITE:
                value -= r * delayed[k]
            dz = grad[k].to(kind)
            dz = tl.where(factor * value + offset > 0, dz, slope * dz)
            total += dz
            dot += dz * (value - mu)
    piece = sums + tl.program_id(1) * 2 * lanes
    tl.store(piece + n, total, mask=inside)
    tl.store(piece + lanes + n, dot, mask=inside)


@triton.jit
def integrate_backward(
    d, v, start, earlier, du, h, later, after, leak, tail_weight, scale, shift, mean, slopes, constants, sums,
    frames, lanes, clip_lanes, start_lanes, earlier_frames, later_frames, channels, taps, slope,
    columns, top, left, height, width, d_lanes,
    NORMALISED: tl.constexpr, WINDOW: tl.constexpr, FINITE: tl.constexpr, SHARED: tl.constexpr, LATER: tl.constexpr,
    BATCH: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """The adjoint of rectifier, normalisation and integrator, backwards in time from row ``after`` behind the last.

    ``dz`` is ``d`` in front of the rectifier, and then

        g[t] = scale dz[t] + slopes (y[t] - mean) + constants       (only ``dz`` where not NORMALISED)
        h[t] = h[t+1] + b (g[t] - h[t+1]),   du[t] = h[t] - r h[t+K]

    ``h`` of the frames behind the last lies in ``later`` (LATER). ``after`` is replaced by ``h[0]``; ``sums`` are those
    of ``du[t] (v[t] - v[t-1])`` and ``g[t] v[t-K]``, ``(2, lanes)``. ``slopes`` and ``constants`` are ``(B, C)``.
    """
    n = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside, c, source, seen = n < lanes, n % channels, n, n < lanes
    if WINDOW:
        source, seen = _on_window(n, inside, channels, columns, clip_lanes, top, left, height, width)
    since, seen_since = tl.where(inside, 0, NEVER), tl.where(seen, 0, NEVER)
    kind: tl.constexpr = v.dtype.element_ty
    b = tl.load(leak + c, mask=inside, other=0.0)
    if FINITE:
        r = tl.load(tail_weight + c, mask=inside, other=0.0)
    if NORMALISED:
        per_clip = n // clip_lanes * channels + c
        factor, offset = tl.load(scale + c, mask=inside, other=0.0), tl.load(shift + c, mask=inside, other=0.0)
        mu = tl.load(mean + c, mask=inside, other=0.0)
        centred_coefficient = tl.load(slopes + per_clip, mask=inside, other=0.0)
        constant = tl.load(constants + per_clip, mask=inside, other=0.0)
    before_first = tl.load(start + n % start_lanes, mask=inside, other=0.0)
    state = tl.load(after + n, mask=inside, other=0.0)
    d_leak, d_tail_weight = tl.zeros((LANES,), tl.float64), tl.zeros((LANES,), tl.float64)
    current = tl.load(_rows_from(v, frames - 1, lanes, n), mask=inside, other=0.0)
    for done in range(0, frames, BATCH):
        t = frames - 1 - done
        grads, maps = _rows_from(d, t, d_lanes, source), _rows_from(v, t - 1, lanes, n)
        bound, seen_bound = t - since, t - seen_since
        grad, previous = (), ()
        for k in tl.static_range(BATCH):
            grad = grad + (tl.load(grads - k * d_lanes, mask=seen_bound >= k, other=0.0),)
            previous = previous + (tl.load(maps - k * lanes, mask=bound > k, other=0.0),)
        if FINITE:
            delayed = _delayed(v, earlier, t, n, since, lanes, clip_lanes, earlier_frames, taps, SHARED, BATCH, -1)
            own, behind, ahead = _rows_from(h, t + taps, lanes, n), t + taps - frames + since, ()
            beyond = later + n + (t + taps - frames) * lanes
            for k in tl.static_range(BATCH):
                value = tl.load(own - k * lanes, mask=behind < k, other=0.0)
                if LATER:
                    value += tl.load(beyond - k * lanes, mask=(behind >= k) & (behind < later_frames + k), other=0.0)
                ahead = ahead + (value,)
        sum_leak, sum_rest = tl.zeros((LANES,), kind), tl.zeros((LANES,), kind)
        written, remembered = _rows_from(du, t, lanes, n), _rows_from(h, t, lanes, n)
        for k in tl.static_range(BATCH):
            g = grad[k].to(kind)
            if NORMALISED:
                y = current
                if FINITE:
                    y -= r * delayed[k]
                g = tl.where(factor * y + offset > 0, g, slope * g)
                g = factor * g + centred_coefficient * (y - mu) + constant
            state = tl.where(bound >= k, state + b * (g - state), state)
            out = state
            if FINITE:
                tl.store(remembered - k * lanes, state, mask=bound >= k)
                out -= r * ahead[k]
                sum_rest += tl.where(bound >= k, g * delayed[k], 0.0)
            tl.store(written - k * lanes, out.to(du.dtype.element_ty), mask=bound >= k)
            below = tl.where(bound > k, previous[k], before_first)
            sum_leak += tl.where(bound >= k, out * (current - below), 0.0)
            current = below
        d_leak += sum_leak.to(tl.float64)
        d_tail_weight += sum_rest.to(tl.float64)
        if FINITE:
            tl.debug_barrier()  # rows written here are looked up by later batches
    tl.store(after + n, state, mask=inside)
    tl.store(sums + n, d_leak, mask=inside)
    tl.store(sums + lanes + n, d_tail_weight, mask=inside)


INTERPRETED = not isinstance(integrate, triton.JITFunction)
"""Whether the kernels run line by line on the CPU (``TRITON_INTERPRET=1`` when this module was imported)."""
