"""nft's text, read into nft's JSON."""
