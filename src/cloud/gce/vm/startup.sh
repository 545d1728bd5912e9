#!/bin/bash
# Runs as root at every boot of a machine that `seamount vm up` has made. It installs two watchers, each a service of its
# own that knows nothing of the other: of the lease in the bucket, and of whether anybody uses the machine. Without both,
# Google still deletes the machine when its longest run is over. A third service runs what `seamount vm run` asks for.
set -u
attribute() {
  curl -sf --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' \
    "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}
mkdir -p /opt/seamount
attribute seamount-ending > /opt/seamount/ending.py
for watcher in lease idle; do
  if ! attribute "seamount-$watcher-watch" > "/opt/seamount/${watcher}_watch.py"; then
    echo "seamount: the $watcher watcher could not be installed" > /dev/console
    continue
  fi
  cat > "/etc/systemd/system/seamount-$watcher.service" <<UNIT
[Unit]
Description=Ends this machine (seamount, $watcher)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 /opt/seamount/${watcher}_watch.py
StandardOutput=journal+console
StandardError=journal+console
Restart=always
RestartSec=10
[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable --now "seamount-$watcher"
done
if attribute seamount-job-run > /opt/seamount/job_run.py; then
  # Stopped, it lets the job end and empties mounts; only then is the rest killed.
  cat > /etc/systemd/system/seamount-job.service <<UNIT
[Unit]
Description=Runs what is asked of this machine (seamount)
After=network-online.target google-guest-agent.service
Wants=network-online.target
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 /opt/seamount/job_run.py
Environment=HOME=/root
StandardOutput=journal+console
StandardError=journal+console
KillMode=mixed
TimeoutStopSec=28
Restart=always
RestartSec=10
[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable --now seamount-job
else
  echo "seamount: this machine cannot run jobs: what runs them could not be installed" > /dev/console
fi
echo "seamount: ready" > /dev/console
