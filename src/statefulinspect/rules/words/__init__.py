"""What nftables can name: data types and their words, headers, and everything to look at."""
