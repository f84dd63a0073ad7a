"""The running daemon: loops, reload, signals, systemd. `run` is where it begins; keeping.py decides what is to run."""
