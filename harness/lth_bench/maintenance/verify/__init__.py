"""`verify`: experiments of any database run again, and its rules."""
