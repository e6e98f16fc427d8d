"""The built-in strategies, one file per method, registered through entry points like
any plugin's.
"""

FAMILIES = {
    "after training": (
        "imp", "one_shot", "late_rewind", "early_imp", "lr_rewind", "fine_tune", "bimp", "sculpt",
        "aws",
    ),
    "from dense to sparse": ("gradual", "acdc", "granet"),
    "at initialisation": (
        "snip", "iter_snip", "force", "grasp", "magnitude_init", "random",
    ),
    "rewired while it trains": ("set", "snfs", "rigl"),
    "structured": ("early_bird", "filter_l1", "slimming", "n_m", "srigl"),
    "supermasks": ("supermask", "edge_popup", "signed_supermask"),
    "baseline": ("dense", "dense_rewind"),
}  # fmt: skip
"""When a method prunes, or what; in the order in which `lth-bench ls strategies` shows them."""
