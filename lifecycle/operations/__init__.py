"""Several lives of schedulers, one after the other, as somebody asks for them."""
