"""The machine and the process: devices, files, streams, operating system, errors' origins."""
