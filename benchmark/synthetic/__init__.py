"""The generator of the default edition: people, scenes, gestures, cameras."""
