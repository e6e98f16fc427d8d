"""One training spread over several devices of a machine; the README here says how."""
