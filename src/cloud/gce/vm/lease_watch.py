"""Ends the machine when its lease in the bucket is over, or was taken away. All times are the bucket's, so that no other
clock has to be right. While the bucket cannot be asked, what it said last holds."""

import datetime
import email.utils
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from ending import authorization, end_machine, metadata

STORAGE = os.environ.get("SEAMOUNT_STORAGE", "https://storage.googleapis.com")
EVERY_SECONDS = float(os.environ.get("SEAMOUNT_WATCH_SECONDS", "30"))


def seconds_left():
    """By the bucket. None: the lease is gone."""
    bucket = urllib.parse.quote(metadata("instance/attributes/seamount-bucket"), safe="")
    key = urllib.parse.quote(metadata("instance/attributes/seamount-lease-key"), safe="")
    request = urllib.request.Request(f"{STORAGE}/storage/v1/b/{bucket}/o/{key}", headers=authorization())
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    lease = json.load(answer)
    renewed = datetime.datetime.fromisoformat(lease["updated"].replace("Z", "+00:00"))
    now = email.utils.parsedate_to_datetime(answer.headers["Date"])
    return float(lease["metadata"]["seconds"]) - (now - renewed).total_seconds()


def watch():
    over_at = time.monotonic() + float(metadata("instance/attributes/seamount-lease-seconds"))
    while True:
        try:
            left = seconds_left()
            if left is None:
                return end_machine("its lease was taken away")
            over_at = time.monotonic() + left
        except Exception as error:  # the network, the metadata server, a text that is none
            print(f"seamount: the lease cannot be read: {error}", flush=True)
        if time.monotonic() >= over_at:
            return end_machine("its lease is over")
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    watch()
    time.sleep(300)  # it is ending; started again, the watcher would end it again
