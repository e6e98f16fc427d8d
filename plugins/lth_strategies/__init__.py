"""The built-in strategies, one file per method, registered through entry points like
any plugin's.
"""
