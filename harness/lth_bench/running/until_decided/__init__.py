"""Seeds that are added where a comparison is open."""
