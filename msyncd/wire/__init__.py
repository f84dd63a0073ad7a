"""How primary and satellite talk: messages as bytes, tokens and log-in, the HTTP server and its client."""
