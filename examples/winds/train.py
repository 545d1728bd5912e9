"""Trains the wind model from minibatches that are read in place from the bucket.

    python train.py gs://lab/winds.zarr --checkpoint /mnt/lab/model.npz --key key.json

Kill it whenever you like: started again, here or on another machine, it goes on at the batch after the last
checkpoint, and ends with the same weights, bit for bit.
"""

import argparse
import json
import resource
import sys

import checkpoint
import seamount
from model import LEADS, TRAIN, VARIABLES, Model


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="the Zarr group, as gs://bucket/winds.zarr")
    parser.add_argument("--checkpoint", required=True, help="file to keep the run in")
    parser.add_argument("--every", type=int, default=5, help="batches between checkpoints")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--in-step", action="store_true",
                        help="go on after a checkpoint only when a line comes on standard input; end with it")
    parser.add_argument("--endpoint", help="storage server")
    parser.add_argument("--key", help="service-account key file")
    return parser.parse_args()


def main():
    args = arguments()
    loader = seamount.Loader(args.url, VARIABLES, sample_dim="TIME", inputs=LEADS, targets=[1], select=TRAIN,
                             batch_size=8, shuffle="global", seed=1, endpoint=args.endpoint, key=args.key)
    model = Model(loader.field_shape)
    if found := checkpoint.load(args.checkpoint):
        model.arrays, model.step, state = found
        loader.load_state_dict(state)
    steps = args.epochs * len(loader)
    print(f"start step {model.step} of {steps}, epoch {loader.epoch}", flush=True)

    for epoch in range(loader.epoch, args.epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            loss = model.update(batch.inputs, batch.targets[:, 0], model.step / steps)
            print(f"step {model.step} epoch {epoch} batch {(model.step - 1) % len(loader) + 1} of {len(loader)} "
                  f"loss {loss:.4f}", flush=True)
            if model.step % args.every == 0:
                checkpoint.save(args.checkpoint, model.arrays, model.step, loader.state_dict())
                print(f"checkpoint step {model.step} cache hits {loader.stats()['cache_hits']}", flush=True)
                if args.in_step and not sys.stdin.readline():
                    sys.exit("standard input has ended, and --in-step goes by it")

    checkpoint.save(args.checkpoint, model.arrays, model.step, loader.state_dict())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("done", json.dumps({"step": model.step, "digest": checkpoint.digest(model.arrays), "peak_bytes": peak,
                              "loader": loader.stats()}), flush=True)


if __name__ == "__main__":
    main()
