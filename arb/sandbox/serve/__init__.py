"""The sandbox as a server: four markets on loopback sockets, speaking the venues' protocols, with scripted faults.

Start with `sandbox.Sandbox`. A tape supplies the venues' frames with their send times; an exchange keeps the state that
a new subscriber receives first; sessions implement one connection's protocol; the REST modules answer requests; faults
modify frames and connections at scheduled times. These are pure; sockets are in `connection`, `hub`, `venue_server` and
`sandbox`.
"""
