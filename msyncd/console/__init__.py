"""The web console: what an admin looks at and does, served by the daemon. app.py is where a request arrives."""
