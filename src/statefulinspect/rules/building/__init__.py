"""nft's JSON, made into typed rules."""
