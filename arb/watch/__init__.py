"""The watcher: a process of its own that reads the folders of runs and shows them, on a page and as metrics.

It knows files alone (`arb.results`): nothing of the runtime, no compiled code, no account. It writes to no run's
folder, so a session runs on whether the watcher is there, hangs or dies.
Start with `sessions`, which follows the folders; then `server`, which serves what it holds.
"""
