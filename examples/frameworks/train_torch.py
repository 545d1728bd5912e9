"""Trains with PyTorch: batches come to the GPU while the step before computes."""

import os

import torch
from common import arguments, loader_of


def main():
    args = arguments(__doc__)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batches = loader_of(args).to_torch(device)
    channels = len(args.variables)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(channels, 16, 3, padding=1), torch.nn.GELU(),
                                torch.nn.Conv2d(16, channels, 3, padding=1)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    if os.path.exists(args.checkpoint):
        state = torch.load(args.checkpoint, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        batches.load_state_dict(state["batches"])

    for epoch in range(batches.state_dict()["epoch"], args.epochs):
        batches.set_epoch(epoch)
        for inputs, targets in batches:  # (8, 1, variable, lat, lon)
            x, y = inputs[:, 0], targets[:, 0]
            loss = torch.nn.functional.mse_loss(x + model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}", flush=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "batches": batches.state_dict()}
        torch.save(state, args.checkpoint)


if __name__ == "__main__":
    main()
