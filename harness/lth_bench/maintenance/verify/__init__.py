"""`verify`: experiments of anybody's database run again, and its rules."""
