"""The built-in strategies, one file a method, found through entry points like anybody's."""
