"""Drop-in torch modules whose weights live in devices."""
