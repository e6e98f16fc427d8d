"""Executors: where experiments run. The coordinator alone writes results."""
