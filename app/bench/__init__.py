"""MEASURE: `zegel bench`. The service, the load, the receiver of webhooks: each a process of its own, on loopback."""
