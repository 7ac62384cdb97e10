"""Networks: one module per backbone, with its spec, and the heat maps that feed them."""
