"""The sandbox as a server: four markets on loopback sockets, speaking the venues' protocols, with scripted faults.

`sandbox.Sandbox` is the way in. Below it, a tape says what the venues send and when; an exchange keeps what a new
subscriber must be told; sessions speak one connection's protocol; the REST modules answer requests; faults spoil it
all on time. These are pure; sockets are in `connection`, `hub`, `venue_server` and `sandbox`.
"""
