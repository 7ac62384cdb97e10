"""Raw archives as published -> the index, raw videos and raw keypoints. One module per data set."""
