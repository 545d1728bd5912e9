"""What the stand-in has to offer: zones, machine types, GPUs. A few of Google's, named and shaped as there."""

from __future__ import annotations

# Machine type → its vCPUs, and the GPUs that it carries itself.
MACHINES = {
    "e2-standard-4": (4, None, 0),
    "n1-standard-4": (4, None, 0),
    "n1-standard-8": (8, None, 0),
    "n1-standard-16": (16, None, 0),
    "g2-standard-8": (8, "nvidia-l4", 1),
    "g2-standard-24": (24, "nvidia-l4", 2),
    "a2-highgpu-1g": (12, "nvidia-tesla-a100", 1),
    "a2-ultragpu-1g": (12, "nvidia-a100-80gb", 1),
    "a3-highgpu-1g": (26, "nvidia-h100-80gb", 1),
    "a3-highgpu-8g": (208, "nvidia-h100-80gb", 8),
}
# GPU → the metric of its quota, and the zones that have it.
GPUS = {
    "nvidia-tesla-t4": ("NVIDIA_T4_GPUS", ("us-central1-a", "us-central1-b", "europe-west4-a", "europe-west4-b")),
    "nvidia-l4": ("NVIDIA_L4_GPUS", ("us-central1-a", "us-central1-c", "europe-west4-a", "asia-southeast1-b")),
    "nvidia-tesla-a100": ("NVIDIA_A100_GPUS", ("us-central1-a", "europe-west4-a")),
    "nvidia-a100-80gb": ("NVIDIA_A100_80GB_GPUS", ("us-central1-a",)),
    "nvidia-h100-80gb": ("NVIDIA_H100_GPUS", ("us-central1-a", "europe-west4-b")),
}
REGIONS = {
    "us-central1": ("us-central1-a", "us-central1-b", "us-central1-c"),
    "europe-west4": ("europe-west4-a", "europe-west4-b"),
    "asia-southeast1": ("asia-southeast1-b",),
}
ZONES = tuple(zone for zones in REGIONS.values() for zone in zones)


def region_of(zone: str) -> str:
    return zone.rpartition("-")[0]
