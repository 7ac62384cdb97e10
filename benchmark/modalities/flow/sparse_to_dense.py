"""Pyramidal Lucas-Kanade on a grid, interpolated along edges: better below a pixel than DIS.

The steps are those of OpenCV's `calcOpticalFlowSparseToDense` (contrib module optflow), which
itself reads beyond its memory where fewer points are followed than the interpolation asks for
(opencv/opencv_contrib#4195): small or flat frames gave NaN, or another flow in each process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmark.modalities.flow.estimator import FlowBackendBase, PairByPair

if TYPE_CHECKING:
    from benchmark.modalities.flow.estimator import Frame, Vectors

# OpenCV's defaults.
GRID, WINDOW = 8, (21, 21)
NEIGHBORS = 128
SIGMA, FGS_LAMBDA, FGS_SIGMA = 0.05, 500.0, 1.5
LEAST = 8
"""Points from which affine motion can be fitted."""


class SparseToDenseFlow(FlowBackendBase):
    """Lucas-Kanade on a grid, interpolated at edges; OpenCV contrib. Better below a pixel."""

    kind: Literal["sparse_to_dense"]

    def estimator(self) -> PairByPair:
        return PairByPair(sparse_to_dense)


def sparse_to_dense(one: Frame, other: Frame) -> Vectors:
    """Estimate the pixels from `one` to `other`, float32 (H, W, 2).

    Where hardly a point can be followed, nothing is known to move: all 0.
    """
    import cv2

    height, width = one.shape[:2]
    ys, xs = np.mgrid[0:height:GRID, 0:width:GRID]
    points = np.stack([xs.ravel(), ys.ravel()], 1).astype(np.float32)
    gray = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (one, other)]
    follow: Any = cv2.calcOpticalFlowPyrLK  # its stubs want a flow to start from
    moved, followed, _ = follow(gray[0], gray[1], points, None, winSize=WINDOW)
    kept = followed.ravel() != 0
    if kept.sum() < LEAST:
        return np.zeros((height, width, 2), np.float32)
    ximgproc: Any = cv2.ximgproc  # contrib has no types
    interpolator = ximgproc.createEdgeAwareInterpolator()
    interpolator.setK(min(NEIGHBORS, int(kept.sum())))
    interpolator.setSigma(SIGMA)
    interpolator.setUsePostProcessing(True)
    interpolator.setFGSLambda(FGS_LAMBDA)
    interpolator.setFGSSigma(FGS_SIGMA)
    return np.asarray(interpolator.interpolate(one, points[kept], other, moved[kept]), np.float32)
