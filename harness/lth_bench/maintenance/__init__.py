"""Looking after results and the machine: `doctor`, `gc`, `why`."""
