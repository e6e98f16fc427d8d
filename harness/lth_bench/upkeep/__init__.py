"""Looking after results and the machine: what is not needed any more, and what is wrong."""
