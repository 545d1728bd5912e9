"""What a training run says, line by line, and what follows from it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field


@dataclass
class Training:
    """What a training run said."""

    epochs: int
    start: int = -1
    steps: int = 0  # of the whole run
    last_step: int = 0
    last_batch: int = 0
    cache_hits: int = 0  # of the loader, at the last checkpoint
    checkpoints: list[int] = field(default_factory=list)
    done: dict | None = None

    @property
    def per_epoch(self) -> int:
        return self.steps // self.epochs

    def hear(self, line: str) -> None:
        if match := re.match(r"start step (\d+) of (\d+)", line):
            self.start, self.steps = int(match[1]), int(match[2])
        elif match := re.match(r"step (\d+) epoch \d+ batch (\d+)", line):
            self.last_step, self.last_batch = int(match[1]), int(match[2])
        elif match := re.match(r"checkpoint step (\d+) cache hits (\d+)", line):
            self.checkpoints.append(int(match[1]))
            self.cache_hits = int(match[2])
        elif line.startswith("done "):
            self.done = json.loads(line[5:])

    @property
    def last_checkpoint(self) -> int:
        return self.checkpoints[-1] if self.checkpoints else 0

    def is_half_over(self) -> bool:
        return self.last_checkpoint >= self.steps // 2

    def is_early_in_epoch(self) -> bool:
        """The next checkpoint is of this epoch too."""
        return 0 < self.last_checkpoint % self.per_epoch <= self.per_epoch // 4
