"""How a machine ends itself: deleted, where its service account may do that; else switched off, which leaves only its
disk to pay for. Both watchers use it; SEAMOUNT_METADATA, _COMPUTE and _POWEROFF are for trying it elsewhere."""

import json
import os
import subprocess
import sys
import urllib.request

METADATA = os.environ.get("SEAMOUNT_METADATA", "http://metadata.google.internal")
COMPUTE = os.environ.get("SEAMOUNT_COMPUTE", "https://compute.googleapis.com")
POWEROFF = os.environ.get("SEAMOUNT_POWEROFF", "systemctl poweroff")


def metadata(path):
    request = urllib.request.Request(f"{METADATA}/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
    return urllib.request.urlopen(request, timeout=20).read().decode()


def authorization():
    token = json.loads(metadata("instance/service-accounts/default/token"))["access_token"]
    return {"Authorization": f"Bearer {token}"}


def end_machine(why):
    print(f"seamount: this machine ends: {why}", file=sys.stderr, flush=True)
    try:
        project, zone = metadata("project/project-id"), metadata("instance/zone").rpartition("/")[2]
        url = f"{COMPUTE}/compute/v1/projects/{project}/zones/{zone}/instances/{metadata('instance/name')}"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE", headers=authorization()), timeout=60)
    except Exception as error:  # whatever it is, the machine has to end
        print(f"seamount: it cannot delete itself ({error}), and is switched off", file=sys.stderr, flush=True)
    subprocess.run(POWEROFF, shell=True, check=False)
