"""Observers that a run loads by name, as `--plugin reliability`. One file each."""
