"""What the three scripts are told, and the batches that they all train on."""

import argparse

import seamount


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("variables", nargs="+")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--split", help="one that the group notes, as train")
    parser.add_argument("--raw", action="store_true", help="values as they are, not standardised")
    parser.add_argument("--key")
    return parser.parse_args()


def loader_of(args):
    return seamount.Loader(args.url, args.variables, inputs=[0], targets=[1], split=args.split, batch_size=8, seed=1,
                           normalize=not args.raw, fill=0.0, drop_last=True, key=args.key)
