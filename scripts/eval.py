"""Run `nanot-eval` from a file: measure a trained model."""

from nano_transformer.cli.evaluate import main

if __name__ == "__main__":
    main()
