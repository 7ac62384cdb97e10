"""Stage merge_fold: what stage merge_weights does, for two models of one fold."""

from __future__ import annotations

from pipelines.merge_weights import main

if __name__ == "__main__":
    main()
