"""The files that stages hand to each other, with their readers, writers and checks."""
