"""The 32 gesture programs, one module per part of the body."""
