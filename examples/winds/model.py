"""The model: next month's wind anomaly as a weighted sum of four fields that the last twelve months give.

    forecast(point) = Σ_k weight_k(point) · feature_k(point)

Nine years are short: a free weight at each point would learn noise. So a weight field is a smoothed field of
parameters, which ties neighbours together, and training starts from zero and takes few epochs. Features, smoothing and
epochs were chosen by forecasting months 61 to 108 from those before, never by a held-out month.
"""

import numpy as np

VARIABLES = ["UWND", "VWND"]
LEADS = list(range(-11, 1))  # the inputs of a forecast: this month and the eleven before
TRAIN = (0, 108)             # the months that may be learnt from
TEST = (108, 132)            # the months to forecast, each from the twelve before it
FEATURES = 4


def smooth(field, times):
    """Averages each point with its neighbours (1 2 1, both ways), over and over; longitude has no edge."""
    for _ in range(times):
        field = (np.roll(field, 1, -1) + 2 * field + np.roll(field, -1, -1)) / 4
        north = np.concatenate([field[..., 1:, :], field[..., -1:, :]], -2)
        south = np.concatenate([field[..., :1, :], field[..., :-1, :]], -2)
        field = (north + 2 * field + south) / 4
    return field


def features(inputs):
    """(batch, 12 months, variable, y, x) → (batch, feature, variable, y, x)."""
    last = inputs[:, -1]
    return np.stack([last, smooth(last, 2), inputs[:, -3:].mean(1), inputs.mean(1)], axis=1)


class Model:
    """Weights and the optimizer's state (Adam), all float32, so that a checkpoint of `arrays` is the whole of it."""

    SMOOTHING = 15  # passes: reaches about four grid points, 10 degrees
    RATE = 0.01

    def __init__(self, field_shape):
        shape = (FEATURES, len(VARIABLES), *field_shape)
        self.arrays = {name: np.zeros(shape, np.float32) for name in ("parameters", "mean", "square")}
        self.step = 0

    def weights(self):
        return smooth(self.arrays["parameters"], self.SMOOTHING)

    def predict(self, inputs):
        return (features(inputs) * self.weights()).sum(1)

    def update(self, inputs, targets, progress):
        """One step of gradient descent on a minibatch; `progress` goes from 0 to 1 over the run. Returns the loss."""
        x = features(inputs)
        error = (x * self.weights()).sum(1) - targets
        gradient = smooth((x * error[:, None]).mean(0), self.SMOOTHING)  # smoothing is its own transpose
        self.step += 1
        a = self.arrays
        a["mean"] = 0.9 * a["mean"] + 0.1 * gradient
        a["square"] = 0.99 * a["square"] + 0.01 * gradient**2
        mean, square = a["mean"] / (1 - 0.9**self.step), a["square"] / (1 - 0.99**self.step)
        rate = self.RATE * (1 + np.cos(np.pi * progress)) / 2
        a["parameters"] = (a["parameters"] - rate * mean / (np.sqrt(square) + 1e-3)).astype(np.float32)
        return float((error**2).mean())
