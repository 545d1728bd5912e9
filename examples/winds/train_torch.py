"""train.py with PyTorch: the same data, checkpoints and resume; the model and its optimizer are torch's.

    python train_torch.py gs://lab/winds.zarr --checkpoint /mnt/lab/torch.npz --key key.json

forward.py reads its checkpoints too.
"""

import math

import checkpoint
import seamount
import torch
from model import FEATURES, LEADS, TRAIN, VARIABLES, Model
from train import arguments


def smooth(field, times):
    for _ in range(times):
        field = (field.roll(1, -1) + 2 * field + field.roll(-1, -1)) / 4
        north = torch.cat([field[..., 1:, :], field[..., -1:, :]], -2)
        south = torch.cat([field[..., :1, :], field[..., :-1, :]], -2)
        field = (north + 2 * field + south) / 4
    return field


class Winds(torch.nn.Module):
    def __init__(self, field_shape):
        super().__init__()
        self.parameters_ = torch.nn.Parameter(torch.zeros(FEATURES, len(VARIABLES), *field_shape))

    def forward(self, inputs):
        last = inputs[:, -1]
        features = torch.stack([last, smooth(last, 2), inputs[:, -3:].mean(1), inputs.mean(1)], dim=1)
        return (features * smooth(self.parameters_, Model.SMOOTHING)).sum(1)


def pack(model, optimizer):
    """As model.py names them, so that forward.py needs no torch."""
    state = optimizer.state[model.parameters_]
    arrays = {"parameters": model.parameters_, "mean": state["exp_avg"], "square": state["exp_avg_sq"]}
    return {name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()}


def unpack(arrays, step, model, optimizer):
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.no_grad():
        model.parameters_.copy_(tensors["parameters"])
    optimizer.state[model.parameters_] = {"step": torch.tensor(float(step)), "exp_avg": tensors["mean"],
                                          "exp_avg_sq": tensors["square"]}


def main():
    args = arguments()
    loader = seamount.Loader(args.url, VARIABLES, sample_dim="TIME", inputs=LEADS, targets=[1], select=TRAIN,
                             batch_size=8, shuffle="global", seed=1, endpoint=args.endpoint, key=args.key)
    model, step = Winds(loader.field_shape), 0
    optimizer = torch.optim.Adam(model.parameters(), lr=Model.RATE, betas=(0.9, 0.99), eps=1e-5)
    if found := checkpoint.load(args.checkpoint):
        arrays, step, state = found
        unpack(arrays, step, model, optimizer)
        loader.load_state_dict(state)
    steps = args.epochs * len(loader)

    for epoch in range(loader.epoch, args.epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            inputs, targets = batch.to_torch()
            optimizer.param_groups[0]["lr"] = Model.RATE * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(inputs), targets[:, 0])
            loss.backward()
            optimizer.step()
            step += 1
            print(f"step {step} epoch {epoch} loss {loss.item():.4f}", flush=True)
            if step % args.every == 0:
                checkpoint.save(args.checkpoint, pack(model, optimizer), step, loader.state_dict())
    checkpoint.save(args.checkpoint, pack(model, optimizer), step, loader.state_dict())
    print("done", checkpoint.digest(pack(model, optimizer)), flush=True)


if __name__ == "__main__":
    main()
