"""nvc-studio: a page on this machine to try the codec with one's own clip."""
