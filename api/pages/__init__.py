"""Pages: what people see in a browser, rendered at the server."""
