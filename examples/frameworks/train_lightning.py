"""Trains with Lightning, which keeps where the batches stand in its checkpoints."""

import os

import lightning
import torch
from common import arguments, loader_of


class Forecast(lightning.LightningModule):
    def __init__(self, channels):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Conv2d(channels, 16, 3, padding=1), torch.nn.GELU(),
                                       torch.nn.Conv2d(16, channels, 3, padding=1))

    def training_step(self, batch, _):
        inputs, targets = batch
        x, y = inputs[:, 0], targets[:, 0]
        return torch.nn.functional.mse_loss(x + self.net(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


def main():
    args = arguments(__doc__)
    lightning.seed_everything(0)
    batches = loader_of(args).to_torch("cuda" if torch.cuda.is_available() else None)
    trainer = lightning.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False, devices=1,
                                enable_progress_bar=False, enable_model_summary=False)
    found = args.checkpoint if os.path.exists(args.checkpoint) else None
    trainer.fit(Forecast(len(args.variables)), batches, ckpt_path=found)
    trainer.save_checkpoint(args.checkpoint)
    print(f"epochs {trainer.current_epoch} steps {trainer.global_step}", flush=True)


if __name__ == "__main__":
    main()
