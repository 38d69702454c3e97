"""Direct against Fourier correlation by kernel width: the rule of ``stcnn.nn.ops.correlate.FOURIER_WIDTH``."""

from __future__ import annotations

import record
import torch

from stcnn.nn.ops import correlate as spatial


def main() -> None:
    """Time both forms, forward and adjoint, per 96 pictures."""
    options = record.arguments(
        __doc__,
        columns=([21, 41], "width of the lattice"),
        channels=([10, 32], "channels in and out"),
        widths=([3, 7, 9, 11, 15, 21], "kernel widths"),
        repeats=(5, "timed calls, of which the shortest counts"),
    )
    rows = []
    for channels in options.channels:
        for columns in options.columns:
            for width in options.widths:
                x = torch.randn(96, columns, columns, channels).permute(0, 3, 1, 2)
                weight = torch.randn(channels, channels, width, width)
                row = {"channels": channels, "columns": columns, "width": width}
                for form, limit in (("direct", 99), ("fourier", 0)):
                    spatial.FOURIER_WIDTH = limit
                    forward = record.seconds(lambda x=x, w=weight: spatial.correlate(x, w), options.repeats)
                    adjoint = record.seconds(lambda x=x, w=weight: spatial.correlate_adjoint(x, x, w), options.repeats)
                    row |= {f"{form}_ms": 1e3 * forward, f"{form}_adjoint_ms": 1e3 * adjoint}
                rows.append(row)
    record.write("spatial", rows)


if __name__ == "__main__":
    main()
