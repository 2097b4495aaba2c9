"""What rules say, as objects that print as nft text."""
