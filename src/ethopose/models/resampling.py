"""Pictures made larger or smaller, by rows and columns, in compiled code; see `preparation.resize`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def blended(image: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Columns of a picture of floats."""
    height, _, channels = image.shape
    out = np.zeros((height, len(first), channels), np.float32)
    for y in range(height):
        for x in range(len(first)):
            for tap in range(weights.shape[1]):
                if weights[x, tap]:
                    for c in range(channels):
                        out[y, x, c] += np.float32(weights[x, tap]) * image[y, first[x] + tap, c]
    return out


@njit(cache=True, nogil=True)
def resample_columns(images: np.ndarray, first: np.ndarray, weights: np.ndarray, digits: int) -> np.ndarray:
    """Pictures of other columns, of weights in whole numbers of so many binary digits."""
    batch, height, _, channels = images.shape
    out = np.empty((batch, height, len(first), channels), np.uint8)
    for b in range(batch):
        for y in range(height):
            for x in range(len(first)):
                for c in range(channels):
                    total = 1 << (digits - 1)
                    for tap in range(weights.shape[1]):
                        if weights[x, tap]:
                            total += weights[x, tap] * images[b, y, first[x] + tap, c]
                    out[b, y, x, c] = min(max(total >> digits, 0), 255)
    return out


@njit(cache=True, nogil=True)
def resample_rows(images: np.ndarray, first: np.ndarray, weights: np.ndarray, digits: int) -> np.ndarray:
    """Pictures of other rows, as by columns."""
    batch, height, width, channels = images.shape
    flat = np.ascontiguousarray(images).reshape(batch, height, width * channels)
    out = np.empty((batch, len(first), width * channels), np.uint8)
    for b in range(batch):
        for y in range(len(first)):
            total = np.full(width * channels, 1 << (digits - 1), np.int32)
            for tap in range(weights.shape[1]):
                if weights[y, tap]:
                    row = flat[b, first[y] + tap]
                    for x in range(width * channels):
                        total[x] += weights[y, tap] * row[x]
            for x in range(width * channels):
                out[b, y, x] = min(max(total[x] >> digits, 0), 255)
    return out.reshape(batch, len(first), width, channels)
