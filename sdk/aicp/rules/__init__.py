"""Pure, versioned, published rules: every number here can be recomputed by anyone."""
