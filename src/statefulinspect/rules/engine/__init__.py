"""Rules at work: asked about packets, and remembering."""
