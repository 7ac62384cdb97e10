"""The harness: data in, trained models, results tables out."""
